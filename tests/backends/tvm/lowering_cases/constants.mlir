// Dense constants of every element type, as operands.
func.func @main(%f: tensor<2x3xf32>, %d: tensor<3xf64>, %h: tensor<3xf16>, %g: tensor<3xbf16>, %c: tensor<3xi8>, %i: tensor<3xi32>,
                %l: tensor<3xi64>, %b: tensor<3xi1>)
    -> (tensor<2x3xf32>, tensor<3xf64>, tensor<3xf16>, tensor<3xbf16>, tensor<3xi8>, tensor<3xi32>, tensor<3xi64>, tensor<3xi1>, tensor<2x2xi32>) {
  %cf = arith.constant dense<[[1.5, -2.25, 3.0], [0.1, 1.0e30, -1.0e-30]]> : tensor<2x3xf32>
  %cd = arith.constant dense<[0.1, 0.2, 0.3]> : tensor<3xf64>
  %ch = arith.constant dense<[0.5, -1.5, 1000.0]> : tensor<3xf16>
  %cg = arith.constant dense<[0.5, -1.5, 1000.0]> : tensor<3xbf16>
  %cc = arith.constant dense<[1, -2, 100]> : tensor<3xi8>
  %ci = arith.constant dense<[1, -2, 2000000000]> : tensor<3xi32>
  %cl = arith.constant dense<[1, -2, 9000000000000000000]> : tensor<3xi64>
  %cb = arith.constant dense<[true, false, true]> : tensor<3xi1>
  %own = arith.constant dense<[[4, 3], [2, 1]]> : tensor<2x2xi32>
  %rf = arith.addf %f, %cf : tensor<2x3xf32>
  %rd = arith.addf %d, %cd : tensor<3xf64>
  %rh = arith.addf %h, %ch : tensor<3xf16>
  %rg = arith.addf %g, %cg : tensor<3xbf16>
  %rc = arith.xori %c, %cc : tensor<3xi8>
  %ri = arith.xori %i, %ci : tensor<3xi32>
  %rl = arith.xori %l, %cl : tensor<3xi64>
  %rb = arith.andi %b, %cb : tensor<3xi1>
  return %rf, %rd, %rh, %rg, %rc, %ri, %rl, %rb, %own
      : tensor<2x3xf32>, tensor<3xf64>, tensor<3xf16>, tensor<3xbf16>, tensor<3xi8>, tensor<3xi32>, tensor<3xi64>, tensor<3xi1>, tensor<2x2xi32>
}
