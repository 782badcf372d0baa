func.func @f(%c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %a = tensor.empty() : tensor<4x0xf32>
  %b = tensor.empty() : tensor<0x4xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<4x0xf32>, tensor<0x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0 : tensor<4x4xf32>
}
// error: UnsupportedError 2:8: a value of tensor.empty has no elements, tensor<4x0xf32>
