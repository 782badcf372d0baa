// Token embedding gathered by 64-bit ids, plus position embedding. ALBERT-base, 30000 words of 128
// features, 512 tokens.
func.func @albert_embedding(
    %table: tensor<30000x128xf32>,
    %ids: tensor<512xi64>,
    %positions: tensor<512x128xf32>) -> tensor<512x128xf32> {
  %empty = tensor.empty() : tensor<512x128xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(t, f) -> (t)>,
          affine_map<(t, f) -> (t, f)>,
          affine_map<(t, f) -> (t, f)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%ids, %positions : tensor<512xi64>, tensor<512x128xf32>)
      outs(%empty : tensor<512x128xf32>) {
    ^bb0(%id: i64, %position: f32, %unused: f32):
      %row = arith.index_cast %id : i64 to index
      %column = linalg.index 1 : index
      %token = tensor.extract %table[%row, %column] : tensor<30000x128xf32>
      %sum = arith.addf %token, %position : f32
      linalg.yield %sum : f32
  } -> tensor<512x128xf32>
  return %result : tensor<512x128xf32>
}
