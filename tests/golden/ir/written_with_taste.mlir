// Names, aliases, locations, attributes of others, dead code: none of it is in the canonical form.
#rows_and_columns = affine_map<(row, column) -> (row, column)>
#columns = affine_map<(row, column) -> (column)>
module @model attributes {torch.debug = "yes"} {
  func.func private @unused(%a: tensor<4xf32>) -> tensor<4xf32> {
    return %a : tensor<4xf32>
  }
  func.func private @"a name"(%x: tensor<4x8xf32> {iree.identifier = "x"} loc("x"), %bias: tensor<8xf32>) -> (tensor<4x8xf32> {iree.identifier = "y"}) attributes {llvm.emit_c_interface} {
    %half = arith.constant 0.5 : f32 loc("model.py":3:4)
    %half_again = arith.constant {tag} 0.5 : f32
    %y = linalg.generic {
      iterator_types = ["parallel", "parallel"], doc = "bias and scale", library_call = "bias",
      indexing_maps = [#rows_and_columns, #columns, #rows_and_columns]
    } ins(%x, %bias : tensor<4x8xf32>, tensor<8xf32>) outs(%x : tensor<4x8xf32>) attrs = {lowering_config = 3} {
    ^body(%in: f32, %b: f32, %unused: f32):
      %sum = arith.addf %in, %b {lhs = 1} : f32
      %scaled = arith.mulf %half_again, %sum : f32
      %twice = arith.mulf %scaled, %half : f32
      linalg.yield %twice : f32
    } -> tensor<4x8xf32> loc(fused["a", "b"])
    return %y : tensor<4x8xf32>
  } loc(callsite("f" at "main.py":1:2))
}
// function: a name
// flops = 96
// bytes = 288
// element_types = f32
// flops_by_dtype = f32:96
// op linalg.generic 4px8p 96 288 f32
// canonical:
// module {
//   func.func @main(%arg0: tensor<4x8xf32>, %arg1: tensor<8xf32>) -> tensor<4x8xf32> {
//     %0 = tensor.empty() : tensor<4x8xf32>
//     %cst = arith.constant 5.000000e-01 : f32
//     %1 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%arg0, %arg1 : tensor<4x8xf32>, tensor<8xf32>) outs(%0 : tensor<4x8xf32>) {
//     ^bb0(%in: f32, %in_0: f32, %out: f32):
//       %2 = arith.addf %in, %in_0 : f32
//       %3 = arith.mulf %2, %cst : f32
//       %4 = arith.mulf %3, %cst : f32
//       linalg.yield %4 : f32
//     } -> tensor<4x8xf32>
//     return %1 : tensor<4x8xf32>
//   }
// }
