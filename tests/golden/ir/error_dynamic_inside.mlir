func.func @f(%a: tensor<4xf32>, %n: tensor<i32>) -> tensor<f32> {
  %i = tensor.extract %n[] : tensor<i32>
  %size = arith.index_cast %i : i32 to index
  %part = tensor.extract_slice %a[0] [%size] [1] : tensor<4xf32> to tensor<?xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<f32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<f32>) -> tensor<f32>
  %sum = linalg.reduce {arith.addf} ins(%part : tensor<?xf32>) outs(%init : tensor<f32>) dimensions = [0]
  return %sum : tensor<f32>
}
// error: UnsupportedError 4:11: a value of tensor.extract_slice has a dynamic shape, tensor<?xf32>
