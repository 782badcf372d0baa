// Reductions: each operation, over either or both axes, any and all, from literals and from an argument.
func.func @main(%a: tensor<6x10xf32>, %i: tensor<6x10xi32>, %b: tensor<6x10xi1>, %start: tensor<6xf32>)
    -> (tensor<6xf32>, tensor<10xf32>, tensor<f32>, tensor<6xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6xi32>,
        tensor<6xi32>, tensor<6xi1>, tensor<6xi1>, tensor<6xf32>, tensor<6xi32>) {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %low = arith.constant 0xFF800000 : f32
  %least = arith.constant -3.40282347E+38 : f32
  %izero = arith.constant 0 : i32
  %ilow = arith.constant -2147483648 : i32
  %false = arith.constant false
  %true = arith.constant true
  %e = tensor.empty() : tensor<6xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<6xf32>) -> tensor<6xf32>
  %rows = linalg.reduce {arith.addf} ins(%a : tensor<6x10xf32>) outs(%z : tensor<6xf32>) dimensions = [1]
  %ce = tensor.empty() : tensor<10xf32>
  %cz = linalg.fill ins(%zero : f32) outs(%ce : tensor<10xf32>) -> tensor<10xf32>
  %columns = linalg.reduce {arith.addf} ins(%a : tensor<6x10xf32>) outs(%cz : tensor<10xf32>) dimensions = [0]
  %se = tensor.empty() : tensor<f32>
  %sz = linalg.fill ins(%zero : f32) outs(%se : tensor<f32>) -> tensor<f32>
  %all = linalg.reduce {arith.addf} ins(%a : tensor<6x10xf32>) outs(%sz : tensor<f32>) dimensions = [0, 1]
  %m = linalg.fill ins(%low : f32) outs(%e : tensor<6xf32>) -> tensor<6xf32>
  %max = linalg.reduce {arith.maximumf} ins(%a : tensor<6x10xf32>) outs(%m : tensor<6xf32>) dimensions = [1]
  %l = linalg.fill ins(%least : f32) outs(%e : tensor<6xf32>) -> tensor<6xf32>
  %maxnum = linalg.reduce {arith.maxnumf} ins(%a : tensor<6x10xf32>) outs(%l : tensor<6xf32>) dimensions = [1]
  %o = linalg.fill ins(%one : f32) outs(%e : tensor<6xf32>) -> tensor<6xf32>
  %prod = linalg.reduce {arith.mulf} ins(%a : tensor<6x10xf32>) outs(%o : tensor<6xf32>) dimensions = [1]
  %ie = tensor.empty() : tensor<6xi32>
  %iz = linalg.fill ins(%izero : i32) outs(%ie : tensor<6xi32>) -> tensor<6xi32>
  %isum = linalg.reduce {arith.addi} ins(%i : tensor<6x10xi32>) outs(%iz : tensor<6xi32>) dimensions = [1]
  %im = linalg.fill ins(%ilow : i32) outs(%ie : tensor<6xi32>) -> tensor<6xi32>
  %imax = linalg.reduce {arith.maxsi} ins(%i : tensor<6x10xi32>) outs(%im : tensor<6xi32>) dimensions = [1]
  %be = tensor.empty() : tensor<6xi1>
  %bf = linalg.fill ins(%false : i1) outs(%be : tensor<6xi1>) -> tensor<6xi1>
  %any = linalg.reduce {arith.ori} ins(%b : tensor<6x10xi1>) outs(%bf : tensor<6xi1>) dimensions = [1]
  %bt = linalg.fill ins(%true : i1) outs(%be : tensor<6xi1>) -> tensor<6xi1>
  %every = linalg.reduce {arith.andi} ins(%b : tensor<6x10xi1>) outs(%bt : tensor<6xi1>) dimensions = [1]
  %from = linalg.reduce {arith.addf} ins(%a : tensor<6x10xf32>) outs(%start : tensor<6xf32>) dimensions = [1]
  %parity = linalg.reduce {arith.xori} ins(%i : tensor<6x10xi32>) outs(%iz : tensor<6xi32>) dimensions = [1]
  return %rows, %columns, %all, %max, %maxnum, %prod, %isum, %imax, %any, %every, %from, %parity
      : tensor<6xf32>, tensor<10xf32>, tensor<f32>, tensor<6xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6xi32>,
        tensor<6xi32>, tensor<6xi1>, tensor<6xi1>, tensor<6xf32>, tensor<6xi32>
}
