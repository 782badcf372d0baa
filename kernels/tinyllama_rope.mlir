// Rotary position embedding x * cos + rotate_half(x) * sin of 32 heads: slices, negation and
// concatenation. TinyLlama-1.1B, layers.*.self_attn.rotary_emb, 128 tokens.
func.func @tinyllama_rope(
    %x: tensor<32x128x64xf32>,
    %cosine: tensor<128x64xf32>,
    %sine: tensor<128x64xf32>) -> tensor<32x128x64xf32> {
  %low = tensor.extract_slice %x[0, 0, 0] [32, 128, 32] [1, 1, 1] : tensor<32x128x64xf32> to tensor<32x128x32xf32>
  %high = tensor.extract_slice %x[0, 0, 32] [32, 128, 32] [1, 1, 1] : tensor<32x128x64xf32> to tensor<32x128x32xf32>
  %half_empty = tensor.empty() : tensor<32x128x32xf32>
  %negated = linalg.generic {
      indexing_maps = [
          affine_map<(h, t, f) -> (h, t, f)>,
          affine_map<(h, t, f) -> (h, t, f)>],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%high : tensor<32x128x32xf32>)
      outs(%half_empty : tensor<32x128x32xf32>) {
    ^bb0(%a: f32, %unused: f32):
      %negative = arith.negf %a : f32
      linalg.yield %negative : f32
  } -> tensor<32x128x32xf32>
  %rotated = tensor.concat dim(2) %negated, %low : (tensor<32x128x32xf32>, tensor<32x128x32xf32>) -> tensor<32x128x64xf32>
  %empty = tensor.empty() : tensor<32x128x64xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(h, t, f) -> (h, t, f)>,
          affine_map<(h, t, f) -> (t, f)>,
          affine_map<(h, t, f) -> (h, t, f)>,
          affine_map<(h, t, f) -> (t, f)>,
          affine_map<(h, t, f) -> (h, t, f)>],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x, %cosine, %rotated, %sine : tensor<32x128x64xf32>, tensor<128x64xf32>, tensor<32x128x64xf32>, tensor<128x64xf32>)
      outs(%empty : tensor<32x128x64xf32>) {
    ^bb0(%a: f32, %c: f32, %r: f32, %s: f32, %unused: f32):
      %kept = arith.mulf %a, %c : f32
      %turned = arith.mulf %r, %s : f32
      %sum = arith.addf %kept, %turned : f32
      linalg.yield %sum : f32
  } -> tensor<32x128x64xf32>
  return %result : tensor<32x128x64xf32>
}
