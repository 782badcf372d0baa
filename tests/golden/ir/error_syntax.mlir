module {
  func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {
    %0 = math.exp %a tensor<4xf32>
    return %0 : tensor<4xf32>
  }
}
// error: ParseError 3:21: expected ':'
