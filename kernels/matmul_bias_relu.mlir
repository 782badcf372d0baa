// Fully connected layer with bias and ReLU: relu(x @ weight + bias), 512x512x512 f32. The
// demonstration kernel; the size is that of an MLP hidden layer.
func.func @matmul_bias_relu(
    %x: tensor<512x512xf32>,
    %weight: tensor<512x512xf32>,
    %bias: tensor<512xf32>) -> tensor<512x512xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<512x512xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<512x512xf32>) -> tensor<512x512xf32>
  %product = linalg.matmul
      ins(%x, %weight : tensor<512x512xf32>, tensor<512x512xf32>)
      outs(%init : tensor<512x512xf32>) -> tensor<512x512xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (n)>,
          affine_map<(m, n) -> (m, n)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%product, %bias : tensor<512x512xf32>, tensor<512xf32>)
      outs(%empty : tensor<512x512xf32>) {
    ^bb0(%p: f32, %b: f32, %unused: f32):
      %biased = arith.addf %p, %b : f32
      %positive = arith.maximumf %biased, %zero : f32
      linalg.yield %positive : f32
  } -> tensor<512x512xf32>
  return %result : tensor<512x512xf32>
}
