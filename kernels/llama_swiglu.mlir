// SwiGLU gate silu(gate) * up, elementwise. Llama-7B, layers.*.mlp, 64 tokens.
func.func @llama_swiglu(
    %gate: tensor<64x11008xf32>,
    %up: tensor<64x11008xf32>) -> tensor<64x11008xf32> {
  %one = arith.constant 1.0 : f32
  %empty = tensor.empty() : tensor<64x11008xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (m, n)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%gate, %up : tensor<64x11008xf32>, tensor<64x11008xf32>)
      outs(%empty : tensor<64x11008xf32>) {
    ^bb0(%g: f32, %u: f32, %unused: f32):
      %negated = arith.negf %g : f32
      %exp = math.exp %negated : f32
      %denominator = arith.addf %one, %exp : f32
      %silu = arith.divf %g, %denominator : f32
      %gated = arith.mulf %silu, %u : f32
      linalg.yield %gated : f32
  } -> tensor<64x11008xf32>
  return %result : tensor<64x11008xf32>
}
