func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = frob.nicate %a : tensor<4xf32>
  return %0 : tensor<4xf32>
}
// error: ParseError 2:8: Dialect `frob' not found for custom op 'frob.nicate'
