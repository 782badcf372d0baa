// Pooling: max, sum and min, both layouts, strided.
func.func @main(%h: tensor<1x8x10x3xf32>, %c: tensor<1x3x8x10xf32>)
    -> (tensor<1x3x4x3xf32>, tensor<1x6x8x3xf32>, tensor<1x6x8x3xf32>, tensor<1x3x4x5xf32>) {
  %w = tensor.empty() : tensor<3x3xf32>
  %w2 = tensor.empty() : tensor<2x2xf32>
  %zero = arith.constant 0.0 : f32
  %low = arith.constant 0xFF800000 : f32
  %high = arith.constant 0x7F800000 : f32
  %e0 = tensor.empty() : tensor<1x3x4x3xf32>
  %z0 = linalg.fill ins(%low : f32) outs(%e0 : tensor<1x3x4x3xf32>) -> tensor<1x3x4x3xf32>
  %max = linalg.pooling_nhwc_max {strides = dense<2> : tensor<2xi64>}
      ins(%h, %w : tensor<1x8x10x3xf32>, tensor<3x3xf32>) outs(%z0 : tensor<1x3x4x3xf32>) -> tensor<1x3x4x3xf32>
  %e1 = tensor.empty() : tensor<1x6x8x3xf32>
  %z1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<1x6x8x3xf32>) -> tensor<1x6x8x3xf32>
  %sum = linalg.pooling_nhwc_sum ins(%h, %w : tensor<1x8x10x3xf32>, tensor<3x3xf32>) outs(%z1 : tensor<1x6x8x3xf32>) -> tensor<1x6x8x3xf32>
  %z2 = linalg.fill ins(%high : f32) outs(%e1 : tensor<1x6x8x3xf32>) -> tensor<1x6x8x3xf32>
  %min = linalg.pooling_nhwc_min ins(%h, %w : tensor<1x8x10x3xf32>, tensor<3x3xf32>) outs(%z2 : tensor<1x6x8x3xf32>) -> tensor<1x6x8x3xf32>
  %e3 = tensor.empty() : tensor<1x3x4x5xf32>
  %z3 = linalg.fill ins(%low : f32) outs(%e3 : tensor<1x3x4x5xf32>) -> tensor<1x3x4x5xf32>
  %nchw = linalg.pooling_nchw_max {strides = dense<2> : tensor<2xi64>}
      ins(%c, %w2 : tensor<1x3x8x10xf32>, tensor<2x2xf32>) outs(%z3 : tensor<1x3x4x5xf32>) -> tensor<1x3x4x5xf32>
  return %max, %sum, %min, %nchw : tensor<1x3x4x3xf32>, tensor<1x6x8x3xf32>, tensor<1x6x8x3xf32>, tensor<1x3x4x5xf32>
}
