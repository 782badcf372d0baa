func.func @f(%a: tensor<4xf32>, %b: tensor<5xf32>) -> tensor<4xf32> {
  %0 = arith.addf %a, %b : tensor<4xf32>
  return %0 : tensor<4xf32>
}
// error: ParseError 2:23: use of value '%b' expects different type than prior uses: 'tensor<4xf32>' vs 'tensor<5xf32>'
