func.func @f(%a: tensor<2xf32>) -> tensor<2xf32> {
  %c = arith.constant dense_resource<weights> : tensor<2xf32>
  %0 = arith.addf %a, %c : tensor<2xf32>
  return %0 : tensor<2xf32>
}
{-#
  dialect_resources: { builtin: { weights: "0x040000000000803F" } }
#-}
// error: UnsupportedError 2:8: the constant's value stands in a resource, apart from the function
