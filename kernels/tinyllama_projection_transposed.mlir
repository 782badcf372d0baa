// Query projection without bias, weight stored (out, in): x @ weight^T. TinyLlama-1.1B,
// layers.*.self_attn.q_proj, 32 tokens.
func.func @tinyllama_projection_transposed(
    %x: tensor<32x2048xf32>,
    %weight: tensor<2048x2048xf32>) -> tensor<32x2048xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<32x2048xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<32x2048xf32>) -> tensor<32x2048xf32>
  %result = linalg.matmul indexing_maps = [
          affine_map<(m, n, k) -> (m, k)>,
          affine_map<(m, n, k) -> (n, k)>,
          affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %weight : tensor<32x2048xf32>, tensor<2048x2048xf32>)
      outs(%init : tensor<32x2048xf32>) -> tensor<32x2048xf32>
  return %result : tensor<32x2048xf32>
}
