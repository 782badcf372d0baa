// Batch normalization folded to scale and shift, and ReLU, NCHW. ResNet-50, layer1.*.bn3, 56x56
// with 256 channels.
func.func @resnet50_batchnorm_relu(
    %x: tensor<1x256x56x56xf32>,
    %scale: tensor<256xf32>,
    %shift: tensor<256xf32>) -> tensor<1x256x56x56xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<1x256x56x56xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(b, c, h, w) -> (b, c, h, w)>,
          affine_map<(b, c, h, w) -> (c)>,
          affine_map<(b, c, h, w) -> (c)>,
          affine_map<(b, c, h, w) -> (b, c, h, w)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%x, %scale, %shift : tensor<1x256x56x56xf32>, tensor<256xf32>, tensor<256xf32>)
      outs(%empty : tensor<1x256x56x56xf32>) {
    ^bb0(%a: f32, %g: f32, %s: f32, %unused: f32):
      %scaled = arith.mulf %a, %g : f32
      %shifted = arith.addf %scaled, %s : f32
      %positive = arith.maximumf %shifted, %zero : f32
      linalg.yield %positive : f32
  } -> tensor<1x256x56x56xf32>
  return %result : tensor<1x256x56x56xf32>
}
