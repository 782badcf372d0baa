func.func @f(%a: tensor<2xf32>) {
  return
}
// error: UnsupportedError 1:1: the function returns nothing: there is nothing to tune
