// Gated MLP, down(silu(x gate) * (x up)). Qwen2-0.5B (a Llama architecture), 32 tokens.
func.func @llama_gated_mlp(
    %x: tensor<32x896xf32>,
    %gate: tensor<896x4864xf32>,
    %up: tensor<896x4864xf32>,
    %down: tensor<4864x896xf32>) -> tensor<32x896xf32> {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %wide = tensor.empty() : tensor<32x4864xf32>
  %narrow = tensor.empty() : tensor<32x896xf32>
  %wide_zeros = linalg.fill ins(%zero : f32) outs(%wide : tensor<32x4864xf32>) -> tensor<32x4864xf32>
  %narrow_zeros = linalg.fill ins(%zero : f32) outs(%narrow : tensor<32x896xf32>) -> tensor<32x896xf32>
  %gated = linalg.matmul
      ins(%x, %gate : tensor<32x896xf32>, tensor<896x4864xf32>)
      outs(%wide_zeros : tensor<32x4864xf32>) -> tensor<32x4864xf32>
  %upped = linalg.matmul
      ins(%x, %up : tensor<32x896xf32>, tensor<896x4864xf32>)
      outs(%wide_zeros : tensor<32x4864xf32>) -> tensor<32x4864xf32>
  %hidden = linalg.generic {
      indexing_maps = [
          affine_map<(i, j) -> (i, j)>,
          affine_map<(i, j) -> (i, j)>,
          affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%gated, %upped : tensor<32x4864xf32>, tensor<32x4864xf32>)
      outs(%wide : tensor<32x4864xf32>) {
    ^bb0(%g: f32, %u: f32, %unused: f32):
      %negative = arith.negf %g : f32
      %exponential = math.exp %negative : f32
      %denominator = arith.addf %exponential, %one : f32
      %silu = arith.divf %g, %denominator : f32
      %product = arith.mulf %silu, %u : f32
      linalg.yield %product : f32
  } -> tensor<32x4864xf32>
  %result = linalg.matmul
      ins(%hidden, %down : tensor<32x4864xf32>, tensor<4864x896xf32>)
      outs(%narrow_zeros : tensor<32x896xf32>) -> tensor<32x896xf32>
  return %result : tensor<32x896xf32>
}
