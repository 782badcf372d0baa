module {
  func.func @f(%a: tensor<4xf32>) -> tensor<?xf32> {
    %0 = tensor.cast %a : tensor<4xf32> to tensor<?xf32>
    return %0 : tensor<?xf32>
  }
}
// error: UnsupportedError 2:3: result 0 has a dynamic shape, tensor<?xf32>
