func.func @f(%A: tensor<8x16xi8>, %B: tensor<16x4xi8>, %C: tensor<8x4xi32>) -> tensor<8x4xi32> {
  %0 = linalg.matmul ins(%A, %B : tensor<8x16xi8>, tensor<16x4xi8>) outs(%C : tensor<8x4xi32>) -> tensor<8x4xi32>
  return %0 : tensor<8x4xi32>
}
// flops = 1024
// bytes = 448
// element_types = i32 i8
// flops_by_dtype = i32:1024
// op linalg.matmul 8px4px16r 1024 448 i32
// canonical:
// module {
//   func.func @main(%arg0: tensor<8x16xi8>, %arg1: tensor<16x4xi8>, %arg2: tensor<8x4xi32>) -> tensor<8x4xi32> {
//     %0 = linalg.matmul ins(%arg0, %arg1 : tensor<8x16xi8>, tensor<16x4xi8>) outs(%arg2 : tensor<8x4xi32>) -> tensor<8x4xi32>
//     return %0 : tensor<8x4xi32>
//   }
// }
