// Attention context weights @ value of 12 heads over 197 tokens. ViT-B/16, blocks.*.attn.
func.func @vit_attention_context(
    %weights: tensor<12x197x197xf32>,
    %value: tensor<12x197x64xf32>) -> tensor<12x197x64xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<12x197x64xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<12x197x64xf32>) -> tensor<12x197x64xf32>
  %product = linalg.batch_matmul
      ins(%weights, %value : tensor<12x197x197xf32>, tensor<12x197x64xf32>)
      outs(%init : tensor<12x197x64xf32>) -> tensor<12x197x64xf32>
  return %product : tensor<12x197x64xf32>
}
