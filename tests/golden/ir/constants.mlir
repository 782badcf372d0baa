// A splat costs no traffic, a table does; dead code is gone.
func.func @f(%x: tensor<4xf64>) -> (tensor<4xf64>, tensor<4xi1>) {
  %table = arith.constant dense<[1.0, 2.0, 3.0, 4.5]> : tensor<4xf64>
  %splat = arith.constant dense<2.5> : tensor<4xf64>
  %dead = arith.constant dense<[9.0, 9.0, 9.0, 8.0]> : tensor<4xf64>
  %unused = arith.mulf %dead, %x : tensor<4xf64>
  %0 = arith.divf %x, %table : tensor<4xf64>
  %1 = arith.cmpf olt, %0, %splat : tensor<4xf64>
  return %0, %1 : tensor<4xf64>, tensor<4xi1>
}
// flops = 20
// bytes = 100
// element_types = f64 i1
// flops_by_dtype = f64:20
// op linalg.generic 4p 16 96 f64
// op linalg.generic 4p 4 36 f64
// canonical:
// module {
//   func.func @main(%arg0: tensor<4xf64>) -> (tensor<4xf64>, tensor<4xi1>) {
//     %cst = arith.constant dense<[1.000000e+00, 2.000000e+00, 3.000000e+00, 4.500000e+00]> : tensor<4xf64>
//     %0 = tensor.empty() : tensor<4xf64>
//     %1 = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%arg0, %cst : tensor<4xf64>, tensor<4xf64>) outs(%0 : tensor<4xf64>) {
//     ^bb0(%in: f64, %in_1: f64, %out: f64):
//       %4 = arith.divf %in, %in_1 : f64
//       linalg.yield %4 : f64
//     } -> tensor<4xf64>
//     %cst_0 = arith.constant dense<2.500000e+00> : tensor<4xf64>
//     %2 = tensor.empty() : tensor<4xi1>
//     %3 = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%1, %cst_0 : tensor<4xf64>, tensor<4xf64>) outs(%2 : tensor<4xi1>) {
//     ^bb0(%in: f64, %in_1: f64, %out: i1):
//       %4 = arith.cmpf olt, %in, %in_1 : f64
//       linalg.yield %4 : i1
//     } -> tensor<4xi1>
//     return %1, %3 : tensor<4xf64>, tensor<4xi1>
//   }
// }
