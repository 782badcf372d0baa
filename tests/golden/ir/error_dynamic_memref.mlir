func.func @f(%a: memref<8xf32>, %b: memref<?xf32>) {
  memref.copy %a, %b : memref<8xf32> to memref<?xf32>
  return
}
// error: UnsupportedError 1:33: argument 1 has a dynamic shape, memref<?xf32>
