func.func @f(%a: tensor<2xf32>) -> tensor<2xf32> {
  %0 = arith.addf %a, %a {note = "größer als ∞"} : tensor<3xf32>
  return %0 : tensor<2xf32>
}
// error: ParseError 2:19: use of value '%a' expects different type than prior uses: 'tensor<3xf32>' vs 'tensor<2xf32>'
