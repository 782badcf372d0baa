// 1-D convolution of the spectrogram with bias and GELU, 3 taps, padded. Whisper-tiny,
// encoder.conv1, four seconds of speech, time-major.
func.func @whisper_conv1d_nwc(
    %x: tensor<1x400x80xf32>,
    %filter: tensor<3x80x384xf32>,
    %bias: tensor<384xf32>) -> tensor<1x400x384xf32> {
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %inv_sqrt2 = arith.constant 0.707106769 : f32
  %padded = tensor.pad %x low[0, 1, 0] high[0, 1, 0] {
    ^bb0(%i0: index, %i1: index, %i2: index):
      tensor.yield %zero : f32
  } : tensor<1x400x80xf32> to tensor<1x402x80xf32>
  %empty = tensor.empty() : tensor<1x400x384xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x400x384xf32>) -> tensor<1x400x384xf32>
  %convolved = linalg.conv_1d_nwc_wcf {dilations = dense<1> : tensor<1xi64>, strides = dense<1> : tensor<1xi64>}
      ins(%padded, %filter : tensor<1x402x80xf32>, tensor<3x80x384xf32>)
      outs(%init : tensor<1x400x384xf32>) -> tensor<1x400x384xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(b, t, c) -> (b, t, c)>,
          affine_map<(b, t, c) -> (c)>,
          affine_map<(b, t, c) -> (b, t, c)>],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%convolved, %bias : tensor<1x400x384xf32>, tensor<384xf32>)
      outs(%empty : tensor<1x400x384xf32>) {
    ^bb0(%a: f32, %s: f32, %unused: f32):
      %sum = arith.addf %a, %s : f32
      %scaled = arith.mulf %sum, %inv_sqrt2 : f32
      %erf = math.erf %scaled : f32
      %shifted = arith.addf %erf, %one : f32
      %halved = arith.mulf %sum, %half : f32
      %gelu = arith.mulf %halved, %shifted : f32
      linalg.yield %gelu : f32
  } -> tensor<1x400x384xf32>
  return %result : tensor<1x400x384xf32>
}
