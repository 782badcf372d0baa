// Bias and residual add, elementwise: x + bias + residual. GPT-2, h.*.mlp.c_proj, 512 tokens.
func.func @gpt2_bias_residual(
    %x: tensor<512x768xf32>,
    %bias: tensor<768xf32>,
    %residual: tensor<512x768xf32>) -> tensor<512x768xf32> {
  %empty = tensor.empty() : tensor<512x768xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (n)>,
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (m, n)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%x, %bias, %residual : tensor<512x768xf32>, tensor<768xf32>, tensor<512x768xf32>)
      outs(%empty : tensor<512x768xf32>) {
    ^bb0(%a: f32, %b: f32, %r: f32, %unused: f32):
      %biased = arith.addf %a, %b : f32
      %sum = arith.addf %biased, %r : f32
      linalg.yield %sum : f32
  } -> tensor<512x768xf32>
  return %result : tensor<512x768xf32>
}
