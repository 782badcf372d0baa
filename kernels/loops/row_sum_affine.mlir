// Sum of each row as affine loops with a carried value, 512x768 f32. Read and analysed, not tuned.
func.func @row_sum_affine(%x: memref<512x768xf32>, %sums: memref<512xf32>) {
  %zero = arith.constant 0.0 : f32
  affine.for %i = 0 to 512 {
    %sum = affine.for %j = 0 to 768 iter_args(%partial = %zero) -> (f32) {
      %value = affine.load %x[%i, %j] : memref<512x768xf32>
      %next = arith.addf %partial, %value : f32
      affine.yield %next : f32
    }
    affine.store %sum, %sums[%i] : memref<512xf32>
  }
  return
}
