func.func @f(%x: tensor<4x6x8xf32>, %y: tensor<2x6x8xf32>) -> (tensor<24x8xf32>, tensor<6x6x8xf32>, tensor<2x2x6x8xf32>) {
  %flat = tensor.collapse_shape %x [[0, 1], [2]] : tensor<4x6x8xf32> into tensor<24x8xf32>
  %joined = tensor.concat dim(0) %x, %y : (tensor<4x6x8xf32>, tensor<2x6x8xf32>) -> tensor<6x6x8xf32>
  %split = tensor.expand_shape %x [[0, 1], [2], [3]] output_shape [2, 2, 6, 8] : tensor<4x6x8xf32> into tensor<2x2x6x8xf32>
  return %flat, %joined, %split : tensor<24x8xf32>, tensor<6x6x8xf32>, tensor<2x2x6x8xf32>
}
// flops = 0
// bytes = 3840
// element_types = f32
// flops_by_dtype =
// op tensor.concat 6px6px8p 0 2304 f32
// canonical:
// module {
//   func.func @main(%arg0: tensor<4x6x8xf32>, %arg1: tensor<2x6x8xf32>) -> (tensor<24x8xf32>, tensor<6x6x8xf32>, tensor<2x2x6x8xf32>) {
//     %collapsed = tensor.collapse_shape %arg0 [[0, 1], [2]] : tensor<4x6x8xf32> into tensor<24x8xf32>
//     %concat = tensor.concat dim(0) %arg0, %arg1 : (tensor<4x6x8xf32>, tensor<2x6x8xf32>) -> tensor<6x6x8xf32>
//     %expanded = tensor.expand_shape %arg0 [[0, 1], [2], [3]] output_shape [2, 2, 6, 8] : tensor<4x6x8xf32> into tensor<2x2x6x8xf32>
//     return %collapsed, %concat, %expanded : tensor<24x8xf32>, tensor<6x6x8xf32>, tensor<2x2x6x8xf32>
//   }
// }
