// Second feed-forward layer with the weight stored (out, in), as PyTorch does: x @ weight^T +
// bias. BERT-base, encoder.layer.*.output.dense, 64 tokens.
func.func @bert_ffn_output_transposed(
    %x: tensor<64x3072xf32>,
    %weight: tensor<768x3072xf32>,
    %bias: tensor<768xf32>) -> tensor<64x768xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<64x768xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<64x768xf32>) -> tensor<64x768xf32>
  %product = linalg.matmul indexing_maps = [
          affine_map<(m, n, k) -> (m, k)>,
          affine_map<(m, n, k) -> (n, k)>,
          affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %weight : tensor<64x3072xf32>, tensor<768x3072xf32>)
      outs(%init : tensor<64x768xf32>) -> tensor<64x768xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (n)>,
          affine_map<(m, n) -> (m, n)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%product, %bias : tensor<64x768xf32>, tensor<768xf32>)
      outs(%empty : tensor<64x768xf32>) {
    ^bb0(%p: f32, %b: f32, %unused: f32):
      %biased = arith.addf %p, %b : f32
      linalg.yield %biased : f32
  } -> tensor<64x768xf32>
  return %result : tensor<64x768xf32>
}
