// Split of the hidden state into 12 heads: reshape and transpose. BERT-base, transpose_for_scores,
// 512 tokens.
func.func @bert_split_heads(
    %x: tensor<512x768xf32>) -> tensor<12x512x64xf32> {
  %split = tensor.expand_shape %x [[0], [1, 2]] output_shape [512, 12, 64] : tensor<512x768xf32> into tensor<512x12x64xf32>
  %empty = tensor.empty() : tensor<12x512x64xf32>
  %heads = linalg.transpose
      ins(%split : tensor<512x12x64xf32>)
      outs(%empty : tensor<12x512x64xf32>) permutation = [1, 0, 2]
  return %heads : tensor<12x512x64xf32>
}
