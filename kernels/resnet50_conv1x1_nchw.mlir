// 1x1 convolution, NCHW. ResNet-50, layer1.*.conv3, 56x56, 64 to 256 channels.
func.func @resnet50_conv1x1_nchw(
    %x: tensor<1x64x56x56xf32>,
    %filter: tensor<256x64x1x1xf32>) -> tensor<1x256x56x56xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<1x256x56x56xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x256x56x56xf32>) -> tensor<1x256x56x56xf32>
  %convolved = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%x, %filter : tensor<1x64x56x56xf32>, tensor<256x64x1x1xf32>)
      outs(%init : tensor<1x256x56x56xf32>) -> tensor<1x256x56x56xf32>
  return %convolved : tensor<1x256x56x56xf32>
}
