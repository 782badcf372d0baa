func.func @f(%a: tensor<4xf32>, %c: i1) -> tensor<4xf32> {
  cf.cond_br %c, ^yes, ^no
^yes:
  %0 = math.exp %a : tensor<4xf32>
  return %0 : tensor<4xf32>
^no:
  return %a : tensor<4xf32>
}
// error: UnsupportedError 2:3: cf.cond_br: control flow is not supported
