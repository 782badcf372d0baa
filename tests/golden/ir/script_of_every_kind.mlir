module attributes {transform.with_named_sequence} {
  func.func @f(%a: tensor<8x8xf32>, %b: tensor<8x8xf32>) -> tensor<8x8xf32> {
    %zero = arith.constant 0.0 : f32
    %empty = tensor.empty() : tensor<8x8xf32>
    %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<8x8xf32>) -> tensor<8x8xf32>
    %0 = linalg.matmul ins(%a, %b : tensor<8x8xf32>, tensor<8x8xf32>)
                       outs(%init : tensor<8x8xf32>) -> tensor<8x8xf32>
    return %0 : tensor<8x8xf32>
  }
  transform.named_sequence @tile(%op: !transform.any_op {transform.consumed}) {
    %size = transform.tune.knob<"size"> options = [2, 4, 2] -> !transform.param<i64>
    %0, %1 = transform.structured.tile_using_for %op tile_sizes [%size]
        : (!transform.any_op, !transform.param<i64>) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
  transform.named_sequence @never(%op: !transform.any_op {transform.readonly}) {
    %size = transform.tune.knob<"never"> options = [] -> !transform.param<i64>
    transform.yield
  }
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    // transform.tune.knob<"in a comment"> options = [1] -> !transform.any_param
    %word = transform.tune.knob<"word"> = "transform.tune.knob<" from
        options = ["cat", "transform.tune.knob<", unit, [1, 2], affine_map<(i) -> (i)>,
                   2.5 : f32, true] -> !transform.any_param
    %matmul = transform.structured.match ops{["linalg.matmul"]} in %m
        : (!transform.any_op) -> !transform.any_op
    transform.annotate %matmul "word" = %word : !transform.any_op, !transform.any_param
    %fixed = transform.tune.knob<"fixed"> = 7 from options = affine_set<(d0) : (d0 - 2 >= 0)>
        -> !transform.any_param
    transform.annotate %matmul "fixed" = %fixed : !transform.any_op, !transform.any_param
    %idle = transform.tune.knob<"idle"> options = [1, 2] -> !transform.any_param
    %way = transform.tune.knob<"way"> options = [1, 0] -> !transform.param<i64>
    %0:2 = transform.tune.alternatives<"by the knob"> selected_region = %way
        : !transform.param<i64> -> !transform.any_op, !transform.any_param {
      transform.yield %matmul, %word : !transform.any_op, !transform.any_param
    }, {
      %only = transform.tune.knob<"only in the second"> options = [1, 2] -> !transform.any_param
      transform.yield %matmul, %only : !transform.any_op, !transform.any_param
    }
    transform.annotate %0#0 "chosen" = %0#1 : !transform.any_op, !transform.any_param
    transform.tune.alternatives<"outer"> selected_region = 1 {
      transform.tune.alternatives<"inner"> {
        transform.include @tile failures(propagate) (%0#0) : (!transform.any_op) -> ()
      }, {
      }, {
        %size = transform.tune.knob<"size"> options = [2, 4] -> !transform.any_param
        transform.annotate %0#0 "size" = %size : !transform.any_op, !transform.any_param
      }
    }, {
    }
    transform.yield
  }
}
// decision word: "cat" | ["transform.tune.knob<"] | unit | [1, 2] | affine_map<(d0) -> (d0)> | 2.500000e+00 : f32 | true
// decision fixed: [7 : i64]
// decision idle: 1 : i64 | 2 : i64
//     never
// decision way: 1 : i64 | 0 : i64
// decision only in the second: 1 : i64 | 2 : i64
//     if way = 1 : i64
// decision outer: 0 : i64 | [1 : i64]
// decision inner: 0 : i64 | 1 : i64 | 2 : i64
//     if outer = 0 : i64
// decision size: 2 : i64 | 4 : i64
//     if inner = 0 : i64, outer = 0 : i64
//     if inner = 2 : i64, outer = 0 : i64
// flops = 1024
// bytes = 768
// element_types = f32
// flops_by_dtype = f32:1024
// op linalg.fill 8px8p 0 256 f32
// op linalg.matmul 8px8px8r 1024 768 f32
// canonical:
// module {
//   func.func @main(%arg0: tensor<8x8xf32>, %arg1: tensor<8x8xf32>) -> tensor<8x8xf32> {
//     %cst = arith.constant 0.000000e+00 : f32
//     %0 = tensor.empty() : tensor<8x8xf32>
//     %1 = linalg.fill ins(%cst : f32) outs(%0 : tensor<8x8xf32>) -> tensor<8x8xf32>
//     %2 = linalg.matmul ins(%arg0, %arg1 : tensor<8x8xf32>, tensor<8x8xf32>) outs(%1 : tensor<8x8xf32>) -> tensor<8x8xf32>
//     return %2 : tensor<8x8xf32>
//   }
// }
