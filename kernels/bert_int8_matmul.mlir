// Quantized fully connected layer, i8 x i8 accumulated in i32. BERT-base int8, attention output
// dense, 128 tokens.
func.func @bert_int8_matmul(
    %x: tensor<128x768xi8>,
    %weight: tensor<768x768xi8>) -> tensor<128x768xi32> {
  %zero = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<128x768xi32>
  %init = linalg.fill ins(%zero : i32) outs(%empty : tensor<128x768xi32>) -> tensor<128x768xi32>
  %result = linalg.matmul
      ins(%x, %weight : tensor<128x768xi8>, tensor<768x768xi8>)
      outs(%init : tensor<128x768xi32>) -> tensor<128x768xi32>
  return %result : tensor<128x768xi32>
}
