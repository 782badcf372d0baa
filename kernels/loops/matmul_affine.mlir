// Matrix product as an affine loop nest over memrefs, 256x256x256 f32. Read and analysed, not tuned.
func.func @matmul_affine(
    %a: memref<256x256xf32>, %b: memref<256x256xf32>, %c: memref<256x256xf32>) {
  affine.for %i = 0 to 256 {
    affine.for %j = 0 to 256 {
      affine.for %k = 0 to 256 {
        %x = affine.load %a[%i, %k] : memref<256x256xf32>
        %y = affine.load %b[%k, %j] : memref<256x256xf32>
        %sum = affine.load %c[%i, %j] : memref<256x256xf32>
        %product = arith.mulf %x, %y : f32
        %next = arith.addf %sum, %product : f32
        affine.store %next, %c[%i, %j] : memref<256x256xf32>
      }
    }
  }
  return
}
