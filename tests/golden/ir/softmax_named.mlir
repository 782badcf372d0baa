func.func @f(%x: tensor<8x64xf32>) -> tensor<8x64xf32> {
  %out = tensor.empty() : tensor<8x64xf32>
  %0 = linalg.softmax dimension(1) ins(%x : tensor<8x64xf32>) outs(%out : tensor<8x64xf32>) -> tensor<8x64xf32>
  return %0 : tensor<8x64xf32>
}
// flops = 8704
// bytes = 4096
// element_types = f32
// flops_by_dtype = f32:8704
// op linalg.softmax 8px64r 8704 6144 f32
// canonical:
// module {
//   func.func @main(%arg0: tensor<8x64xf32>) -> tensor<8x64xf32> {
//     %0 = tensor.empty() : tensor<8x64xf32>
//     %1 = linalg.softmax dimension(1) ins(%arg0 : tensor<8x64xf32>) outs(%0 : tensor<8x64xf32>) -> tensor<8x64xf32>
//     return %1 : tensor<8x64xf32>
//   }
// }
