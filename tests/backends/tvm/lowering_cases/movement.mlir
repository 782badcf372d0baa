// Moving elements: transpose, broadcast, pad, slices, concat, reshapes, gather, iota, small tensors.
#id = affine_map<(i, j) -> (i, j)>
func.func @main(%a: tensor<6x8xf32>, %v: tensor<8xf32>, %table: tensor<11x4xf32>, %rows: tensor<5xi32>, %k: f32)
    -> (tensor<8x6xf32>, tensor<6x8xf32>, tensor<9x11xf32>, tensor<2x3xf32>, tensor<3xf32>, tensor<6x8xf32>, tensor<14x8xf32>,
        tensor<6x19xf32>, tensor<2x3x8xf32>, tensor<48xf32>, tensor<4x12xf32>, tensor<5x4xf32>, tensor<6x8xi64>, tensor<3xf32>,
        tensor<6x8xf32>, tensor<1x6x1x8xf32>, tensor<6x8xf32>, tensor<5x8xf32>) {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.5 : f32
  %te = tensor.empty() : tensor<8x6xf32>
  %e = tensor.empty() : tensor<6x8xf32>
  %transpose = linalg.transpose ins(%a : tensor<6x8xf32>) outs(%te : tensor<8x6xf32>) permutation = [1, 0]
  %broadcast = linalg.broadcast ins(%v : tensor<8xf32>) outs(%e : tensor<6x8xf32>) dimensions = [0]
  %pad = tensor.pad %a low[1, 0] high[2, 3] {
  ^bb0(%i: index, %j: index):
    tensor.yield %one : f32
  } : tensor<6x8xf32> to tensor<9x11xf32>
  %slice = tensor.extract_slice %a[1, 2] [2, 3] [2, 2] : tensor<6x8xf32> to tensor<2x3xf32>
  %row = tensor.extract_slice %a[3, 1] [1, 3] [1, 2] : tensor<6x8xf32> to tensor<3xf32>
  %insert = tensor.insert_slice %slice into %a[1, 2] [2, 3] [2, 2] : tensor<2x3xf32> into tensor<6x8xf32>
  %part = tensor.extract_slice %a[0, 0] [2, 8] [1, 1] : tensor<6x8xf32> to tensor<2x8xf32>
  %tall = tensor.concat dim(0) %a, %broadcast, %part : (tensor<6x8xf32>, tensor<6x8xf32>, tensor<2x8xf32>) -> tensor<14x8xf32>
  %narrow = tensor.extract_slice %a[0, 4] [6, 3] [1, 1] : tensor<6x8xf32> to tensor<6x3xf32>
  %wide = tensor.concat dim(1) %a, %a, %narrow : (tensor<6x8xf32>, tensor<6x8xf32>, tensor<6x3xf32>) -> tensor<6x19xf32>
  %expand = tensor.expand_shape %a [[0, 1], [2]] output_shape [2, 3, 8] : tensor<6x8xf32> into tensor<2x3x8xf32>
  %collapse = tensor.collapse_shape %a [[0, 1]] : tensor<6x8xf32> into tensor<48xf32>
  %shape = arith.constant dense<[4, 12]> : tensor<2xi64>
  %reshape = tensor.reshape %a(%shape) : (tensor<6x8xf32>, tensor<2xi64>) -> tensor<4x12xf32>
  %ge = tensor.empty() : tensor<5x4xf32>
  %gather = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i)>, #id], iterator_types = ["parallel", "parallel"]}
      ins(%rows : tensor<5xi32>) outs(%ge : tensor<5x4xf32>) {
  ^bb0(%r: i32, %o: f32):
    %at = arith.index_cast %r : i32 to index
    %j = linalg.index 1 : index
    %value = tensor.extract %table[%at, %j] : tensor<11x4xf32>
    linalg.yield %value : f32
  } -> tensor<5x4xf32>
  %ie = tensor.empty() : tensor<6x8xi64>
  %iota = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]} outs(%ie : tensor<6x8xi64>) {
  ^bb0(%o: i64):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %ten = arith.constant 10 : index
    %tens = arith.muli %i, %ten : index
    %sum = arith.addi %tens, %j : index
    %wideint = arith.index_cast %sum : index to i64
    linalg.yield %wideint : i64
  } -> tensor<6x8xi64>
  %elements = tensor.from_elements %k, %one, %zero : tensor<3xf32>
  %splat = linalg.fill ins(%k : f32) outs(%e : tensor<6x8xf32>) -> tensor<6x8xf32>
  %units = tensor.expand_shape %a [[0, 1], [2, 3]] output_shape [1, 6, 1, 8] : tensor<6x8xf32> into tensor<1x6x1x8xf32>
  %reverse = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]} outs(%e : tensor<6x8xf32>) {
  ^bb0(%o: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %seven = arith.constant 7 : index
    %back = arith.subi %seven, %j : index
    %value = tensor.extract %a[%i, %back] : tensor<6x8xf32>
    linalg.yield %value : f32
  } -> tensor<6x8xf32>
  %de = tensor.empty() : tensor<5x8xf32>
  %shifted = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i + 1, j)>, affine_map<(i, j) -> (i floordiv 2, j mod 3)>,
      affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      ins(%a, %table : tensor<6x8xf32>, tensor<11x4xf32>) outs(%de : tensor<5x8xf32>) {
  ^bb0(%x: f32, %y: f32, %o: f32):
    %r = arith.addf %x, %y : f32
    linalg.yield %r : f32
  } -> tensor<5x8xf32>
  return %transpose, %broadcast, %pad, %slice, %row, %insert, %tall, %wide, %expand, %collapse, %reshape, %gather, %iota, %elements,
      %splat, %units, %reverse, %shifted
      : tensor<8x6xf32>, tensor<6x8xf32>, tensor<9x11xf32>, tensor<2x3xf32>, tensor<3xf32>, tensor<6x8xf32>, tensor<14x8xf32>,
        tensor<6x19xf32>, tensor<2x3x8xf32>, tensor<48xf32>, tensor<4x12xf32>, tensor<5x4xf32>, tensor<6x8xi64>, tensor<3xf32>,
        tensor<6x8xf32>, tensor<1x6x1x8xf32>, tensor<6x8xf32>, tensor<5x8xf32>
}
