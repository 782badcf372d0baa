func.func private @f(tensor<4xf32>) -> tensor<4xf32>
// error: UnsupportedError 1:1: the function f has no body
