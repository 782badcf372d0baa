// Layer normalization over 768 features of 197 tokens. ViT-B/16, blocks.*.norm1.
func.func @vit_layernorm(
    %x: tensor<197x768xf32>,
    %gamma: tensor<768xf32>,
    %beta: tensor<768xf32>) -> tensor<197x768xf32> {
  %zero = arith.constant 0.0 : f32
  %width = arith.constant 768.0 : f32
  %epsilon = arith.constant 1.000000e-06 : f32
  %empty = tensor.empty() : tensor<197x768xf32>
  %row_empty = tensor.empty() : tensor<197xf32>
  %init = linalg.fill ins(%zero : f32) outs(%row_empty : tensor<197xf32>) -> tensor<197xf32>
  %total = linalg.generic {
      indexing_maps = [
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (m)>],
      iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<197x768xf32>)
      outs(%init : tensor<197xf32>) {
    ^bb0(%a: f32, %acc: f32):
      %sum = arith.addf %a, %acc : f32
      linalg.yield %sum : f32
  } -> tensor<197xf32>
  %mean = linalg.generic {
      indexing_maps = [
          affine_map<(m) -> (m)>,
          affine_map<(m) -> (m)>],
      iterator_types = ["parallel"]}
      ins(%total : tensor<197xf32>)
      outs(%row_empty : tensor<197xf32>) {
    ^bb0(%a: f32, %unused: f32):
      %quotient = arith.divf %a, %width : f32
      linalg.yield %quotient : f32
  } -> tensor<197xf32>
  %squares = linalg.generic {
      indexing_maps = [
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (m)>,
          affine_map<(m, n) -> (m)>],
      iterator_types = ["parallel", "reduction"]}
      ins(%x, %mean : tensor<197x768xf32>, tensor<197xf32>)
      outs(%init : tensor<197xf32>) {
    ^bb0(%a: f32, %mu: f32, %acc: f32):
      %centered = arith.subf %a, %mu : f32
      %square = arith.mulf %centered, %centered : f32
      %sum = arith.addf %square, %acc : f32
      linalg.yield %sum : f32
  } -> tensor<197xf32>
  %rstd = linalg.generic {
      indexing_maps = [
          affine_map<(m) -> (m)>,
          affine_map<(m) -> (m)>],
      iterator_types = ["parallel"]}
      ins(%squares : tensor<197xf32>)
      outs(%row_empty : tensor<197xf32>) {
    ^bb0(%a: f32, %unused: f32):
      %variance = arith.divf %a, %width : f32
      %stable = arith.addf %variance, %epsilon : f32
      %inverse = math.rsqrt %stable : f32
      linalg.yield %inverse : f32
  } -> tensor<197xf32>
  %normalized = linalg.generic {
      indexing_maps = [
          affine_map<(m, n) -> (m, n)>,
          affine_map<(m, n) -> (m)>,
          affine_map<(m, n) -> (m)>,
          affine_map<(m, n) -> (n)>,
          affine_map<(m, n) -> (n)>,
          affine_map<(m, n) -> (m, n)>],
      iterator_types = ["parallel", "parallel"]}
      ins(%x, %mean, %rstd, %gamma, %beta : tensor<197x768xf32>, tensor<197xf32>, tensor<197xf32>, tensor<768xf32>, tensor<768xf32>)
      outs(%empty : tensor<197x768xf32>) {
    ^bb0(%a: f32, %mu: f32, %r: f32, %g: f32, %b: f32, %unused: f32):
      %centered = arith.subf %a, %mu : f32
      %unit = arith.mulf %centered, %r : f32
      %scaled = arith.mulf %unit, %g : f32
      %shifted = arith.addf %scaled, %b : f32
      linalg.yield %shifted : f32
  } -> tensor<197x768xf32>
  return %normalized : tensor<197x768xf32>
}
