// Attention scores query @ key^T / sqrt(64) of 12 heads over 197 tokens. ViT-B/16, blocks.*.attn.
func.func @vit_attention_scores(
    %query: tensor<12x197x64xf32>,
    %key: tensor<12x197x64xf32>) -> tensor<12x197x197xf32> {
  %zero = arith.constant 0.0 : f32
  %scale = arith.constant 0.125 : f32
  %empty = tensor.empty() : tensor<12x197x197xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<12x197x197xf32>) -> tensor<12x197x197xf32>
  %product = linalg.batch_matmul indexing_maps = [
          affine_map<(b, m, n, k) -> (b, m, k)>,
          affine_map<(b, m, n, k) -> (b, n, k)>,
          affine_map<(b, m, n, k) -> (b, m, n)>]
      ins(%query, %key : tensor<12x197x64xf32>, tensor<12x197x64xf32>)
      outs(%init : tensor<12x197x197xf32>) -> tensor<12x197x197xf32>
  %scores = linalg.generic {
      indexing_maps = [
          affine_map<(b, m, n) -> (b, m, n)>,
          affine_map<(b, m, n) -> (b, m, n)>],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%product : tensor<12x197x197xf32>)
      outs(%empty : tensor<12x197x197xf32>) {
    ^bb0(%p: f32, %unused: f32):
      %scaled = arith.mulf %p, %scale : f32
      linalg.yield %scaled : f32
  } -> tensor<12x197x197xf32>
  return %scores : tensor<12x197x197xf32>
}
