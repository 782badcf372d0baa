#where = loc("model.py":812:5)
func.func @f(%a: tensor<4x4xf32>, %b: tensor<5x4xf32>) -> tensor<4x4xf32> {
  // The location is a lie: this file is where the error is.
  %0 = linalg.matmul ins(%a, %b : tensor<4x4xf32>, tensor<5x4xf32>) outs(%a : tensor<4x4xf32>) -> tensor<4x4xf32> loc(#where)
  return %0 : tensor<4x4xf32> loc("model.py":813:1)
}
// error: ParseError 4:8: 'linalg.matmul' op inferred input/output operand #1 has shape's dimension #0 to be 4, but found 5
