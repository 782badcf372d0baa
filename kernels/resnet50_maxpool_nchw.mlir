// 3x3 max pooling, stride 2, padded with minus infinity, NCHW. ResNet-50, maxpool, 112x112 with 64
// channels.
func.func @resnet50_maxpool_nchw(
    %x: tensor<1x64x112x112xf32>) -> tensor<1x64x56x56xf32> {
  %lowest = arith.constant 0xFF800000 : f32
  %padded = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%i0: index, %i1: index, %i2: index, %i3: index):
      tensor.yield %lowest : f32
  } : tensor<1x64x112x112xf32> to tensor<1x64x114x114xf32>
  %window = tensor.empty() : tensor<3x3xf32>
  %empty = tensor.empty() : tensor<1x64x56x56xf32>
  %init = linalg.fill ins(%lowest : f32) outs(%empty : tensor<1x64x56x56xf32>) -> tensor<1x64x56x56xf32>
  %result = linalg.pooling_nchw_max {dilations = dense<1> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>}
      ins(%padded, %window : tensor<1x64x114x114xf32>, tensor<3x3xf32>)
      outs(%init : tensor<1x64x56x56xf32>) -> tensor<1x64x56x56xf32>
  return %result : tensor<1x64x56x56xf32>
}
