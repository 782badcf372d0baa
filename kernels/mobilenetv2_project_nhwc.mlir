// 1x1 linear projection with bias, NHWC. MobileNet-v2, features.5.conv, 28x28, 192 to 32 channels.
func.func @mobilenetv2_project_nhwc(
    %x: tensor<1x28x28x192xf32>,
    %filter: tensor<1x1x192x32xf32>,
    %bias: tensor<32xf32>) -> tensor<1x28x28x32xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<1x28x28x32xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x28x28x32xf32>) -> tensor<1x28x28x32xf32>
  %convolved = linalg.conv_2d_nhwc_hwcf {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%x, %filter : tensor<1x28x28x192xf32>, tensor<1x1x192x32xf32>)
      outs(%init : tensor<1x28x28x32xf32>) -> tensor<1x28x28x32xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(b, h, w, c) -> (b, h, w, c)>,
          affine_map<(b, h, w, c) -> (c)>,
          affine_map<(b, h, w, c) -> (b, h, w, c)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%convolved, %bias : tensor<1x28x28x32xf32>, tensor<32xf32>)
      outs(%empty : tensor<1x28x28x32xf32>) {
    ^bb0(%a: f32, %s: f32, %unused: f32):
      %sum = arith.addf %a, %s : f32
      linalg.yield %sum : f32
  } -> tensor<1x28x28x32xf32>
  return %result : tensor<1x28x28x32xf32>
}
