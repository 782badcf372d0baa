module attributes {transform.with_named_sequence} {
  func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {
    %0 = transform.tune.knob<"size"> options = [1, 2] -> !transform.any_param
    %1 = math.exp %a : tensor<4xf32>
    return %1 : tensor<4xf32>
  }
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    transform.yield
  }
}
// error: UnsupportedError 3:10: transform.tune.knob: this operation is not supported
