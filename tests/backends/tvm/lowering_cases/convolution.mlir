// Convolutions: 1-D and 2-D, both layouts, strided, dilated, depthwise.
func.func @main(%s: tensor<2x13x3xf32>, %sf: tensor<3x3x5xf32>, %t: tensor<2x3x13xf32>, %tf: tensor<5x3x3xf32>,
                %i: tensor<1x3x9x11xf32>, %f: tensor<4x3x3x3xf32>, %h: tensor<1x9x11x3xf32>, %g: tensor<3x3x3x4xf32>,
                %dw: tensor<3x3x3xf32>, %dc: tensor<3x3x3xf32>)
    -> (tensor<2x11x5xf32>, tensor<2x5x6xf32>, tensor<1x4x4x5xf32>, tensor<1x5x7x4xf32>, tensor<1x4x5x3xf32>, tensor<1x3x7x9xf32>) {
  %zero = arith.constant 0.0 : f32
  %e0 = tensor.empty() : tensor<2x11x5xf32>
  %z0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<2x11x5xf32>) -> tensor<2x11x5xf32>
  %nwc = linalg.conv_1d_nwc_wcf ins(%s, %sf : tensor<2x13x3xf32>, tensor<3x3x5xf32>) outs(%z0 : tensor<2x11x5xf32>) -> tensor<2x11x5xf32>
  %e1 = tensor.empty() : tensor<2x5x6xf32>
  %z1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<2x5x6xf32>) -> tensor<2x5x6xf32>
  %ncw = linalg.conv_1d_ncw_fcw {strides = dense<2> : tensor<1xi64>}
      ins(%t, %tf : tensor<2x3x13xf32>, tensor<5x3x3xf32>) outs(%z1 : tensor<2x5x6xf32>) -> tensor<2x5x6xf32>
  %e2 = tensor.empty() : tensor<1x4x4x5xf32>
  %z2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<1x4x4x5xf32>) -> tensor<1x4x4x5xf32>
  %nchw = linalg.conv_2d_nchw_fchw {strides = dense<2> : tensor<2xi64>}
      ins(%i, %f : tensor<1x3x9x11xf32>, tensor<4x3x3x3xf32>) outs(%z2 : tensor<1x4x4x5xf32>) -> tensor<1x4x4x5xf32>
  %e3 = tensor.empty() : tensor<1x5x7x4xf32>
  %z3 = linalg.fill ins(%zero : f32) outs(%e3 : tensor<1x5x7x4xf32>) -> tensor<1x5x7x4xf32>
  %nhwc = linalg.conv_2d_nhwc_hwcf {dilations = dense<2> : tensor<2xi64>}
      ins(%h, %g : tensor<1x9x11x3xf32>, tensor<3x3x3x4xf32>) outs(%z3 : tensor<1x5x7x4xf32>) -> tensor<1x5x7x4xf32>
  %e4 = tensor.empty() : tensor<1x4x5x3xf32>
  %z4 = linalg.fill ins(%zero : f32) outs(%e4 : tensor<1x4x5x3xf32>) -> tensor<1x4x5x3xf32>
  %dnhwc = linalg.depthwise_conv_2d_nhwc_hwc {strides = dense<2> : tensor<2xi64>}
      ins(%h, %dw : tensor<1x9x11x3xf32>, tensor<3x3x3xf32>) outs(%z4 : tensor<1x4x5x3xf32>) -> tensor<1x4x5x3xf32>
  %e5 = tensor.empty() : tensor<1x3x7x9xf32>
  %z5 = linalg.fill ins(%zero : f32) outs(%e5 : tensor<1x3x7x9xf32>) -> tensor<1x3x7x9xf32>
  %dnchw = linalg.depthwise_conv_2d_nchw_chw
      ins(%i, %dc : tensor<1x3x9x11xf32>, tensor<3x3x3xf32>) outs(%z5 : tensor<1x3x7x9xf32>) -> tensor<1x3x7x9xf32>
  return %nwc, %ncw, %nchw, %nhwc, %dnhwc, %dnchw
      : tensor<2x11x5xf32>, tensor<2x5x6xf32>, tensor<1x4x4x5xf32>, tensor<1x5x7x4xf32>, tensor<1x4x5x3xf32>, tensor<1x3x7x9xf32>
}
