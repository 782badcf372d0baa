"builtin.module"() ({
  "func.func"() <{function_type = (tensor<4xf32>) -> tensor<4xf32>, sym_name = "f"}> ({
  ^bb0(%arg0: tensor<4xf32>):
    %1 = "math.exp"(%arg0) : (tensor<4xf32>) -> tensor<4xf32>
    "func.return"(%1) : (tensor<4xf32>) -> ()
  }) : () -> ()
  "builtin.module"() ({
    "transform.named_sequence"() <{arg_attrs = [{transform.readonly}], function_type = (!transform.any_op) -> (), sym_name = "__transform_main"}> ({
    ^bb0(%arg0: !transform.any_op):
      %0 = "transform.tune.knob"() <{name = "coin", options = [true, false], selected = true}> : () -> !transform.any_param
      "transform.debug.emit_param_as_remark"(%0) : (!transform.any_param) -> ()
      %1 = "transform.tune.knob"() {name = "animal", options = ["cat", "dog"]} : () -> !transform.any_param
      %2 = "transform.tune.alternatives"() <{name = "pick", selected_region_attr = 1 : index}> ({
        "transform.yield"(%0) : (!transform.any_param) -> ()
      }, {
        "transform.yield"(%1) : (!transform.any_param) -> ()
      }) : () -> !transform.any_param
      "transform.debug.emit_param_as_remark"(%2) : (!transform.any_param) -> ()
      "transform.yield"() : () -> ()
    }) : () -> ()
  }) {transform.with_named_sequence} : () -> ()
}) : () -> ()
// error: ParseError 11:7: expected children ops to implement TransformOpInterface
