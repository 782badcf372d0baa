func.func @f(%a: tensor<*xf32>) -> tensor<*xf32> {
  return %a : tensor<*xf32>
}
// error: UnsupportedError 1:14: argument 0 has a dynamic shape, tensor<*xf32>
