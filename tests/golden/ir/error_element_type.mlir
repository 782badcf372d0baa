func.func @f(%a: tensor<4xf32>,
             %b: tensor<4xcomplex<f32>>) -> tensor<4xf32> {
  return %a : tensor<4xf32>
}
// error: UnsupportedError 2:14: the element type complex<f32> of argument 1 is not supported
