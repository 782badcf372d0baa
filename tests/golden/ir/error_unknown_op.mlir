func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = linalg.frobnicate %a : tensor<4xf32>
  return %0 : tensor<4xf32>
}
// error: ParseError 2:8: custom op 'linalg.frobnicate' is unknown
