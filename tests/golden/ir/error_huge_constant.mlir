func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {
  %c = arith.constant dense<1.0> : tensor<1099511627776xf32>
  %d = math.exp %c : tensor<1099511627776xf32>
  %e = tensor.extract_slice %d[7] [4] [1] : tensor<1099511627776xf32> to tensor<4xf32>
  return %e : tensor<4xf32>
}
// error: UnsupportedError 2:8: a value of arith.constant is too large, tensor<1099511627776xf32>
