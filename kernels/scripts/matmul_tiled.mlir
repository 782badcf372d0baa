// Matrix product of 384x384x384; knobs of a transform script say how IREE tiles it.
// Tile sizes are whole numbers that the script annotates the product with, one a loop and level.
module attributes {transform.with_named_sequence} {
  func.func @matmul_tiled(%a: tensor<384x384xf32>, %b: tensor<384x384xf32>)
      -> tensor<384x384xf32> {
    %zero = arith.constant 0.0 : f32
    %empty = tensor.empty() : tensor<384x384xf32>
    %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<384x384xf32>) -> tensor<384x384xf32>
    %product = linalg.matmul ins(%a, %b : tensor<384x384xf32>, tensor<384x384xf32>)
                             outs(%init : tensor<384x384xf32>) -> tensor<384x384xf32>
    return %product : tensor<384x384xf32>
  }

  transform.named_sequence @__transform_main(%module: !transform.any_op {transform.readonly}) {
    %product = transform.structured.match ops{["linalg.matmul"]} in %module
        : (!transform.any_op) -> !transform.any_op

    // A work group's share of rows and columns.
    %rows = transform.tune.knob<"rows"> = 64 from options = [16, 32, 48, 64, 96, 128, 192]
        -> !transform.param<i64>
    %columns = transform.tune.knob<"columns"> = 64 from options = [32, 64, 96, 128, 192, 384]
        -> !transform.param<i64>
    transform.annotate %product "distribution_0" = %rows
        : !transform.any_op, !transform.param<i64>
    transform.annotate %product "distribution_1" = %columns
        : !transform.any_op, !transform.param<i64>

    // What is unrolled into vector registers, and steps of the sum.
    %unrolled = transform.tune.knob<"unrolled"> options = [8, 4, 2, 1, 16] -> !transform.param<i64>
    %vector = transform.tune.knob<"vector"> options = [32, 16, 8] -> !transform.param<i64>
    %step = transform.tune.knob<"step"> options = [1, 2, 4, 8] -> !transform.param<i64>
    transform.annotate %product "vector_common_parallel_0" = %unrolled
        : !transform.any_op, !transform.param<i64>
    transform.annotate %product "vector_common_parallel_1" = %vector
        : !transform.any_op, !transform.param<i64>
    transform.annotate %product "vector_reduction_2" = %step
        : !transform.any_op, !transform.param<i64>
    transform.yield
  }
}
