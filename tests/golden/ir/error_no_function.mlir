module {
  memref.global "private" constant @w : memref<2xf32> = dense<[1.0, 2.0]>
}
// error: UnsupportedError 2:3: there is no func.func in the module
