// Key and value projection in bf16, accumulated in f32: x @ weight. TinyLlama-1.1B,
// layers.*.self_attn.k_proj and v_proj side by side, 64 tokens.
func.func @tinyllama_bf16_matmul(
    %x: tensor<64x2048xbf16>,
    %weight: tensor<2048x512xbf16>) -> tensor<64x512xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<64x512xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<64x512xf32>) -> tensor<64x512xf32>
  %result = linalg.matmul
      ins(%x, %weight : tensor<64x2048xbf16>, tensor<2048x512xbf16>)
      outs(%init : tensor<64x512xf32>) -> tensor<64x512xf32>
  return %result : tensor<64x512xf32>
}
