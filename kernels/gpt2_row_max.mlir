// Largest logit of each position, the first step of greedy decoding. GPT-2, vocabulary of 50257,
// 16 tokens.
func.func @gpt2_row_max(
    %logits: tensor<16x50257xf32>) -> tensor<16xf32> {
  %lowest = arith.constant 0xFF800000 : f32
  %empty = tensor.empty() : tensor<16xf32>
  %init = linalg.fill ins(%lowest : f32) outs(%empty : tensor<16xf32>) -> tensor<16xf32>
  %largest = linalg.reduce { arith.maximumf }
      ins(%logits : tensor<16x50257xf32>)
      outs(%init : tensor<16xf32>) dimensions = [1]
  return %largest : tensor<16xf32>
}
