// Attention output projection with bias over 197 tokens (196 patches and the class token).
// ViT-B/16, blocks.*.attn.proj.
func.func @vit_projection_matmul(
    %x: tensor<197x768xf32>,
    %weight: tensor<768x768xf32>,
    %bias: tensor<768xf32>) -> tensor<197x768xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<197x768xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<197x768xf32>) -> tensor<197x768xf32>
  %product = linalg.matmul
      ins(%x, %weight : tensor<197x768xf32>, tensor<768x768xf32>)
      outs(%init : tensor<197x768xf32>) -> tensor<197x768xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (n)>,
          affine_map<(m, n) -> (m, n)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%product, %bias : tensor<197x768xf32>, tensor<768xf32>)
      outs(%empty : tensor<197x768xf32>) {
    ^bb0(%p: f32, %b: f32, %unused: f32):
      %biased = arith.addf %p, %b : f32
      linalg.yield %biased : f32
  } -> tensor<197x768xf32>
  return %result : tensor<197x768xf32>
}
