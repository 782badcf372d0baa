// Concatenation of the two expand branches with ReLU, NCHW. SqueezeNet, fire2, 55x55 with 2 x 64
// channels.
func.func @squeezenet_fire_concat_nchw(
    %expand1x1: tensor<1x64x55x55xf32>,
    %expand3x3: tensor<1x64x55x55xf32>) -> tensor<1x128x55x55xf32> {
  %zero = arith.constant 0.0 : f32
  %joined_empty = tensor.empty() : tensor<1x128x55x55xf32>
  %first = tensor.insert_slice %expand1x1 into %joined_empty[0, 0, 0, 0] [1, 64, 55, 55] [1, 1, 1, 1] : tensor<1x64x55x55xf32> into tensor<1x128x55x55xf32>
  %joined = tensor.insert_slice %expand3x3 into %first[0, 64, 0, 0] [1, 64, 55, 55] [1, 1, 1, 1] : tensor<1x64x55x55xf32> into tensor<1x128x55x55xf32>
  %empty = tensor.empty() : tensor<1x128x55x55xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(b, c, h, w) -> (b, c, h, w)>,
          affine_map<(b, c, h, w) -> (b, c, h, w)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%joined : tensor<1x128x55x55xf32>)
      outs(%empty : tensor<1x128x55x55xf32>) {
    ^bb0(%a: f32, %unused: f32):
      %positive = arith.maximumf %a, %zero : f32
      linalg.yield %positive : f32
  } -> tensor<1x128x55x55xf32>
  return %result : tensor<1x128x55x55xf32>
}
