func.func @f(%a: tensor<4xf33>) -> tensor<4xf33> {
  return %a : tensor<4xf33>
}
// error: ParseError 1:27: expected non-function type
