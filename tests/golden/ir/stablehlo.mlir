func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.exponential %a : tensor<4xf32>
  return %0 : tensor<4xf32>
}
// flops = 40
// bytes = 32
// element_types = f32
// flops_by_dtype = f32:40
// op linalg.generic 4p 40 32 f32
// canonical:
// module {
//   func.func @main(%arg0: tensor<4xf32>) -> tensor<4xf32> {
//     %0 = tensor.empty() : tensor<4xf32>
//     %1 = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%arg0 : tensor<4xf32>) outs(%0 : tensor<4xf32>) {
//     ^bb0(%in: f32, %out: f32):
//       %2 = math.exp %in : f32
//       linalg.yield %2 : f32
//     } -> tensor<4xf32>
//     return %1 : tensor<4xf32>
//   }
// }
