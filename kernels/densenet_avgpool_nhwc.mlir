// 2x2 average pooling, stride 2, NHWC. DenseNet-121, features.transition1.pool, 56x56 with 128
// channels.
func.func @densenet_avgpool_nhwc(
    %x: tensor<1x56x56x128xf32>) -> tensor<1x28x28x128xf32> {
  %zero = arith.constant 0.0 : f32
  %area = arith.constant 4.0 : f32
  %window = tensor.empty() : tensor<2x2xf32>
  %empty = tensor.empty() : tensor<1x28x28x128xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x28x28x128xf32>) -> tensor<1x28x28x128xf32>
  %total = linalg.pooling_nhwc_sum {dilations = dense<1> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>}
      ins(%x, %window : tensor<1x56x56x128xf32>, tensor<2x2xf32>)
      outs(%init : tensor<1x28x28x128xf32>) -> tensor<1x28x28x128xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(b, h, w, c) -> (b, h, w, c)>,
          affine_map<(b, h, w, c) -> (b, h, w, c)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%total : tensor<1x28x28x128xf32>)
      outs(%empty : tensor<1x28x28x128xf32>) {
    ^bb0(%a: f32, %unused: f32):
      %mean = arith.divf %a, %area : f32
      linalg.yield %mean : f32
  } -> tensor<1x28x28x128xf32>
  return %result : tensor<1x28x28x128xf32>
}
