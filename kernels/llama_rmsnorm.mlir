// Root-mean-square normalization over 4096 features. Llama-7B, layers.*.input_layernorm, 128
// tokens.
func.func @llama_rmsnorm(
    %x: tensor<128x4096xf32>,
    %gamma: tensor<4096xf32>) -> tensor<128x4096xf32> {
  %zero = arith.constant 0.0 : f32
  %width = arith.constant 4096.0 : f32
  %epsilon = arith.constant 9.99999974E-6 : f32
  %empty = tensor.empty() : tensor<128x4096xf32>
  %row_empty = tensor.empty() : tensor<128xf32>
  %init = linalg.fill ins(%zero : f32) outs(%row_empty : tensor<128xf32>) -> tensor<128xf32>
  %squares = linalg.generic {
      indexing_maps = [
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (m)>],
      iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<128x4096xf32>)
      outs(%init : tensor<128xf32>) {
    ^bb0(%a: f32, %acc: f32):
      %square = arith.mulf %a, %a : f32
      %sum = arith.addf %square, %acc : f32
      linalg.yield %sum : f32
  } -> tensor<128xf32>
  %scale = linalg.generic {
      indexing_maps = [
          affine_map<(m) -> (m)>,
          affine_map<(m) -> (m)>],
      iterator_types = ["parallel"]}
      ins(%squares : tensor<128xf32>)
      outs(%row_empty : tensor<128xf32>) {
    ^bb0(%a: f32, %unused: f32):
      %mean = arith.divf %a, %width : f32
      %stable = arith.addf %mean, %epsilon : f32
      %inverse = math.rsqrt %stable : f32
      linalg.yield %inverse : f32
  } -> tensor<128xf32>
  %result = linalg.generic {
      indexing_maps = [
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (m)>,
          affine_map<(m, n) -> (n)>,
          affine_map<(m, n) -> (m, n)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%x, %scale, %gamma : tensor<128x4096xf32>, tensor<128xf32>, tensor<4096xf32>)
      outs(%empty : tensor<128x4096xf32>) {
    ^bb0(%a: f32, %r: f32, %g: f32, %unused: f32):
      %unit = arith.mulf %a, %r : f32
      %scaled = arith.mulf %unit, %g : f32
      linalg.yield %scaled : f32
  } -> tensor<128x4096xf32>
  return %result : tensor<128x4096xf32>
}
