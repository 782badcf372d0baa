// 3x3 convolution with dilation 2, bias and ReLU, NHWC. DeepLabv3 on ResNet-50, layer3.*.conv2,
// 112x112 image.
func.func @deeplab_dilated_conv_nhwc(
    %x: tensor<1x14x14x256xf32>,
    %filter: tensor<3x3x256x256xf32>,
    %bias: tensor<256xf32>) -> tensor<1x14x14x256xf32> {
  %zero = arith.constant 0.0 : f32
  %padded = tensor.pad %x low[0, 2, 2, 0] high[0, 2, 2, 0] {
    ^bb0(%i0: index, %i1: index, %i2: index, %i3: index):
      tensor.yield %zero : f32
  } : tensor<1x14x14x256xf32> to tensor<1x18x18x256xf32>
  %empty = tensor.empty() : tensor<1x14x14x256xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x14x14x256xf32>) -> tensor<1x14x14x256xf32>
  %convolved = linalg.conv_2d_nhwc_hwcf {dilations = dense<2> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%padded, %filter : tensor<1x18x18x256xf32>, tensor<3x3x256x256xf32>)
      outs(%init : tensor<1x14x14x256xf32>) -> tensor<1x14x14x256xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(b, h, w, c) -> (b, h, w, c)>,
          affine_map<(b, h, w, c) -> (c)>,
          affine_map<(b, h, w, c) -> (b, h, w, c)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%convolved, %bias : tensor<1x14x14x256xf32>, tensor<256xf32>)
      outs(%empty : tensor<1x14x14x256xf32>) {
    ^bb0(%a: f32, %s: f32, %unused: f32):
      %sum = arith.addf %a, %s : f32
      %positive = arith.maximumf %sum, %zero : f32
      linalg.yield %positive : f32
  } -> tensor<1x14x14x256xf32>
  return %result : tensor<1x14x14x256xf32>
}
