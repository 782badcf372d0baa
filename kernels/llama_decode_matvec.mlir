// Matrix-vector product of one decoding step. Llama-7B, layers.*.self_attn.o_proj, one token.
func.func @llama_decode_matvec(
    %weight: tensor<4096x4096xf32>,
    %x: tensor<4096xf32>) -> tensor<4096xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<4096xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<4096xf32>) -> tensor<4096xf32>
  %result = linalg.matvec
      ins(%weight, %x : tensor<4096x4096xf32>, tensor<4096xf32>)
      outs(%init : tensor<4096xf32>) -> tensor<4096xf32>
  return %result : tensor<4096xf32>
}
