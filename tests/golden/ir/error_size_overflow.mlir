func.func @f(%a: tensor<4294967296x4294967296x4294967296xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4xf32>
  return %e : tensor<4xf32>
}
// error: UnsupportedError 1:14: argument 0 is too large, tensor<4294967296x4294967296x4294967296xf32>
