// Softmax as a named op, layer normalization, and a mean and variance in one op.
func.func @main(%a: tensor<5x24xf32>, %gamma: tensor<24xf32>, %beta: tensor<24xf32>)
    -> (tensor<5x24xf32>, tensor<5x24xf32>, tensor<5xf32>, tensor<5xf32>) {
  %zero = arith.constant 0.0 : f32
  %count = arith.constant 24.0 : f32
  %epsilon = arith.constant 1.0e-5 : f32
  %e = tensor.empty() : tensor<5x24xf32>
  %softmax = linalg.softmax dimension(1) ins(%a : tensor<5x24xf32>) outs(%e : tensor<5x24xf32>) -> tensor<5x24xf32>
  %re = tensor.empty() : tensor<5xf32>
  %z = linalg.fill ins(%zero : f32) outs(%re : tensor<5xf32>) -> tensor<5xf32>
  %sums:2 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i)>],
      iterator_types = ["parallel", "reduction"]} ins(%a : tensor<5x24xf32>) outs(%z, %z : tensor<5xf32>, tensor<5xf32>) {
  ^bb0(%x: f32, %s: f32, %q: f32):
    %s1 = arith.addf %s, %x : f32
    %xx = arith.mulf %x, %x : f32
    %q1 = arith.addf %xx, %q : f32
    linalg.yield %s1, %q1 : f32, f32
  } -> (tensor<5xf32>, tensor<5xf32>)
  %norm = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i)>,
      affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      ins(%a, %sums#0, %sums#1, %gamma, %beta : tensor<5x24xf32>, tensor<5xf32>, tensor<5xf32>, tensor<24xf32>, tensor<24xf32>)
      outs(%e : tensor<5x24xf32>) {
  ^bb0(%x: f32, %s: f32, %q: f32, %g: f32, %b: f32, %o: f32):
    %mean = arith.divf %s, %count : f32
    %square = arith.divf %q, %count : f32
    %mm = arith.mulf %mean, %mean : f32
    %variance = arith.subf %square, %mm : f32
    %shifted = arith.addf %variance, %epsilon : f32
    %inverse = math.rsqrt %shifted : f32
    %centred = arith.subf %x, %mean : f32
    %scaled = arith.mulf %centred, %inverse : f32
    %gained = arith.mulf %scaled, %g : f32
    %result = arith.addf %gained, %b : f32
    linalg.yield %result : f32
  } -> tensor<5x24xf32>
  return %softmax, %norm, %sums#0, %sums#1 : tensor<5x24xf32>, tensor<5x24xf32>, tensor<5xf32>, tensor<5xf32>
}
