// First feed-forward layer with exact (erf) GELU. BERT-base, encoder.layer.*.intermediate, 128
// tokens.
func.func @bert_ffn_gelu_erf(
    %x: tensor<128x768xf32>,
    %weight: tensor<768x3072xf32>,
    %bias: tensor<3072xf32>) -> tensor<128x3072xf32> {
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %inv_sqrt2 = arith.constant 0.707106769 : f32
  %empty = tensor.empty() : tensor<128x3072xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<128x3072xf32>) -> tensor<128x3072xf32>
  %product = linalg.matmul
      ins(%x, %weight : tensor<128x768xf32>, tensor<768x3072xf32>)
      outs(%init : tensor<128x3072xf32>) -> tensor<128x3072xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (n)>,
          affine_map<(m, n) -> (m, n)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%product, %bias : tensor<128x3072xf32>, tensor<3072xf32>)
      outs(%empty : tensor<128x3072xf32>) {
    ^bb0(%p: f32, %b: f32, %unused: f32):
      %biased = arith.addf %p, %b : f32
      %scaled = arith.mulf %biased, %inv_sqrt2 : f32
      %erf = math.erf %scaled : f32
      %shifted = arith.addf %erf, %one : f32
      %halved = arith.mulf %biased, %half : f32
      %gelu = arith.mulf %halved, %shifted : f32
      linalg.yield %gelu : f32
  } -> tensor<128x3072xf32>
  return %result : tensor<128x3072xf32>
}
