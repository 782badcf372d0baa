// 16x16 convolution with stride 16 that cuts an image into patches, NCHW. ViT-B/16, patch_embed,
// 224x224 image.
func.func @vit_patch_embed_nchw(
    %x: tensor<1x3x224x224xf32>,
    %filter: tensor<768x3x16x16xf32>,
    %bias: tensor<768xf32>) -> tensor<1x768x14x14xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<1x768x14x14xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x768x14x14xf32>) -> tensor<1x768x14x14xf32>
  %convolved = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<16> : tensor<2xi64>}
      ins(%x, %filter : tensor<1x3x224x224xf32>, tensor<768x3x16x16xf32>)
      outs(%init : tensor<1x768x14x14xf32>) -> tensor<1x768x14x14xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(b, c, h, w) -> (b, c, h, w)>,
          affine_map<(b, c, h, w) -> (c)>,
          affine_map<(b, c, h, w) -> (b, c, h, w)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%convolved, %bias : tensor<1x768x14x14xf32>, tensor<768xf32>)
      outs(%empty : tensor<1x768x14x14xf32>) {
    ^bb0(%a: f32, %s: f32, %unused: f32):
      %sum = arith.addf %a, %s : f32
      linalg.yield %sum : f32
  } -> tensor<1x768x14x14xf32>
  return %result : tensor<1x768x14x14xf32>
}
