module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %0 = transform.tune.knob<"size"> options = [1, 2] -> !transform.any_param
    transform.yield
  }
}
// error: UnsupportedError 2:3: there is no func.func in the module
