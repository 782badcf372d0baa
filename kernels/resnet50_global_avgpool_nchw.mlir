// Global average pooling, NCHW. ResNet-50, avgpool, 7x7 with 2048 channels, batch of 8.
func.func @resnet50_global_avgpool_nchw(
    %x: tensor<8x2048x7x7xf32>) -> tensor<8x2048xf32> {
  %zero = arith.constant 0.0 : f32
  %area = arith.constant 49.0 : f32
  %empty = tensor.empty() : tensor<8x2048xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<8x2048xf32>) -> tensor<8x2048xf32>
  %total = linalg.generic {
      indexing_maps = [
          affine_map<(b, c, h, w) -> (b, c, h, w)>,
          affine_map<(b, c, h, w) -> (b, c)>],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x : tensor<8x2048x7x7xf32>)
      outs(%init : tensor<8x2048xf32>) {
    ^bb0(%a: f32, %acc: f32):
      %sum = arith.addf %a, %acc : f32
      linalg.yield %sum : f32
  } -> tensor<8x2048xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(b, c) -> (b, c)>,
          affine_map<(b, c) -> (b, c)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%total : tensor<8x2048xf32>)
      outs(%empty : tensor<8x2048xf32>) {
    ^bb0(%a: f32, %unused: f32):
      %mean = arith.divf %a, %area : f32
      linalg.yield %mean : f32
  } -> tensor<8x2048xf32>
  return %result : tensor<8x2048xf32>
}
