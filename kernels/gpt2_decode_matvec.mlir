// Matrix-vector product of one decoding step. GPT-2, h.*.mlp.c_fc, one token.
func.func @gpt2_decode_matvec(
    %weight: tensor<3072x768xf32>,
    %x: tensor<768xf32>) -> tensor<3072xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<3072xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<3072xf32>) -> tensor<3072xf32>
  %result = linalg.matvec
      ins(%weight, %x : tensor<3072x768xf32>, tensor<768xf32>)
      outs(%init : tensor<3072xf32>) -> tensor<3072xf32>
  return %result : tensor<3072xf32>
}
