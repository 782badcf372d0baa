func.func @f(%a: tensor<1048576x1048576xf32>) -> tensor<1048576x1048576xf32> {
  %0 = math.exp %a : tensor<1048576x1048576xf32>
  return %0 : tensor<1048576x1048576xf32>
}
// error: UnsupportedError 1:14: argument 0 is too large, tensor<1048576x1048576xf32>
