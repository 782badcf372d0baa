module attributes {transform.with_named_sequence} {
  func.func @f(%a: tensor<8x8xf32>, %b: tensor<8x8xf32>) -> tensor<8x8xf32> {
    %zero = arith.constant 0.0 : f32
    %empty = tensor.empty() : tensor<8x8xf32>
    %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<8x8xf32>) -> tensor<8x8xf32>
    %0 = linalg.matmul ins(%a, %b : tensor<8x8xf32>, tensor<8x8xf32>)
                       outs(%init : tensor<8x8xf32>) -> tensor<8x8xf32>
    return %0 : tensor<8x8xf32>
  }
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %n = transform.tune.knob<"n"> options = [0, 2] -> !transform.param<i64>
    transform.tune.alternatives<"way"> selected_region = %n : !transform.param<i64> {
      transform.yield
    }, {
      transform.yield
    }
    transform.yield
  }
}
// error: ParseError 12:5: region 2 of 'way' is selected, which has 2 regions
