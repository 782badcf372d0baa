// Mixed precision: i8 into i32, bf16 and f16 into f32, f16 alone, f64.
func.func @main(%a: tensor<5x12xi8>, %b: tensor<12x6xi8>, %c: tensor<5x12xbf16>, %d: tensor<12x6xbf16>, %f: tensor<5x12xf16>,
                %g: tensor<12x6xf16>, %p: tensor<5x12xf64>, %q: tensor<12x6xf64>)
    -> (tensor<5x6xi32>, tensor<5x6xf32>, tensor<5x6xf32>, tensor<5x12xf16>, tensor<5x6xf64>, tensor<5x12xbf16>) {
  %izero = arith.constant 0 : i32
  %zero = arith.constant 0.0 : f32
  %dzero = arith.constant 0.0 : f64
  %ie = tensor.empty() : tensor<5x6xi32>
  %iz = linalg.fill ins(%izero : i32) outs(%ie : tensor<5x6xi32>) -> tensor<5x6xi32>
  %int = linalg.matmul ins(%a, %b : tensor<5x12xi8>, tensor<12x6xi8>) outs(%iz : tensor<5x6xi32>) -> tensor<5x6xi32>
  %e = tensor.empty() : tensor<5x6xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<5x6xf32>) -> tensor<5x6xf32>
  %brain = linalg.matmul ins(%c, %d : tensor<5x12xbf16>, tensor<12x6xbf16>) outs(%z : tensor<5x6xf32>) -> tensor<5x6xf32>
  %half = linalg.matmul ins(%f, %g : tensor<5x12xf16>, tensor<12x6xf16>) outs(%z : tensor<5x6xf32>) -> tensor<5x6xf32>
  %sum = arith.addf %f, %f : tensor<5x12xf16>
  %grown = math.exp %sum : tensor<5x12xf16>
  %de = tensor.empty() : tensor<5x6xf64>
  %dz = linalg.fill ins(%dzero : f64) outs(%de : tensor<5x6xf64>) -> tensor<5x6xf64>
  %double = linalg.matmul ins(%p, %q : tensor<5x12xf64>, tensor<12x6xf64>) outs(%dz : tensor<5x6xf64>) -> tensor<5x6xf64>
  %product = arith.mulf %c, %c : tensor<5x12xbf16>
  %tanh = math.tanh %product : tensor<5x12xbf16>
  return %int, %brain, %half, %grown, %double, %tanh
      : tensor<5x6xi32>, tensor<5x6xf32>, tensor<5x6xf32>, tensor<5x12xf16>, tensor<5x6xf64>, tensor<5x12xbf16>
}
