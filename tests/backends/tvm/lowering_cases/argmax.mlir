// Several results from one op: argmax with its value, and an element-wise op with two results.
func.func @main(%a: tensor<4x33xf32>) -> (tensor<4xf32>, tensor<4xi64>, tensor<4x33xf32>, tensor<4x33xi1>) {
  %low = arith.constant 0xFF800000 : f32
  %none = arith.constant 0 : i64
  %zero = arith.constant 0.0 : f32
  %ve = tensor.empty() : tensor<4xf32>
  %ie = tensor.empty() : tensor<4xi64>
  %v0 = linalg.fill ins(%low : f32) outs(%ve : tensor<4xf32>) -> tensor<4xf32>
  %i0 = linalg.fill ins(%none : i64) outs(%ie : tensor<4xi64>) -> tensor<4xi64>
  %best:2 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i)>],
      iterator_types = ["parallel", "reduction"]} ins(%a : tensor<4x33xf32>) outs(%v0, %i0 : tensor<4xf32>, tensor<4xi64>) {
  ^bb0(%x: f32, %v: f32, %i: i64):
    %j = linalg.index 1 : index
    %at = arith.index_cast %j : index to i64
    %greater = arith.cmpf ogt, %x, %v : f32
    %v1 = arith.select %greater, %x, %v : f32
    %i1 = arith.select %greater, %at, %i : i64
    linalg.yield %v1, %i1 : f32, i64
  } -> (tensor<4xf32>, tensor<4xi64>)
  %e = tensor.empty() : tensor<4x33xf32>
  %be = tensor.empty() : tensor<4x33xi1>
  %two:2 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]} ins(%a : tensor<4x33xf32>) outs(%e, %be : tensor<4x33xf32>, tensor<4x33xi1>) {
  ^bb0(%x: f32, %o: f32, %p: i1):
    %relu = arith.maximumf %x, %zero : f32
    %mask = arith.cmpf ogt, %x, %zero : f32
    linalg.yield %relu, %mask : f32, i1
  } -> (tensor<4x33xf32>, tensor<4x33xi1>)
  return %best#0, %best#1, %two#0, %two#1 : tensor<4xf32>, tensor<4xi64>, tensor<4x33xf32>, tensor<4x33xi1>
}
