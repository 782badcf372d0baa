// 3x3 convolution, batch normalization with folded statistics, ReLU; NHWC. ResNet-50, conv3_x.
func.func @resnet50_conv_bn_relu_nhwc(
    %x: tensor<1x28x28x128xf32>,
    %filter: tensor<3x3x128x128xf32>,
    %scale: tensor<128xf32>,
    %shift: tensor<128xf32>) -> tensor<1x28x28x128xf32> {
  %zero = arith.constant 0.0 : f32
  %padded = tensor.pad %x low[0, 1, 1, 0] high[0, 1, 1, 0] {
    ^bb0(%b: index, %h: index, %w: index, %c: index):
      tensor.yield %zero : f32
  } : tensor<1x28x28x128xf32> to tensor<1x30x30x128xf32>
  %empty = tensor.empty() : tensor<1x28x28x128xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x28x28x128xf32>) -> tensor<1x28x28x128xf32>
  %convolved = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%padded, %filter : tensor<1x30x30x128xf32>, tensor<3x3x128x128xf32>)
      outs(%init : tensor<1x28x28x128xf32>) -> tensor<1x28x28x128xf32>
  %normalized = linalg.generic {
      indexing_maps = [
          affine_map<(b, h, w, c) -> (b, h, w, c)>,
          affine_map<(b, h, w, c) -> (c)>,
          affine_map<(b, h, w, c) -> (c)>,
          affine_map<(b, h, w, c) -> (b, h, w, c)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%convolved, %scale, %shift : tensor<1x28x28x128xf32>, tensor<128xf32>, tensor<128xf32>)
      outs(%empty : tensor<1x28x28x128xf32>) {
    ^bb0(%a: f32, %s: f32, %t: f32, %unused: f32):
      %scaled = arith.mulf %a, %s : f32
      %shifted = arith.addf %scaled, %t : f32
      linalg.yield %shifted : f32
  } -> tensor<1x28x28x128xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(b, h, w, c) -> (b, h, w, c)>,
          affine_map<(b, h, w, c) -> (b, h, w, c)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%normalized : tensor<1x28x28x128xf32>)
      outs(%empty : tensor<1x28x28x128xf32>) {
    ^bb0(%a: f32, %unused: f32):
      %positive = arith.maximumf %a, %zero : f32
      linalg.yield %positive : f32
  } -> tensor<1x28x28x128xf32>
  return %result : tensor<1x28x28x128xf32>
}
