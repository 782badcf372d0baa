func.func @f(%a: tensor<4xf32>,
             %b: tensor<?x4xf32>) -> tensor<4xf32> {
  return %a : tensor<4xf32>
}
// error: UnsupportedError 2:14: argument 1 has a dynamic shape, tensor<?x4xf32>
