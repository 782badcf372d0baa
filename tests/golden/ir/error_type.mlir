func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = arith.addi %a, %a : tensor<4xf32>
  return %0 : tensor<4xf32>
}
// error: ParseError 2:8: 'arith.addi' op operand #0 must be signless-non-zero-bitwidth-integer-like, but got 'tensor<4xf32>'
