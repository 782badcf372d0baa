func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {
  %1 = math.exp %a : tensor<4xf32>
  return %1 : tensor<4xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    transform.yield
  }
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    transform.yield
  }
}
// error: UnsupportedError 11:3: the transform script has 2 sequences @__transform_main, which is where it begins
