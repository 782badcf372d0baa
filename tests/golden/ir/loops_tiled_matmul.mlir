func.func @tiled(%A: memref<60x32xf32>, %B: memref<32x16xf32>, %C: memref<60x16xf32>) {
  affine.for %i0 = 0 to 60 step 8 {
    affine.for %j = 0 to 16 {
      affine.for %k = 0 to 32 {
        affine.for %i = affine_map<(d0) -> (d0)>(%i0) to min affine_map<(d0) -> (d0 + 8, 60)>(%i0) {
          %a = affine.load %A[%i, %k] : memref<60x32xf32>
          %b = affine.load %B[%k, %j] : memref<32x16xf32>
          %c = affine.load %C[%i, %j] : memref<60x16xf32>
          %p = arith.mulf %a, %b : f32
          %s = arith.addf %c, %p : f32
          affine.store %s, %C[%i, %j] : memref<60x16xf32>
        }
      }
    }
  }
  return
}
// refused: a loop-level kernel (memref, affine, scf) can be read and an
// flops = 61440
// bytes = 17408
// element_types = f32
// flops_by_dtype = f32:61440
// op affine.for 8px16px32rx8p 61440 17408 f32
// canonical:
// module {
//   func.func @main(%arg0: memref<60x32xf32>, %arg1: memref<32x16xf32>, %arg2: memref<60x16xf32>) {
//     affine.for %arg3 = 0 to 60 step 8 {
//       affine.for %arg4 = 0 to 16 {
//         affine.for %arg5 = 0 to 32 {
//           affine.for %arg6 = affine_map<(d0) -> (d0)>(%arg3) to min affine_map<(d0) -> (d0 + 8, 60)>(%arg3) {
//             %0 = affine.load %arg0[%arg6, %arg5] : memref<60x32xf32>
//             %1 = affine.load %arg1[%arg5, %arg4] : memref<32x16xf32>
//             %2 = affine.load %arg2[%arg6, %arg4] : memref<60x16xf32>
//             %3 = arith.mulf %0, %1 : f32
//             %4 = arith.addf %2, %3 : f32
//             affine.store %4, %arg2[%arg6, %arg4] : memref<60x16xf32>
//           }
//         }
//       }
//     }
//     return
//   }
// }
