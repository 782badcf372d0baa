// Mean over the tokens that the mask keeps, 0 or 1 for each. Sentence-BERT base, pooling, 16
// sentences of 128 tokens.
func.func @sbert_masked_mean_pool(
    %x: tensor<16x128x768xf32>,
    %mask: tensor<16x128xi1>) -> tensor<16x768xf32> {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %empty = tensor.empty() : tensor<16x768xf32>
  %count_empty = tensor.empty() : tensor<16xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<16x768xf32>) -> tensor<16x768xf32>
  %count_init = linalg.fill ins(%zero : f32) outs(%count_empty : tensor<16xf32>) -> tensor<16xf32>
  %total = linalg.generic {
      indexing_maps = [
          affine_map<(b, t, f) -> (b, t, f)>,
          affine_map<(b, t, f) -> (b, t)>,
          affine_map<(b, t, f) -> (b, f)>],
      iterator_types = ["parallel", "reduction", "parallel"]}
      ins(%x, %mask : tensor<16x128x768xf32>, tensor<16x128xi1>)
      outs(%init : tensor<16x768xf32>) {
    ^bb0(%a: f32, %keep: i1, %acc: f32):
      %kept = arith.select %keep, %a, %zero : f32
      %sum = arith.addf %kept, %acc : f32
      linalg.yield %sum : f32
  } -> tensor<16x768xf32>
  %count = linalg.generic {
      indexing_maps = [
          affine_map<(b, t) -> (b, t)>,
          affine_map<(b, t) -> (b)>],
      iterator_types = ["parallel", "reduction"]}
      ins(%mask : tensor<16x128xi1>)
      outs(%count_init : tensor<16xf32>) {
    ^bb0(%keep: i1, %acc: f32):
      %weight = arith.uitofp %keep : i1 to f32
      %sum = arith.addf %weight, %acc : f32
      linalg.yield %sum : f32
  } -> tensor<16xf32>
  %mean = linalg.generic {
      indexing_maps = [
          affine_map<(b, f) -> (b, f)>,
          affine_map<(b, f) -> (b)>,
          affine_map<(b, f) -> (b, f)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%total, %count : tensor<16x768xf32>, tensor<16xf32>)
      outs(%empty : tensor<16x768xf32>) {
    ^bb0(%a: f32, %n: f32, %unused: f32):
      %divisor = arith.maximumf %n, %one : f32
      %quotient = arith.divf %a, %divisor : f32
      linalg.yield %quotient : f32
  } -> tensor<16x768xf32>
  return %mean : tensor<16x768xf32>
}
