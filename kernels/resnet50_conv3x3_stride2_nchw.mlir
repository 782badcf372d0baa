// 3x3 convolution with bias and ReLU, stride 2, NCHW, padded. ResNet-50, layer2.0.conv2, 56x56
// with 128 channels.
func.func @resnet50_conv3x3_stride2_nchw(
    %x: tensor<1x128x56x56xf32>,
    %filter: tensor<128x128x3x3xf32>,
    %bias: tensor<128xf32>) -> tensor<1x128x28x28xf32> {
  %zero = arith.constant 0.0 : f32
  %padded = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%i0: index, %i1: index, %i2: index, %i3: index):
      tensor.yield %zero : f32
  } : tensor<1x128x56x56xf32> to tensor<1x128x58x58xf32>
  %empty = tensor.empty() : tensor<1x128x28x28xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x128x28x28xf32>) -> tensor<1x128x28x28xf32>
  %convolved = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>}
      ins(%padded, %filter : tensor<1x128x58x58xf32>, tensor<128x128x3x3xf32>)
      outs(%init : tensor<1x128x28x28xf32>) -> tensor<1x128x28x28xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(b, c, h, w) -> (b, c, h, w)>,
          affine_map<(b, c, h, w) -> (c)>,
          affine_map<(b, c, h, w) -> (b, c, h, w)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%convolved, %bias : tensor<1x128x28x28xf32>, tensor<128xf32>)
      outs(%empty : tensor<1x128x28x28xf32>) {
    ^bb0(%a: f32, %s: f32, %unused: f32):
      %sum = arith.addf %a, %s : f32
      %positive = arith.maximumf %sum, %zero : f32
      linalg.yield %positive : f32
  } -> tensor<1x128x28x28xf32>
  return %result : tensor<1x128x28x28xf32>
}
