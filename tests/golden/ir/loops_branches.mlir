// Of a branch the costlier side counts; booleans and addresses count nothing.
func.func @f(%x: memref<16xf32>, %y: memref<16xf32>) {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %c1 = arith.constant 1 : index
  scf.parallel (%i) = (%c0) to (%c16) step (%c1) {
    %v = memref.load %x[%i] : memref<16xf32>
    %negative = arith.cmpf olt, %v, %zero : f32
    %r = scf.if %negative -> f32 {
      %e = math.exp %v : f32
      scf.yield %e : f32
    } else {
      %d = arith.addf %v, %v : f32
      scf.yield %d : f32
    }
    memref.store %r, %y[%i] : memref<16xf32>
  }
  return
}
// refused: a loop-level kernel (memref, affine, scf) can be read and an
// flops = 176
// bytes = 128
// element_types = f32
// flops_by_dtype = f32:176
// op scf.parallel 16p 176 128 f32
// canonical:
// module {
//   func.func @main(%arg0: memref<16xf32>, %arg1: memref<16xf32>) {
//     %c0 = arith.constant 0 : index
//     %c16 = arith.constant 16 : index
//     %c1 = arith.constant 1 : index
//     %cst = arith.constant 0.000000e+00 : f32
//     scf.parallel (%arg2) = (%c0) to (%c16) step (%c1) {
//       %0 = memref.load %arg0[%arg2] : memref<16xf32>
//       %1 = arith.cmpf olt, %0, %cst : f32
//       %2 = scf.if %1 -> (f32) {
//         %3 = math.exp %0 : f32
//         scf.yield %3 : f32
//       } else {
//         %3 = arith.addf %0, %0 : f32
//         scf.yield %3 : f32
//       }
//       memref.store %2, %arg1[%arg2] : memref<16xf32>
//       scf.reduce
//     }
//     return
//   }
// }
