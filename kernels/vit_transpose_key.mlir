// Transpose of the keys of 12 heads, from (head, token, feature) to (head, feature, token).
// ViT-B/16, blocks.*.attn, 197 tokens.
func.func @vit_transpose_key(
    %key: tensor<12x197x64xf32>) -> tensor<12x64x197xf32> {
  %empty = tensor.empty() : tensor<12x64x197xf32>
  %transposed = linalg.transpose
      ins(%key : tensor<12x197x64xf32>)
      outs(%empty : tensor<12x64x197xf32>) permutation = [0, 2, 1]
  return %transposed : tensor<12x64x197xf32>
}
