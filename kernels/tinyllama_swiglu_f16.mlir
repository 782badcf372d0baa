// SwiGLU gate silu(gate) * up in f16, computed in f32. TinyLlama-1.1B, layers.*.mlp, 128 tokens.
func.func @tinyllama_swiglu_f16(
    %gate: tensor<128x5632xf16>,
    %up: tensor<128x5632xf16>) -> tensor<128x5632xf16> {
  %one = arith.constant 1.0 : f32
  %empty = tensor.empty() : tensor<128x5632xf16>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (m, n)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%gate, %up : tensor<128x5632xf16>, tensor<128x5632xf16>)
      outs(%empty : tensor<128x5632xf16>) {
    ^bb0(%g: f16, %u: f16, %unused: f16):
      %wide_g = arith.extf %g : f16 to f32
      %wide_u = arith.extf %u : f16 to f32
      %negated = arith.negf %wide_g : f32
      %exp = math.exp %negated : f32
      %denominator = arith.addf %one, %exp : f32
      %silu = arith.divf %wide_g, %denominator : f32
      %gated = arith.mulf %silu, %wide_u : f32
      %narrow = arith.truncf %gated : f32 to f16
      linalg.yield %narrow : f16
  } -> tensor<128x5632xf16>
  return %result : tensor<128x5632xf16>
}
