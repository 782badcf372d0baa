func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.exponential %a : tensor<4xf32>
  return %0 : tensor<4xf32>
}
// error: UnsupportedError 2:8: stablehlo.exponential: this operation is not supported
