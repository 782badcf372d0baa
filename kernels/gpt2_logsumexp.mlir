// Row-wise log-sum-exp of the logits, as the cross-entropy loss needs it. GPT-2, vocabulary of
// 50257, 16 tokens.
func.func @gpt2_logsumexp(
    %logits: tensor<16x50257xf32>) -> tensor<16xf32> {
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %empty = tensor.empty() : tensor<16xf32>
  %max_init = linalg.fill ins(%lowest : f32) outs(%empty : tensor<16xf32>) -> tensor<16xf32>
  %sum_init = linalg.fill ins(%zero : f32) outs(%empty : tensor<16xf32>) -> tensor<16xf32>
  %row_max = linalg.generic {
      indexing_maps = [
          affine_map<(t, v) -> (t, v)>,
          affine_map<(t, v) -> (t)>],
      iterator_types = ["parallel", "reduction"]}
      ins(%logits : tensor<16x50257xf32>)
      outs(%max_init : tensor<16xf32>) {
    ^bb0(%x: f32, %acc: f32):
      %larger = arith.maximumf %x, %acc : f32
      linalg.yield %larger : f32
  } -> tensor<16xf32>
  %row_sum = linalg.generic {
      indexing_maps = [
          affine_map<(t, v) -> (t, v)>,
          affine_map<(t, v) -> (t)>,
          affine_map<(t, v) -> (t)>],
      iterator_types = ["parallel", "reduction"]}
      ins(%logits, %row_max : tensor<16x50257xf32>, tensor<16xf32>)
      outs(%sum_init : tensor<16xf32>) {
    ^bb0(%x: f32, %m: f32, %acc: f32):
      %centered = arith.subf %x, %m : f32
      %exp = math.exp %centered : f32
      %sum = arith.addf %exp, %acc : f32
      linalg.yield %sum : f32
  } -> tensor<16xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(t) -> (t)>,
          affine_map<(t) -> (t)>,
          affine_map<(t) -> (t)>],
      iterator_types = ["parallel"]}
      ins(%row_sum, %row_max : tensor<16xf32>, tensor<16xf32>)
      outs(%empty : tensor<16xf32>) {
    ^bb0(%s: f32, %m: f32, %unused: f32):
      %log = math.log %s : f32
      %shifted = arith.addf %log, %m : f32
      linalg.yield %shifted : f32
  } -> tensor<16xf32>
  return %result : tensor<16xf32>
}
