// Attention context weights @ value of 12 heads. BERT-base, self-attention, 128 tokens.
func.func @bert_attention_context(
    %weights: tensor<12x128x128xf32>,
    %value: tensor<12x128x64xf32>) -> tensor<12x128x64xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<12x128x64xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<12x128x64xf32>) -> tensor<12x128x64xf32>
  %product = linalg.batch_matmul
      ins(%weights, %value : tensor<12x128x128xf32>, tensor<12x128x64xf32>)
      outs(%init : tensor<12x128x64xf32>) -> tensor<12x128x64xf32>
  return %product : tensor<12x128x64xf32>
}
