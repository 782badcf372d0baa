func.func @f(%A: tensor<16x32xbf16>, %B: tensor<32x8xbf16>) -> tensor<16x8xbf16> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<16x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<16x8xf32>) -> tensor<16x8xf32>
  %0 = linalg.matmul ins(%A, %B : tensor<16x32xbf16>, tensor<32x8xbf16>) outs(%init : tensor<16x8xf32>) -> tensor<16x8xf32>
  %1 = arith.truncf %0 : tensor<16x8xf32> to tensor<16x8xbf16>
  return %1 : tensor<16x8xbf16>
}
// flops = 8192
// bytes = 1792
// element_types = bf16 f32
// flops_by_dtype = f32:8192
// op linalg.fill 16px8p 0 512 f32
// op linalg.matmul 16px8px32r 8192 2048 f32
// op linalg.generic 16px8p 0 768 bf16
// canonical:
// module {
//   func.func @main(%arg0: tensor<16x32xbf16>, %arg1: tensor<32x8xbf16>) -> tensor<16x8xbf16> {
//     %cst = arith.constant 0.000000e+00 : f32
//     %0 = tensor.empty() : tensor<16x8xf32>
//     %1 = linalg.fill ins(%cst : f32) outs(%0 : tensor<16x8xf32>) -> tensor<16x8xf32>
//     %2 = linalg.matmul ins(%arg0, %arg1 : tensor<16x32xbf16>, tensor<32x8xbf16>) outs(%1 : tensor<16x8xf32>) -> tensor<16x8xf32>
//     %3 = tensor.empty() : tensor<16x8xbf16>
//     %4 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%2 : tensor<16x8xf32>) outs(%3 : tensor<16x8xbf16>) {
//     ^bb0(%in: f32, %out: bf16):
//       %5 = arith.truncf %in : f32 to bf16
//       linalg.yield %5 : bf16
//     } -> tensor<16x8xbf16>
//     return %4 : tensor<16x8xbf16>
//   }
// }
