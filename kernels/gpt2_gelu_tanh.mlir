// GELU in its tanh form, elementwise. GPT-2, h.*.mlp.act, 128 tokens.
func.func @gpt2_gelu_tanh(
    %x: tensor<128x3072xf32>) -> tensor<128x3072xf32> {
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %cubic = arith.constant 4.471500e-02 : f32
  %scale = arith.constant 0.797884583 : f32
  %empty = tensor.empty() : tensor<128x3072xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (m, n)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<128x3072xf32>)
      outs(%empty : tensor<128x3072xf32>) {
    ^bb0(%a: f32, %unused: f32):
      %square = arith.mulf %a, %a : f32
      %cube = arith.mulf %square, %a : f32
      %small = arith.mulf %cube, %cubic : f32
      %inner = arith.addf %a, %small : f32
      %scaled = arith.mulf %inner, %scale : f32
      %tanh = math.tanh %scaled : f32
      %shifted = arith.addf %tanh, %one : f32
      %halved = arith.mulf %a, %half : f32
      %gelu = arith.mulf %halved, %shifted : f32
      linalg.yield %gelu : f32
  } -> tensor<128x3072xf32>
  return %result : tensor<128x3072xf32>
}
