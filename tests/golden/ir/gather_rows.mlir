// An embedding: rows of a table, by 64-bit tokens shifted by a constant; 4 of 1000 rows are read.
func.func @f(%table: tensor<1000x16xf16>, %tokens: tensor<4xi64>) -> tensor<4x16xf16> {
  %two = arith.constant 2 : index
  %e = tensor.empty() : tensor<4x16xf16>
  %0 = linalg.generic {
    indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>],
    iterator_types = ["parallel", "parallel"]
  } ins(%tokens : tensor<4xi64>) outs(%e : tensor<4x16xf16>) {
  ^bb0(%token: i64, %out: f16):
    %row = arith.index_cast %token : i64 to index
    %shifted = arith.addi %row, %two : index
    %column = linalg.index 1 : index
    %value = tensor.extract %table[%shifted, %column] : tensor<1000x16xf16>
    linalg.yield %value : f16
  } -> tensor<4x16xf16>
  return %0 : tensor<4x16xf16>
}
// index_limits = [None, 998]
// flops = 0
// bytes = 288
// element_types = f16 i64
// flops_by_dtype =
// op linalg.generic 4px16p 0 288 f16
// canonical:
// module {
//   func.func @main(%arg0: tensor<1000x16xf16>, %arg1: tensor<4xi64>) -> tensor<4x16xf16> {
//     %0 = tensor.empty() : tensor<4x16xf16>
//     %c2 = arith.constant 2 : index
//     %1 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%arg1 : tensor<4xi64>) outs(%0 : tensor<4x16xf16>) {
//     ^bb0(%in: i64, %out: f16):
//       %2 = arith.index_cast %in : i64 to index
//       %3 = arith.addi %2, %c2 : index
//       %4 = linalg.index 1 : index
//       %extracted = tensor.extract %arg0[%3, %4] : tensor<1000x16xf16>
//       linalg.yield %extracted : f16
//     } -> tensor<4x16xf16>
//     return %1 : tensor<4x16xf16>
//   }
// }
