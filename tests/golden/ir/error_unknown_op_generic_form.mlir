func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "linalg.frobnicate"(%a) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
// error: ParseError 2:8: unregistered operation 'linalg.frobnicate' found in dialect ('linalg') that does not allow unknown operations
