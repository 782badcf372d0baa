// Contractions: plain, transposed operands, batched, with vectors, accumulating into an argument.
func.func @main(%a: tensor<7x9xf32>, %b: tensor<9x17xf32>, %c: tensor<17x9xf32>, %d: tensor<9x7xf32>,
                %x: tensor<9xf32>, %y: tensor<7xf32>, %p: tensor<3x5x6xf32>, %q: tensor<3x6x4xf32>,
                %acc: tensor<7x17xf32>)
    -> (tensor<7x17xf32>, tensor<7x17xf32>, tensor<7x17xf32>, tensor<7xf32>, tensor<9xf32>, tensor<f32>,
        tensor<3x5x4xf32>, tensor<5x4xf32>, tensor<7x17xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<7x17xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<7x17xf32>) -> tensor<7x17xf32>
  %plain = linalg.matmul ins(%a, %b : tensor<7x9xf32>, tensor<9x17xf32>) outs(%z : tensor<7x17xf32>) -> tensor<7x17xf32>
  %tb = linalg.matmul
      indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%a, %c : tensor<7x9xf32>, tensor<17x9xf32>) outs(%z : tensor<7x17xf32>) -> tensor<7x17xf32>
  %ta = linalg.matmul
      indexing_maps = [affine_map<(m, n, k) -> (k, m)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%d, %b : tensor<9x7xf32>, tensor<9x17xf32>) outs(%z : tensor<7x17xf32>) -> tensor<7x17xf32>
  %ve = tensor.empty() : tensor<7xf32>
  %vz = linalg.fill ins(%zero : f32) outs(%ve : tensor<7xf32>) -> tensor<7xf32>
  %mv = linalg.matvec ins(%a, %x : tensor<7x9xf32>, tensor<9xf32>) outs(%vz : tensor<7xf32>) -> tensor<7xf32>
  %we = tensor.empty() : tensor<9xf32>
  %wz = linalg.fill ins(%zero : f32) outs(%we : tensor<9xf32>) -> tensor<9xf32>
  %vm = linalg.vecmat ins(%y, %a : tensor<7xf32>, tensor<7x9xf32>) outs(%wz : tensor<9xf32>) -> tensor<9xf32>
  %se = tensor.empty() : tensor<f32>
  %sz = linalg.fill ins(%zero : f32) outs(%se : tensor<f32>) -> tensor<f32>
  %dot = linalg.dot ins(%x, %x : tensor<9xf32>, tensor<9xf32>) outs(%sz : tensor<f32>) -> tensor<f32>
  %be = tensor.empty() : tensor<3x5x4xf32>
  %bz = linalg.fill ins(%zero : f32) outs(%be : tensor<3x5x4xf32>) -> tensor<3x5x4xf32>
  %bm = linalg.batch_matmul ins(%p, %q : tensor<3x5x6xf32>, tensor<3x6x4xf32>) outs(%bz : tensor<3x5x4xf32>) -> tensor<3x5x4xf32>
  %re = tensor.empty() : tensor<5x4xf32>
  %rz = linalg.fill ins(%zero : f32) outs(%re : tensor<5x4xf32>) -> tensor<5x4xf32>
  %br = linalg.batch_reduce_matmul ins(%p, %q : tensor<3x5x6xf32>, tensor<3x6x4xf32>) outs(%rz : tensor<5x4xf32>) -> tensor<5x4xf32>
  %into = linalg.matmul ins(%a, %b : tensor<7x9xf32>, tensor<9x17xf32>) outs(%acc : tensor<7x17xf32>) -> tensor<7x17xf32>
  return %plain, %tb, %ta, %mv, %vm, %dot, %bm, %br, %into
      : tensor<7x17xf32>, tensor<7x17xf32>, tensor<7x17xf32>, tensor<7xf32>, tensor<9xf32>, tensor<f32>,
        tensor<3x5x4xf32>, tensor<5x4xf32>, tensor<7x17xf32>
}
