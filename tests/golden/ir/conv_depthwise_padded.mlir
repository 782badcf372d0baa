func.func @f(%x: tensor<1x14x14x8xf32>, %w: tensor<3x3x8xf32>) -> tensor<1x7x7x8xf32> {
  %zero = arith.constant 0.0 : f32
  %padded = tensor.pad %x low[0, 1, 1, 0] high[0, 1, 1, 0] {
  ^bb0(%n: index, %h: index, %w2: index, %c: index):
    tensor.yield %zero : f32
  } : tensor<1x14x14x8xf32> to tensor<1x16x16x8xf32>
  %empty = tensor.empty() : tensor<1x7x7x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x7x7x8xf32>) -> tensor<1x7x7x8xf32>
  %y = linalg.depthwise_conv_2d_nhwc_hwc {strides = dense<2> : vector<2xi64>, dilations = dense<1> : vector<2xi64>} ins(%padded, %w : tensor<1x16x16x8xf32>, tensor<3x3x8xf32>) outs(%init : tensor<1x7x7x8xf32>) -> tensor<1x7x7x8xf32>
  return %y : tensor<1x7x7x8xf32>
}
// flops = 7056
// bytes = 8128
// element_types = f32
// flops_by_dtype = f32:7056
// op tensor.pad 1px16px16px8p 0 14464 f32
// op linalg.fill 1px7px7px8p 0 1568 f32
// op linalg.depthwise_conv_2d_nhwc_hwc 1px7px7px8px3rx3r 7056 10048 f32
// canonical:
// module {
//   func.func @main(%arg0: tensor<1x14x14x8xf32>, %arg1: tensor<3x3x8xf32>) -> tensor<1x7x7x8xf32> {
//     %cst = arith.constant 0.000000e+00 : f32
//     %padded = tensor.pad %arg0 low[0, 1, 1, 0] high[0, 1, 1, 0] {
//     ^bb0(%arg2: index, %arg3: index, %arg4: index, %arg5: index):
//       tensor.yield %cst : f32
//     } : tensor<1x14x14x8xf32> to tensor<1x16x16x8xf32>
//     %0 = tensor.empty() : tensor<1x7x7x8xf32>
//     %1 = linalg.fill ins(%cst : f32) outs(%0 : tensor<1x7x7x8xf32>) -> tensor<1x7x7x8xf32>
//     %2 = linalg.depthwise_conv_2d_nhwc_hwc {dilations = dense<1> : vector<2xi64>, strides = dense<2> : vector<2xi64>} ins(%padded, %arg1 : tensor<1x16x16x8xf32>, tensor<3x3x8xf32>) outs(%1 : tensor<1x7x7x8xf32>) -> tensor<1x7x7x8xf32>
//     return %2 : tensor<1x7x7x8xf32>
//   }
// }
