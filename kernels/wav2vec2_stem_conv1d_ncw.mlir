// 1-D convolution of the waveform with GELU, 10 taps, stride 5. wav2vec2-base,
// feature_extractor.conv_layers.0, one second of speech at 16 kHz.
func.func @wav2vec2_stem_conv1d_ncw(
    %x: tensor<1x1x16000xf32>,
    %filter: tensor<512x1x10xf32>) -> tensor<1x512x3199xf32> {
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %inv_sqrt2 = arith.constant 0.707106769 : f32
  %empty = tensor.empty() : tensor<1x512x3199xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x512x3199xf32>) -> tensor<1x512x3199xf32>
  %convolved = linalg.conv_1d_ncw_fcw {dilations = dense<1> : tensor<1xi64>, strides = dense<5> : tensor<1xi64>}
      ins(%x, %filter : tensor<1x1x16000xf32>, tensor<512x1x10xf32>)
      outs(%init : tensor<1x512x3199xf32>) -> tensor<1x512x3199xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(b, c, t) -> (b, c, t)>,
          affine_map<(b, c, t) -> (b, c, t)>],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%convolved : tensor<1x512x3199xf32>)
      outs(%empty : tensor<1x512x3199xf32>) {
    ^bb0(%a: f32, %unused: f32):
      %scaled = arith.mulf %a, %inv_sqrt2 : f32
      %erf = math.erf %scaled : f32
      %shifted = arith.addf %erf, %one : f32
      %halved = arith.mulf %a, %half : f32
      %gelu = arith.mulf %halved, %shifted : f32
      linalg.yield %gelu : f32
  } -> tensor<1x512x3199xf32>
  return %result : tensor<1x512x3199xf32>
}
