// Classifier head: x @ weight^T + bias with 1000 classes. ViT-B/16, head, batch of 32.
func.func @vit_head_transposed(
    %x: tensor<32x768xf32>,
    %weight: tensor<1000x768xf32>,
    %bias: tensor<1000xf32>) -> tensor<32x1000xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<32x1000xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<32x1000xf32>) -> tensor<32x1000xf32>
  %product = linalg.matmul indexing_maps = [
          affine_map<(m, n, k) -> (m, k)>,
          affine_map<(m, n, k) -> (n, k)>,
          affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %weight : tensor<32x768xf32>, tensor<1000x768xf32>)
      outs(%init : tensor<32x1000xf32>) -> tensor<32x1000xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (n)>,
          affine_map<(m, n) -> (m, n)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%product, %bias : tensor<32x1000xf32>, tensor<1000xf32>)
      outs(%empty : tensor<32x1000xf32>) {
    ^bb0(%p: f32, %b: f32, %unused: f32):
      %biased = arith.addf %p, %b : f32
      linalg.yield %biased : f32
  } -> tensor<32x1000xf32>
  return %result : tensor<32x1000xf32>
}
