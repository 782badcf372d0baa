module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %0 = transform.tune.knob<"size"> options = [1, 2] ->
// error: ParseError 3:57: transform.tune.knob is not complete: expected a type
