// One sweep of a 5-point Jacobi stencil as scf loops over memrefs, 1024x1024 f32. Read, not tuned.
func.func @jacobi_scf(%old: memref<1024x1024xf32>, %new: memref<1024x1024xf32>) {
  %one = arith.constant 1 : index
  %end = arith.constant 1023 : index
  %fifth = arith.constant 2.000000e-01 : f32
  scf.for %i = %one to %end step %one {
    scf.for %j = %one to %end step %one {
      %north = arith.subi %i, %one : index
      %south = arith.addi %i, %one : index
      %west = arith.subi %j, %one : index
      %east = arith.addi %j, %one : index
      %c = memref.load %old[%i, %j] : memref<1024x1024xf32>
      %n = memref.load %old[%north, %j] : memref<1024x1024xf32>
      %s = memref.load %old[%south, %j] : memref<1024x1024xf32>
      %w = memref.load %old[%i, %west] : memref<1024x1024xf32>
      %e = memref.load %old[%i, %east] : memref<1024x1024xf32>
      %vertical = arith.addf %n, %s : f32
      %horizontal = arith.addf %w, %e : f32
      %around = arith.addf %vertical, %horizontal : f32
      %all = arith.addf %around, %c : f32
      %mean = arith.mulf %all, %fifth : f32
      memref.store %mean, %new[%i, %j] : memref<1024x1024xf32>
    }
  }
  return
}
