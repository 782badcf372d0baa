// A small product: asked of the oracle in its tests.
func.func @product(%x: tensor<64x96xf32>, %w: tensor<96x80xf32>) -> tensor<64x80xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<64x80xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<64x80xf32>) -> tensor<64x80xf32>
  %product = linalg.matmul ins(%x, %w : tensor<64x96xf32>, tensor<96x80xf32>)
                           outs(%init : tensor<64x80xf32>) -> tensor<64x80xf32>
  return %product : tensor<64x80xf32>
}
