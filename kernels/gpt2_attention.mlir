// Fused attention softmax(query @ key^T / sqrt(64)) @ value, 12 heads, no mask. GPT-2, h.*.attn,
// 128 tokens.
func.func @gpt2_attention(
    %query: tensor<12x128x64xf32>,
    %key: tensor<12x128x64xf32>,
    %value: tensor<12x128x64xf32>) -> tensor<12x128x64xf32> {
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %scale = arith.constant 0.125 : f32
  %empty = tensor.empty() : tensor<12x128x128xf32>
  %scores_init = linalg.fill ins(%zero : f32) outs(%empty : tensor<12x128x128xf32>) -> tensor<12x128x128xf32>
  %product = linalg.batch_matmul indexing_maps = [
          affine_map<(b, m, n, k) -> (b, m, k)>,
          affine_map<(b, m, n, k) -> (b, n, k)>,
          affine_map<(b, m, n, k) -> (b, m, n)>]
      ins(%query, %key : tensor<12x128x64xf32>, tensor<12x128x64xf32>)
      outs(%scores_init : tensor<12x128x128xf32>) -> tensor<12x128x128xf32>
  %scores = linalg.generic {
      indexing_maps = [
          affine_map<(h, q, k) -> (h, q, k)>,
          affine_map<(h, q, k) -> (h, q, k)>],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%product : tensor<12x128x128xf32>)
      outs(%empty : tensor<12x128x128xf32>) {
    ^bb0(%p: f32, %unused: f32):
      %scaled = arith.mulf %p, %scale : f32
      linalg.yield %scaled : f32
  } -> tensor<12x128x128xf32>
  %row_empty = tensor.empty() : tensor<12x128xf32>
  %max_init = linalg.fill ins(%lowest : f32) outs(%row_empty : tensor<12x128xf32>) -> tensor<12x128xf32>
  %sum_init = linalg.fill ins(%zero : f32) outs(%row_empty : tensor<12x128xf32>) -> tensor<12x128xf32>
  %row_max = linalg.generic {
      indexing_maps = [
          affine_map<(h, q, k) -> (h, q, k)>,
          affine_map<(h, q, k) -> (h, q)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%scores : tensor<12x128x128xf32>)
      outs(%max_init : tensor<12x128xf32>) {
    ^bb0(%x: f32, %acc: f32):
      %larger = arith.maximumf %x, %acc : f32
      linalg.yield %larger : f32
  } -> tensor<12x128xf32>
  %exponentials = linalg.generic {
      indexing_maps = [
          affine_map<(h, q, k) -> (h, q, k)>,
          affine_map<(h, q, k) -> (h, q)>,
          affine_map<(h, q, k) -> (h, q, k)>],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%scores, %row_max : tensor<12x128x128xf32>, tensor<12x128xf32>)
      outs(%empty : tensor<12x128x128xf32>) {
    ^bb0(%x: f32, %m: f32, %unused: f32):
      %centered = arith.subf %x, %m : f32
      %exp = math.exp %centered : f32
      linalg.yield %exp : f32
  } -> tensor<12x128x128xf32>
  %row_sum = linalg.generic {
      indexing_maps = [
          affine_map<(h, q, k) -> (h, q, k)>,
          affine_map<(h, q, k) -> (h, q)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%exponentials : tensor<12x128x128xf32>)
      outs(%sum_init : tensor<12x128xf32>) {
    ^bb0(%e: f32, %acc: f32):
      %sum = arith.addf %e, %acc : f32
      linalg.yield %sum : f32
  } -> tensor<12x128xf32>
  %softmax = linalg.generic {
      indexing_maps = [
          affine_map<(h, q, k) -> (h, q, k)>,
          affine_map<(h, q, k) -> (h, q)>,
          affine_map<(h, q, k) -> (h, q, k)>],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%exponentials, %row_sum : tensor<12x128x128xf32>, tensor<12x128xf32>)
      outs(%empty : tensor<12x128x128xf32>) {
    ^bb0(%e: f32, %s: f32, %unused: f32):
      %quotient = arith.divf %e, %s : f32
      linalg.yield %quotient : f32
  } -> tensor<12x128x128xf32>
  %context_empty = tensor.empty() : tensor<12x128x64xf32>
  %context_init = linalg.fill ins(%zero : f32) outs(%context_empty : tensor<12x128x64xf32>) -> tensor<12x128x64xf32>
  %context = linalg.batch_matmul
      ins(%softmax, %value : tensor<12x128x128xf32>, tensor<12x128x64xf32>)
      outs(%context_init : tensor<12x128x64xf32>) -> tensor<12x128x64xf32>
  return %context : tensor<12x128x64xf32>
}
