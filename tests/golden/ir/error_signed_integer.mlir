func.func @f(%a: tensor<4xui8>) -> tensor<4xui8> {
  return %a : tensor<4xui8>
}
// error: UnsupportedError 1:14: the element type ui8 of argument 0 is not supported
