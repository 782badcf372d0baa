// What a function may return: an argument, a value twice, an intermediate of another result, a constant, a scalar's tensor.
func.func @main(%a: tensor<4x5xf32>, %b: tensor<5xf32>, %k: f32)
    -> (tensor<4x5xf32>, tensor<4x5xf32>, tensor<4x5xf32>, tensor<4x5xf32>, tensor<4x5xf32>, tensor<2x2xf32>) {
  %two = arith.constant 2.0 : f32
  %scale = arith.mulf %k, %two : f32
  %e = tensor.empty() : tensor<4x5xf32>
  %splat = linalg.fill ins(%scale : f32) outs(%e : tensor<4x5xf32>) -> tensor<4x5xf32>
  %constant = arith.constant dense<7.5> : tensor<2x2xf32>
  %twice = arith.mulf %a, %splat : tensor<4x5xf32>
  %more = arith.addf %twice, %a : tensor<4x5xf32>
  return %a, %twice, %more, %twice, %splat, %constant
      : tensor<4x5xf32>, tensor<4x5xf32>, tensor<4x5xf32>, tensor<4x5xf32>, tensor<4x5xf32>, tensor<2x2xf32>
}
