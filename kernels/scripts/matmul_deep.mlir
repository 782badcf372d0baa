// Product of 48x8192 by 8192x48, a small result of long sums; alternatives say how they are split.
module attributes {transform.with_named_sequence} {
  func.func @matmul_deep(%a: tensor<48x8192xf32>, %b: tensor<8192x48xf32>) -> tensor<48x48xf32> {
    %zero = arith.constant 0.0 : f32
    %empty = tensor.empty() : tensor<48x48xf32>
    %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<48x48xf32>) -> tensor<48x48xf32>
    %product = linalg.matmul ins(%a, %b : tensor<48x8192xf32>, tensor<8192x48xf32>)
                             outs(%init : tensor<48x48xf32>) -> tensor<48x48xf32>
    return %product : tensor<48x48xf32>
  }

  transform.named_sequence @__transform_main(%module: !transform.any_op {transform.readonly}) {
    %product = transform.structured.match ops{["linalg.matmul"]} in %module
        : (!transform.any_op) -> !transform.any_op
    transform.tune.alternatives<"sum"> {
      // In one piece, in tiles of the result.
      %rows = transform.tune.knob<"rows"> options = [24, 8, 12, 48] -> !transform.any_param
      %columns = transform.tune.knob<"columns"> options = [48, 16] -> !transform.any_param
      %unrolled = transform.tune.knob<"unrolled"> options = [8, 4, 2] -> !transform.any_param
      %sixteen = transform.param.constant 16 -> !transform.any_param
      %one = transform.param.constant 1 -> !transform.any_param
      transform.annotate %product "distribution_0" = %rows : !transform.any_op, !transform.any_param
      transform.annotate %product "distribution_1" = %columns
          : !transform.any_op, !transform.any_param
      transform.annotate %product "vector_common_parallel_0" = %unrolled
          : !transform.any_op, !transform.any_param
      transform.annotate %product "vector_common_parallel_1" = %sixteen
          : !transform.any_op, !transform.any_param
      transform.annotate %product "vector_reduction_2" = %one
          : !transform.any_op, !transform.any_param
      transform.yield
    }, {
      // In pieces that run side by side, along a new dimension, and are then summed up.
      transform.tune.alternatives<"pieces"> {
        transform.structured.split_reduction %product
            <{split_factor = 4 : i64, insert_split_dimension = 0 : i64}> : (!transform.any_op)
            -> (!transform.any_op, !transform.any_op, !transform.any_op, !transform.any_op)
        transform.yield
      }, {
        transform.structured.split_reduction %product
            <{split_factor = 16 : i64, insert_split_dimension = 0 : i64}> : (!transform.any_op)
            -> (!transform.any_op, !transform.any_op, !transform.any_op, !transform.any_op)
        transform.yield
      }
      transform.yield
    }
    transform.yield
  }
}
