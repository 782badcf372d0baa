// First feed-forward layer with GELU in its tanh form. GPT-2, h.*.mlp.c_fc, 64 tokens.
func.func @gpt2_ffn_gelu_tanh(
    %x: tensor<64x768xf32>,
    %weight: tensor<768x3072xf32>,
    %bias: tensor<3072xf32>) -> tensor<64x3072xf32> {
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %cubic = arith.constant 4.471500e-02 : f32
  %scale = arith.constant 0.797884583 : f32
  %empty = tensor.empty() : tensor<64x3072xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<64x3072xf32>) -> tensor<64x3072xf32>
  %product = linalg.matmul
      ins(%x, %weight : tensor<64x768xf32>, tensor<768x3072xf32>)
      outs(%init : tensor<64x3072xf32>) -> tensor<64x3072xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (n)>,
          affine_map<(m, n) -> (m, n)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%product, %bias : tensor<64x3072xf32>, tensor<3072xf32>)
      outs(%empty : tensor<64x3072xf32>) {
    ^bb0(%p: f32, %b: f32, %unused: f32):
      %biased = arith.addf %p, %b : f32
      %square = arith.mulf %biased, %biased : f32
      %cube = arith.mulf %square, %biased : f32
      %small = arith.mulf %cube, %cubic : f32
      %inner = arith.addf %biased, %small : f32
      %scaled = arith.mulf %inner, %scale : f32
      %tanh = math.tanh %scaled : f32
      %shifted = arith.addf %tanh, %one : f32
      %halved = arith.mulf %biased, %half : f32
      %gelu = arith.mulf %halved, %shifted : f32
      linalg.yield %gelu : f32
  } -> tensor<64x3072xf32>
  return %result : tensor<64x3072xf32>
}
