func.func @f(%x: memref<16xf32>, %n: index) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  scf.for %i = %zero to %n step %one {
    %v = memref.load %x[%i] : memref<16xf32>
    %e = math.exp %v : f32
    memref.store %e, %x[%i] : memref<16xf32>
  }
  return
}
// refused: a loop-level kernel (memref, affine, scf) can be read and an
// flops unknown: the trip count of an scf.for is not known before the program runs, so its cost is not either
// canonical:
// module {
//   func.func @main(%arg0: memref<16xf32>, %arg1: index) {
//     %c0 = arith.constant 0 : index
//     %c1 = arith.constant 1 : index
//     scf.for %arg2 = %c0 to %arg1 step %c1 {
//       %0 = memref.load %arg0[%arg2] : memref<16xf32>
//       %1 = math.exp %0 : f32
//       memref.store %1, %arg0[%arg2] : memref<16xf32>
//     }
//     return
//   }
// }
