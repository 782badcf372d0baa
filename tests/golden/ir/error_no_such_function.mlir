func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {
  return %a : tensor<4xf32>
}
// function: h
// error: UsageError 0:0: there is no function 'h' in the file: it defines f
