// Only the slice has to move.
func.func @f(%x: tensor<1024x1024xf32>) -> tensor<16x16xf32> {
  %part = tensor.extract_slice %x[3, 5] [16, 16] [2, 1] : tensor<1024x1024xf32> to tensor<16x16xf32>
  %0 = math.tanh %part : tensor<16x16xf32>
  return %0 : tensor<16x16xf32>
}
// flops = 3584
// bytes = 2048
// element_types = f32
// flops_by_dtype = f32:3584
// op tensor.extract_slice 16px16p 0 2048 f32
// op linalg.generic 16px16p 3584 2048 f32
// canonical:
// module {
//   func.func @main(%arg0: tensor<1024x1024xf32>) -> tensor<16x16xf32> {
//     %extracted_slice = tensor.extract_slice %arg0[3, 5] [16, 16] [2, 1] : tensor<1024x1024xf32> to tensor<16x16xf32>
//     %0 = tensor.empty() : tensor<16x16xf32>
//     %1 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%extracted_slice : tensor<16x16xf32>) outs(%0 : tensor<16x16xf32>) {
//     ^bb0(%in: f32, %out: f32):
//       %2 = math.tanh %in : f32
//       linalg.yield %2 : f32
//     } -> tensor<16x16xf32>
//     return %1 : tensor<16x16xf32>
//   }
// }
