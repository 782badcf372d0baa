// 3x3 convolution with bias and ReLU, NHWC, padded. ResNet-50, layer3.*.conv2, 14x14 with 256
// channels.
func.func @resnet50_conv3x3_nhwc(
    %x: tensor<1x14x14x256xf32>,
    %filter: tensor<3x3x256x256xf32>,
    %bias: tensor<256xf32>) -> tensor<1x14x14x256xf32> {
  %zero = arith.constant 0.0 : f32
  %padded = tensor.pad %x low[0, 1, 1, 0] high[0, 1, 1, 0] {
    ^bb0(%i0: index, %i1: index, %i2: index, %i3: index):
      tensor.yield %zero : f32
  } : tensor<1x14x14x256xf32> to tensor<1x16x16x256xf32>
  %empty = tensor.empty() : tensor<1x14x14x256xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x14x14x256xf32>) -> tensor<1x14x14x256xf32>
  %convolved = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%padded, %filter : tensor<1x16x16x256xf32>, tensor<3x3x256x256xf32>)
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
