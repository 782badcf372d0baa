// 3x3 depthwise convolution with bias and ReLU6, NCHW, padded. MobileNet-v2, features.8.conv,
// 14x14 with 384 channels.
func.func @mobilenetv2_depthwise_nchw(
    %x: tensor<1x384x14x14xf32>,
    %filter: tensor<384x3x3xf32>,
    %bias: tensor<384xf32>) -> tensor<1x384x14x14xf32> {
  %zero = arith.constant 0.0 : f32
  %six = arith.constant 6.0 : f32
  %padded = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%i0: index, %i1: index, %i2: index, %i3: index):
      tensor.yield %zero : f32
  } : tensor<1x384x14x14xf32> to tensor<1x384x16x16xf32>
  %empty = tensor.empty() : tensor<1x384x14x14xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x384x14x14xf32>) -> tensor<1x384x14x14xf32>
  %convolved = linalg.depthwise_conv_2d_nchw_chw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%padded, %filter : tensor<1x384x16x16xf32>, tensor<384x3x3xf32>)
      outs(%init : tensor<1x384x14x14xf32>) -> tensor<1x384x14x14xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(b, c, h, w) -> (b, c, h, w)>,
          affine_map<(b, c, h, w) -> (c)>,
          affine_map<(b, c, h, w) -> (b, c, h, w)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%convolved, %bias : tensor<1x384x14x14xf32>, tensor<384xf32>)
      outs(%empty : tensor<1x384x14x14xf32>) {
    ^bb0(%a: f32, %s: f32, %unused: f32):
      %sum = arith.addf %a, %s : f32
      %positive = arith.maximumf %sum, %zero : f32
      %clipped = arith.minimumf %positive, %six : f32
      linalg.yield %clipped : f32
  } -> tensor<1x384x14x14xf32>
  return %result : tensor<1x384x14x14xf32>
}
