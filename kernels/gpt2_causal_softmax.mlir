// Softmax of the scores with a causal mask (key position at most the query's), 12 heads. GPT-2,
// h.*.attn, 128 tokens.
func.func @gpt2_causal_softmax(
    %scores: tensor<12x128x128xf32>) -> tensor<12x128x128xf32> {
  %lowest = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<12x128x128xf32>
  %masked = linalg.generic {
      indexing_maps = [
          affine_map<(h, q, k) -> (h, q, k)>,
          affine_map<(h, q, k) -> (h, q, k)>],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%scores : tensor<12x128x128xf32>)
      outs(%empty : tensor<12x128x128xf32>) {
    ^bb0(%x: f32, %unused: f32):
      %row = linalg.index 1 : index
      %column = linalg.index 2 : index
      %visible = arith.cmpi sle, %column, %row : index
      %kept = arith.select %visible, %x, %lowest : f32
      linalg.yield %kept : f32
  } -> tensor<12x128x128xf32>
  %row_empty = tensor.empty() : tensor<12x128xf32>
  %max_init = linalg.fill ins(%lowest : f32) outs(%row_empty : tensor<12x128xf32>) -> tensor<12x128xf32>
  %sum_init = linalg.fill ins(%zero : f32) outs(%row_empty : tensor<12x128xf32>) -> tensor<12x128xf32>
  %row_max = linalg.generic {
      indexing_maps = [
          affine_map<(h, q, k) -> (h, q, k)>,
          affine_map<(h, q, k) -> (h, q)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%masked : tensor<12x128x128xf32>)
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
      ins(%masked, %row_max : tensor<12x128x128xf32>, tensor<12x128xf32>)
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
  return %softmax : tensor<12x128x128xf32>
}
