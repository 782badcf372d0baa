func.func @f(%a: tensor<8x8xf32>, %b: tensor<8x8xf32>, %c: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %0 = linalg.matmul ins(%a, %b : tensor<8x8xf32>, tensor<8x8xf32>)
                     outs(%c : tensor<8x8xf32>) -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}
module attributes {transform.with_named_sequence} {
  transform.named_sequence @tile(%op: !transform.any_op {transform.readonly},
      %how: !transform.param<i64> {transform.readonly},
      %size: !transform.param<i64> {transform.readonly}) -> !transform.any_op {
    %tiled = transform.tune.alternatives<"how"> selected_region = %how : !transform.param<i64>
        -> !transform.any_op {
      %0, %loop = transform.structured.tile_using_for %op tile_sizes [%size]
          : (!transform.any_op, !transform.param<i64>) -> (!transform.any_op, !transform.any_op)
      transform.yield %0 : !transform.any_op
    }, {
      %0, %loop = transform.structured.tile_using_forall %op tile_sizes [%size]
          : (!transform.any_op, !transform.param<i64>) -> (!transform.any_op, !transform.any_op)
      transform.yield %0 : !transform.any_op
    }
    transform.yield %tiled : !transform.any_op
  }
  transform.named_sequence @tile_too(%op: !transform.any_op {transform.readonly},
      %how: !transform.param<i64> {transform.readonly}) -> !transform.any_op {
    %size = transform.tune.knob<"size"> options = [2, 4] -> !transform.param<i64>
    %0 = transform.include @tile failures(propagate) (%op, %how, %size)
        : (!transform.any_op, !transform.param<i64>, !transform.param<i64>) -> !transform.any_op
    transform.yield %0 : !transform.any_op
  }
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %matmul = transform.structured.match ops{["linalg.matmul"]} in %m
        : (!transform.any_op) -> !transform.any_op
    %outer = transform.param.constant 1 -> !transform.param<i64>
    %outer_size = transform.param.constant 4 -> !transform.param<i64>
    %inner = transform.tune.knob<"inner"> = 0 from options = [0, 1] -> !transform.param<i64>
    %0 = transform.include @tile failures(propagate) (%matmul, %outer, %outer_size)
        : (!transform.any_op, !transform.param<i64>, !transform.param<i64>) -> !transform.any_op
    %1 = transform.include @tile_too failures(propagate) (%0, %inner)
        : (!transform.any_op, !transform.param<i64>) -> !transform.any_op
    transform.yield
  }
}
// decision inner: [0 : i64] | 1 : i64
// decision size: 2 : i64 | 4 : i64
// flops = 1024
// bytes = 1024
// element_types = f32
// flops_by_dtype = f32:1024
// op linalg.matmul 8px8px8r 1024 1024 f32
// canonical:
// module {
//   func.func @main(%arg0: tensor<8x8xf32>, %arg1: tensor<8x8xf32>, %arg2: tensor<8x8xf32>) -> tensor<8x8xf32> {
//     %0 = linalg.matmul ins(%arg0, %arg1 : tensor<8x8xf32>, tensor<8x8xf32>) outs(%arg2 : tensor<8x8xf32>) -> tensor<8x8xf32>
//     return %0 : tensor<8x8xf32>
//   }
// }
