func.func @f(%a: tensor<4x4xf32>, %b: tensor<4x0xf32>) -> tensor<4x4xf32> {
  return %a : tensor<4x4xf32>
}
// error: UnsupportedError 1:35: argument 1 has no elements, tensor<4x0xf32>
