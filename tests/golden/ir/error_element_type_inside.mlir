func.func @f(%a: tensor<4xi8>) -> tensor<4xi32> {
  %0 = arith.extsi %a : tensor<4xi8> to tensor<4xi16>
  %1 = arith.muli %0, %0 : tensor<4xi16>
  %2 = arith.extsi %1 : tensor<4xi16> to tensor<4xi32>
  return %2 : tensor<4xi32>
}
// error: UnsupportedError 2:8: the element type i16 of a value of tensor.empty is not supported
