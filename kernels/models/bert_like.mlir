// A BERT-like encoder: 2 layers, width 256, 4 heads, 77 tokens; exported by
// JAX 0.10.2 (datasets/make_bert_like.py). Weights are arguments.
module @jit_bert_like attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<77xi32>, %arg1: tensor<1000x256xf32>, %arg2: tensor<77x256xf32>, %arg3: tensor<1024x256xf32>, %arg4: tensor<256xf32>, %arg5: tensor<256x256xf32>, %arg6: tensor<256xf32>, %arg7: tensor<256x256xf32>, %arg8: tensor<256xf32>, %arg9: tensor<256x256xf32>, %arg10: tensor<256xf32>, %arg11: tensor<256xf32>, %arg12: tensor<256xf32>, %arg13: tensor<256xf32>, %arg14: tensor<256xf32>, %arg15: tensor<256x1024xf32>, %arg16: tensor<1024xf32>, %arg17: tensor<256x256xf32>, %arg18: tensor<256xf32>, %arg19: tensor<1024x256xf32>, %arg20: tensor<256xf32>, %arg21: tensor<256x256xf32>, %arg22: tensor<256xf32>, %arg23: tensor<256x256xf32>, %arg24: tensor<256xf32>, %arg25: tensor<256x256xf32>, %arg26: tensor<256xf32>, %arg27: tensor<256xf32>, %arg28: tensor<256xf32>, %arg29: tensor<256xf32>, %arg30: tensor<256xf32>, %arg31: tensor<256x1024xf32>, %arg32: tensor<1024xf32>, %arg33: tensor<256x256xf32>, %arg34: tensor<256xf32>) -> (tensor<77x256xf32> {jax.result_info = "result"}) {
    %c = stablehlo.constant dense<0> : tensor<i32>
    %0 = stablehlo.broadcast_in_dim %c, dims = [] : (tensor<i32>) -> tensor<77xi32>
    %1 = stablehlo.compare LT, %arg0, %0, SIGNED : (tensor<77xi32>, tensor<77xi32>) -> tensor<77xi1>
    %c_0 = stablehlo.constant dense<1000> : tensor<i32>
    %2 = stablehlo.broadcast_in_dim %c_0, dims = [] : (tensor<i32>) -> tensor<77xi32>
    %3 = stablehlo.add %arg0, %2 : tensor<77xi32>
    %4 = stablehlo.select %1, %3, %arg0 : tensor<77xi1>, tensor<77xi32>
    %5 = stablehlo.broadcast_in_dim %4, dims = [0] : (tensor<77xi32>) -> tensor<77x1xi32>
    %6 = "stablehlo.gather"(%arg1, %5) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, indices_are_sorted = false, slice_sizes = array<i64: 1, 256>}> : (tensor<1000x256xf32>, tensor<77x1xi32>) -> tensor<77x256xf32>
    %7 = stablehlo.add %6, %arg2 : tensor<77x256xf32>
    %8 = stablehlo.dot_general %7, %arg9, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<77x256xf32>, tensor<256x256xf32>) -> tensor<77x256xf32>
    %9 = stablehlo.broadcast_in_dim %arg10, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %10 = stablehlo.broadcast_in_dim %9, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %11 = stablehlo.add %8, %10 : tensor<77x256xf32>
    %12 = stablehlo.reshape %11 : (tensor<77x256xf32>) -> tensor<77x4x64xf32>
    %13 = stablehlo.transpose %12, dims = [1, 0, 2] : (tensor<77x4x64xf32>) -> tensor<4x77x64xf32>
    %14 = stablehlo.dot_general %7, %arg5, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<77x256xf32>, tensor<256x256xf32>) -> tensor<77x256xf32>
    %15 = stablehlo.broadcast_in_dim %arg6, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %16 = stablehlo.broadcast_in_dim %15, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %17 = stablehlo.add %14, %16 : tensor<77x256xf32>
    %18 = stablehlo.reshape %17 : (tensor<77x256xf32>) -> tensor<77x4x64xf32>
    %19 = stablehlo.transpose %18, dims = [1, 0, 2] : (tensor<77x4x64xf32>) -> tensor<4x77x64xf32>
    %20 = stablehlo.dot_general %7, %arg17, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<77x256xf32>, tensor<256x256xf32>) -> tensor<77x256xf32>
    %21 = stablehlo.broadcast_in_dim %arg18, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %22 = stablehlo.broadcast_in_dim %21, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %23 = stablehlo.add %20, %22 : tensor<77x256xf32>
    %24 = stablehlo.reshape %23 : (tensor<77x256xf32>) -> tensor<77x4x64xf32>
    %25 = stablehlo.transpose %24, dims = [1, 0, 2] : (tensor<77x4x64xf32>) -> tensor<4x77x64xf32>
    %26 = stablehlo.dot_general %13, %19, batching_dims = [0] x [0], contracting_dims = [2] x [2], precision = [DEFAULT, DEFAULT] : (tensor<4x77x64xf32>, tensor<4x77x64xf32>) -> tensor<4x77x77xf32>
    %cst = stablehlo.constant dense<1.250000e-01> : tensor<f32>
    %27 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<f32>) -> tensor<4x77x77xf32>
    %28 = stablehlo.multiply %26, %27 : tensor<4x77x77xf32>
    %cst_1 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %29 = stablehlo.reduce(%28 init: %cst_1) applies stablehlo.maximum across dimensions = [2] : (tensor<4x77x77xf32>, tensor<f32>) -> tensor<4x77xf32>
    %cst_2 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %30 = stablehlo.broadcast_in_dim %cst_2, dims = [] : (tensor<f32>) -> tensor<4x77xf32>
    %31 = stablehlo.maximum %30, %29 : tensor<4x77xf32>
    %32 = stablehlo.broadcast_in_dim %31, dims = [0, 1] : (tensor<4x77xf32>) -> tensor<4x77x1xf32>
    %33 = stablehlo.broadcast_in_dim %32, dims = [0, 1, 2] : (tensor<4x77x1xf32>) -> tensor<4x77x77xf32>
    %34 = stablehlo.subtract %28, %33 : tensor<4x77x77xf32>
    %35 = stablehlo.exponential %34 : tensor<4x77x77xf32>
    %cst_3 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %36 = stablehlo.reduce(%35 init: %cst_3) applies stablehlo.add across dimensions = [2] : (tensor<4x77x77xf32>, tensor<f32>) -> tensor<4x77xf32>
    %37 = stablehlo.broadcast_in_dim %36, dims = [0, 1] : (tensor<4x77xf32>) -> tensor<4x77x1xf32>
    %38 = stablehlo.broadcast_in_dim %37, dims = [0, 1, 2] : (tensor<4x77x1xf32>) -> tensor<4x77x77xf32>
    %39 = stablehlo.divide %35, %38 : tensor<4x77x77xf32>
    %40 = stablehlo.dot_general %39, %25, batching_dims = [0] x [0], contracting_dims = [2] x [1], precision = [DEFAULT, DEFAULT] : (tensor<4x77x77xf32>, tensor<4x77x64xf32>) -> tensor<4x77x64xf32>
    %41 = stablehlo.transpose %40, dims = [1, 0, 2] : (tensor<4x77x64xf32>) -> tensor<77x4x64xf32>
    %42 = stablehlo.reshape %41 : (tensor<77x4x64xf32>) -> tensor<77x256xf32>
    %43 = stablehlo.dot_general %42, %arg7, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<77x256xf32>, tensor<256x256xf32>) -> tensor<77x256xf32>
    %44 = stablehlo.broadcast_in_dim %arg8, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %45 = stablehlo.broadcast_in_dim %44, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %46 = stablehlo.add %43, %45 : tensor<77x256xf32>
    %47 = stablehlo.add %7, %46 : tensor<77x256xf32>
    %cst_4 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %48 = stablehlo.reduce(%47 init: %cst_4) applies stablehlo.add across dimensions = [1] : (tensor<77x256xf32>, tensor<f32>) -> tensor<77xf32>
    %49 = stablehlo.broadcast_in_dim %48, dims = [0] : (tensor<77xf32>) -> tensor<77x1xf32>
    %cst_5 = stablehlo.constant dense<2.560000e+02> : tensor<f32>
    %50 = stablehlo.broadcast_in_dim %cst_5, dims = [] : (tensor<f32>) -> tensor<77x1xf32>
    %51 = stablehlo.divide %49, %50 : tensor<77x1xf32>
    %52 = stablehlo.broadcast_in_dim %51, dims = [0, 1] : (tensor<77x1xf32>) -> tensor<77x256xf32>
    %53 = stablehlo.subtract %47, %52 : tensor<77x256xf32>
    %54 = stablehlo.multiply %53, %53 : tensor<77x256xf32>
    %cst_6 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %55 = stablehlo.reduce(%54 init: %cst_6) applies stablehlo.add across dimensions = [1] : (tensor<77x256xf32>, tensor<f32>) -> tensor<77xf32>
    %56 = stablehlo.broadcast_in_dim %55, dims = [0] : (tensor<77xf32>) -> tensor<77x1xf32>
    %cst_7 = stablehlo.constant dense<2.560000e+02> : tensor<f32>
    %57 = stablehlo.broadcast_in_dim %cst_7, dims = [] : (tensor<f32>) -> tensor<77x1xf32>
    %58 = stablehlo.divide %56, %57 : tensor<77x1xf32>
    %59 = stablehlo.broadcast_in_dim %51, dims = [0, 1] : (tensor<77x1xf32>) -> tensor<77x256xf32>
    %60 = stablehlo.subtract %47, %59 : tensor<77x256xf32>
    %cst_8 = stablehlo.constant dense<9.99999996E-13> : tensor<f32>
    %61 = stablehlo.broadcast_in_dim %cst_8, dims = [] : (tensor<f32>) -> tensor<77x1xf32>
    %62 = stablehlo.add %58, %61 : tensor<77x1xf32>
    %63 = stablehlo.rsqrt %62 : tensor<77x1xf32>
    %64 = stablehlo.broadcast_in_dim %63, dims = [0, 1] : (tensor<77x1xf32>) -> tensor<77x256xf32>
    %65 = stablehlo.multiply %60, %64 : tensor<77x256xf32>
    %66 = stablehlo.broadcast_in_dim %arg11, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %67 = stablehlo.broadcast_in_dim %66, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %68 = stablehlo.multiply %65, %67 : tensor<77x256xf32>
    %69 = stablehlo.broadcast_in_dim %arg13, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %70 = stablehlo.broadcast_in_dim %69, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %71 = stablehlo.add %68, %70 : tensor<77x256xf32>
    %72 = stablehlo.dot_general %71, %arg15, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<77x256xf32>, tensor<256x1024xf32>) -> tensor<77x1024xf32>
    %73 = stablehlo.broadcast_in_dim %arg16, dims = [1] : (tensor<1024xf32>) -> tensor<1x1024xf32>
    %74 = stablehlo.broadcast_in_dim %73, dims = [0, 1] : (tensor<1x1024xf32>) -> tensor<77x1024xf32>
    %75 = stablehlo.add %72, %74 : tensor<77x1024xf32>
    %76 = stablehlo.multiply %75, %75 : tensor<77x1024xf32>
    %77 = stablehlo.multiply %76, %75 : tensor<77x1024xf32>
    %cst_9 = stablehlo.constant dense<4.471500e-02> : tensor<f32>
    %78 = stablehlo.broadcast_in_dim %cst_9, dims = [] : (tensor<f32>) -> tensor<77x1024xf32>
    %79 = stablehlo.multiply %78, %77 : tensor<77x1024xf32>
    %80 = stablehlo.add %75, %79 : tensor<77x1024xf32>
    %cst_10 = stablehlo.constant dense<0.797884583> : tensor<f32>
    %81 = stablehlo.broadcast_in_dim %cst_10, dims = [] : (tensor<f32>) -> tensor<77x1024xf32>
    %82 = stablehlo.multiply %81, %80 : tensor<77x1024xf32>
    %83 = stablehlo.tanh %82 : tensor<77x1024xf32>
    %cst_11 = stablehlo.constant dense<1.000000e+00> : tensor<f32>
    %84 = stablehlo.broadcast_in_dim %cst_11, dims = [] : (tensor<f32>) -> tensor<77x1024xf32>
    %85 = stablehlo.add %84, %83 : tensor<77x1024xf32>
    %cst_12 = stablehlo.constant dense<5.000000e-01> : tensor<f32>
    %86 = stablehlo.broadcast_in_dim %cst_12, dims = [] : (tensor<f32>) -> tensor<77x1024xf32>
    %87 = stablehlo.multiply %86, %85 : tensor<77x1024xf32>
    %88 = stablehlo.multiply %75, %87 : tensor<77x1024xf32>
    %89 = stablehlo.dot_general %88, %arg3, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<77x1024xf32>, tensor<1024x256xf32>) -> tensor<77x256xf32>
    %90 = stablehlo.add %71, %89 : tensor<77x256xf32>
    %91 = stablehlo.broadcast_in_dim %arg4, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %92 = stablehlo.broadcast_in_dim %91, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %93 = stablehlo.add %90, %92 : tensor<77x256xf32>
    %cst_13 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %94 = stablehlo.reduce(%93 init: %cst_13) applies stablehlo.add across dimensions = [1] : (tensor<77x256xf32>, tensor<f32>) -> tensor<77xf32>
    %95 = stablehlo.broadcast_in_dim %94, dims = [0] : (tensor<77xf32>) -> tensor<77x1xf32>
    %cst_14 = stablehlo.constant dense<2.560000e+02> : tensor<f32>
    %96 = stablehlo.broadcast_in_dim %cst_14, dims = [] : (tensor<f32>) -> tensor<77x1xf32>
    %97 = stablehlo.divide %95, %96 : tensor<77x1xf32>
    %98 = stablehlo.broadcast_in_dim %97, dims = [0, 1] : (tensor<77x1xf32>) -> tensor<77x256xf32>
    %99 = stablehlo.subtract %93, %98 : tensor<77x256xf32>
    %100 = stablehlo.multiply %99, %99 : tensor<77x256xf32>
    %cst_15 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %101 = stablehlo.reduce(%100 init: %cst_15) applies stablehlo.add across dimensions = [1] : (tensor<77x256xf32>, tensor<f32>) -> tensor<77xf32>
    %102 = stablehlo.broadcast_in_dim %101, dims = [0] : (tensor<77xf32>) -> tensor<77x1xf32>
    %cst_16 = stablehlo.constant dense<2.560000e+02> : tensor<f32>
    %103 = stablehlo.broadcast_in_dim %cst_16, dims = [] : (tensor<f32>) -> tensor<77x1xf32>
    %104 = stablehlo.divide %102, %103 : tensor<77x1xf32>
    %105 = stablehlo.broadcast_in_dim %97, dims = [0, 1] : (tensor<77x1xf32>) -> tensor<77x256xf32>
    %106 = stablehlo.subtract %93, %105 : tensor<77x256xf32>
    %cst_17 = stablehlo.constant dense<9.99999996E-13> : tensor<f32>
    %107 = stablehlo.broadcast_in_dim %cst_17, dims = [] : (tensor<f32>) -> tensor<77x1xf32>
    %108 = stablehlo.add %104, %107 : tensor<77x1xf32>
    %109 = stablehlo.rsqrt %108 : tensor<77x1xf32>
    %110 = stablehlo.broadcast_in_dim %109, dims = [0, 1] : (tensor<77x1xf32>) -> tensor<77x256xf32>
    %111 = stablehlo.multiply %106, %110 : tensor<77x256xf32>
    %112 = stablehlo.broadcast_in_dim %arg12, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %113 = stablehlo.broadcast_in_dim %112, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %114 = stablehlo.multiply %111, %113 : tensor<77x256xf32>
    %115 = stablehlo.broadcast_in_dim %arg14, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %116 = stablehlo.broadcast_in_dim %115, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %117 = stablehlo.add %114, %116 : tensor<77x256xf32>
    %118 = stablehlo.dot_general %117, %arg25, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<77x256xf32>, tensor<256x256xf32>) -> tensor<77x256xf32>
    %119 = stablehlo.broadcast_in_dim %arg26, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %120 = stablehlo.broadcast_in_dim %119, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %121 = stablehlo.add %118, %120 : tensor<77x256xf32>
    %122 = stablehlo.reshape %121 : (tensor<77x256xf32>) -> tensor<77x4x64xf32>
    %123 = stablehlo.transpose %122, dims = [1, 0, 2] : (tensor<77x4x64xf32>) -> tensor<4x77x64xf32>
    %124 = stablehlo.dot_general %117, %arg21, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<77x256xf32>, tensor<256x256xf32>) -> tensor<77x256xf32>
    %125 = stablehlo.broadcast_in_dim %arg22, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %126 = stablehlo.broadcast_in_dim %125, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %127 = stablehlo.add %124, %126 : tensor<77x256xf32>
    %128 = stablehlo.reshape %127 : (tensor<77x256xf32>) -> tensor<77x4x64xf32>
    %129 = stablehlo.transpose %128, dims = [1, 0, 2] : (tensor<77x4x64xf32>) -> tensor<4x77x64xf32>
    %130 = stablehlo.dot_general %117, %arg33, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<77x256xf32>, tensor<256x256xf32>) -> tensor<77x256xf32>
    %131 = stablehlo.broadcast_in_dim %arg34, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %132 = stablehlo.broadcast_in_dim %131, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %133 = stablehlo.add %130, %132 : tensor<77x256xf32>
    %134 = stablehlo.reshape %133 : (tensor<77x256xf32>) -> tensor<77x4x64xf32>
    %135 = stablehlo.transpose %134, dims = [1, 0, 2] : (tensor<77x4x64xf32>) -> tensor<4x77x64xf32>
    %136 = stablehlo.dot_general %123, %129, batching_dims = [0] x [0], contracting_dims = [2] x [2], precision = [DEFAULT, DEFAULT] : (tensor<4x77x64xf32>, tensor<4x77x64xf32>) -> tensor<4x77x77xf32>
    %cst_18 = stablehlo.constant dense<1.250000e-01> : tensor<f32>
    %137 = stablehlo.broadcast_in_dim %cst_18, dims = [] : (tensor<f32>) -> tensor<4x77x77xf32>
    %138 = stablehlo.multiply %136, %137 : tensor<4x77x77xf32>
    %cst_19 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %139 = stablehlo.reduce(%138 init: %cst_19) applies stablehlo.maximum across dimensions = [2] : (tensor<4x77x77xf32>, tensor<f32>) -> tensor<4x77xf32>
    %cst_20 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %140 = stablehlo.broadcast_in_dim %cst_20, dims = [] : (tensor<f32>) -> tensor<4x77xf32>
    %141 = stablehlo.maximum %140, %139 : tensor<4x77xf32>
    %142 = stablehlo.broadcast_in_dim %141, dims = [0, 1] : (tensor<4x77xf32>) -> tensor<4x77x1xf32>
    %143 = stablehlo.broadcast_in_dim %142, dims = [0, 1, 2] : (tensor<4x77x1xf32>) -> tensor<4x77x77xf32>
    %144 = stablehlo.subtract %138, %143 : tensor<4x77x77xf32>
    %145 = stablehlo.exponential %144 : tensor<4x77x77xf32>
    %cst_21 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %146 = stablehlo.reduce(%145 init: %cst_21) applies stablehlo.add across dimensions = [2] : (tensor<4x77x77xf32>, tensor<f32>) -> tensor<4x77xf32>
    %147 = stablehlo.broadcast_in_dim %146, dims = [0, 1] : (tensor<4x77xf32>) -> tensor<4x77x1xf32>
    %148 = stablehlo.broadcast_in_dim %147, dims = [0, 1, 2] : (tensor<4x77x1xf32>) -> tensor<4x77x77xf32>
    %149 = stablehlo.divide %145, %148 : tensor<4x77x77xf32>
    %150 = stablehlo.dot_general %149, %135, batching_dims = [0] x [0], contracting_dims = [2] x [1], precision = [DEFAULT, DEFAULT] : (tensor<4x77x77xf32>, tensor<4x77x64xf32>) -> tensor<4x77x64xf32>
    %151 = stablehlo.transpose %150, dims = [1, 0, 2] : (tensor<4x77x64xf32>) -> tensor<77x4x64xf32>
    %152 = stablehlo.reshape %151 : (tensor<77x4x64xf32>) -> tensor<77x256xf32>
    %153 = stablehlo.dot_general %152, %arg23, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<77x256xf32>, tensor<256x256xf32>) -> tensor<77x256xf32>
    %154 = stablehlo.broadcast_in_dim %arg24, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %155 = stablehlo.broadcast_in_dim %154, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %156 = stablehlo.add %153, %155 : tensor<77x256xf32>
    %157 = stablehlo.add %117, %156 : tensor<77x256xf32>
    %cst_22 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %158 = stablehlo.reduce(%157 init: %cst_22) applies stablehlo.add across dimensions = [1] : (tensor<77x256xf32>, tensor<f32>) -> tensor<77xf32>
    %159 = stablehlo.broadcast_in_dim %158, dims = [0] : (tensor<77xf32>) -> tensor<77x1xf32>
    %cst_23 = stablehlo.constant dense<2.560000e+02> : tensor<f32>
    %160 = stablehlo.broadcast_in_dim %cst_23, dims = [] : (tensor<f32>) -> tensor<77x1xf32>
    %161 = stablehlo.divide %159, %160 : tensor<77x1xf32>
    %162 = stablehlo.broadcast_in_dim %161, dims = [0, 1] : (tensor<77x1xf32>) -> tensor<77x256xf32>
    %163 = stablehlo.subtract %157, %162 : tensor<77x256xf32>
    %164 = stablehlo.multiply %163, %163 : tensor<77x256xf32>
    %cst_24 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %165 = stablehlo.reduce(%164 init: %cst_24) applies stablehlo.add across dimensions = [1] : (tensor<77x256xf32>, tensor<f32>) -> tensor<77xf32>
    %166 = stablehlo.broadcast_in_dim %165, dims = [0] : (tensor<77xf32>) -> tensor<77x1xf32>
    %cst_25 = stablehlo.constant dense<2.560000e+02> : tensor<f32>
    %167 = stablehlo.broadcast_in_dim %cst_25, dims = [] : (tensor<f32>) -> tensor<77x1xf32>
    %168 = stablehlo.divide %166, %167 : tensor<77x1xf32>
    %169 = stablehlo.broadcast_in_dim %161, dims = [0, 1] : (tensor<77x1xf32>) -> tensor<77x256xf32>
    %170 = stablehlo.subtract %157, %169 : tensor<77x256xf32>
    %cst_26 = stablehlo.constant dense<9.99999996E-13> : tensor<f32>
    %171 = stablehlo.broadcast_in_dim %cst_26, dims = [] : (tensor<f32>) -> tensor<77x1xf32>
    %172 = stablehlo.add %168, %171 : tensor<77x1xf32>
    %173 = stablehlo.rsqrt %172 : tensor<77x1xf32>
    %174 = stablehlo.broadcast_in_dim %173, dims = [0, 1] : (tensor<77x1xf32>) -> tensor<77x256xf32>
    %175 = stablehlo.multiply %170, %174 : tensor<77x256xf32>
    %176 = stablehlo.broadcast_in_dim %arg27, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %177 = stablehlo.broadcast_in_dim %176, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %178 = stablehlo.multiply %175, %177 : tensor<77x256xf32>
    %179 = stablehlo.broadcast_in_dim %arg29, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %180 = stablehlo.broadcast_in_dim %179, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %181 = stablehlo.add %178, %180 : tensor<77x256xf32>
    %182 = stablehlo.dot_general %181, %arg31, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<77x256xf32>, tensor<256x1024xf32>) -> tensor<77x1024xf32>
    %183 = stablehlo.broadcast_in_dim %arg32, dims = [1] : (tensor<1024xf32>) -> tensor<1x1024xf32>
    %184 = stablehlo.broadcast_in_dim %183, dims = [0, 1] : (tensor<1x1024xf32>) -> tensor<77x1024xf32>
    %185 = stablehlo.add %182, %184 : tensor<77x1024xf32>
    %186 = stablehlo.multiply %185, %185 : tensor<77x1024xf32>
    %187 = stablehlo.multiply %186, %185 : tensor<77x1024xf32>
    %cst_27 = stablehlo.constant dense<4.471500e-02> : tensor<f32>
    %188 = stablehlo.broadcast_in_dim %cst_27, dims = [] : (tensor<f32>) -> tensor<77x1024xf32>
    %189 = stablehlo.multiply %188, %187 : tensor<77x1024xf32>
    %190 = stablehlo.add %185, %189 : tensor<77x1024xf32>
    %cst_28 = stablehlo.constant dense<0.797884583> : tensor<f32>
    %191 = stablehlo.broadcast_in_dim %cst_28, dims = [] : (tensor<f32>) -> tensor<77x1024xf32>
    %192 = stablehlo.multiply %191, %190 : tensor<77x1024xf32>
    %193 = stablehlo.tanh %192 : tensor<77x1024xf32>
    %cst_29 = stablehlo.constant dense<1.000000e+00> : tensor<f32>
    %194 = stablehlo.broadcast_in_dim %cst_29, dims = [] : (tensor<f32>) -> tensor<77x1024xf32>
    %195 = stablehlo.add %194, %193 : tensor<77x1024xf32>
    %cst_30 = stablehlo.constant dense<5.000000e-01> : tensor<f32>
    %196 = stablehlo.broadcast_in_dim %cst_30, dims = [] : (tensor<f32>) -> tensor<77x1024xf32>
    %197 = stablehlo.multiply %196, %195 : tensor<77x1024xf32>
    %198 = stablehlo.multiply %185, %197 : tensor<77x1024xf32>
    %199 = stablehlo.dot_general %198, %arg19, contracting_dims = [1] x [0], precision = [DEFAULT, DEFAULT] : (tensor<77x1024xf32>, tensor<1024x256xf32>) -> tensor<77x256xf32>
    %200 = stablehlo.add %181, %199 : tensor<77x256xf32>
    %201 = stablehlo.broadcast_in_dim %arg20, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %202 = stablehlo.broadcast_in_dim %201, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %203 = stablehlo.add %200, %202 : tensor<77x256xf32>
    %cst_31 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %204 = stablehlo.reduce(%203 init: %cst_31) applies stablehlo.add across dimensions = [1] : (tensor<77x256xf32>, tensor<f32>) -> tensor<77xf32>
    %205 = stablehlo.broadcast_in_dim %204, dims = [0] : (tensor<77xf32>) -> tensor<77x1xf32>
    %cst_32 = stablehlo.constant dense<2.560000e+02> : tensor<f32>
    %206 = stablehlo.broadcast_in_dim %cst_32, dims = [] : (tensor<f32>) -> tensor<77x1xf32>
    %207 = stablehlo.divide %205, %206 : tensor<77x1xf32>
    %208 = stablehlo.broadcast_in_dim %207, dims = [0, 1] : (tensor<77x1xf32>) -> tensor<77x256xf32>
    %209 = stablehlo.subtract %203, %208 : tensor<77x256xf32>
    %210 = stablehlo.multiply %209, %209 : tensor<77x256xf32>
    %cst_33 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %211 = stablehlo.reduce(%210 init: %cst_33) applies stablehlo.add across dimensions = [1] : (tensor<77x256xf32>, tensor<f32>) -> tensor<77xf32>
    %212 = stablehlo.broadcast_in_dim %211, dims = [0] : (tensor<77xf32>) -> tensor<77x1xf32>
    %cst_34 = stablehlo.constant dense<2.560000e+02> : tensor<f32>
    %213 = stablehlo.broadcast_in_dim %cst_34, dims = [] : (tensor<f32>) -> tensor<77x1xf32>
    %214 = stablehlo.divide %212, %213 : tensor<77x1xf32>
    %215 = stablehlo.broadcast_in_dim %207, dims = [0, 1] : (tensor<77x1xf32>) -> tensor<77x256xf32>
    %216 = stablehlo.subtract %203, %215 : tensor<77x256xf32>
    %cst_35 = stablehlo.constant dense<9.99999996E-13> : tensor<f32>
    %217 = stablehlo.broadcast_in_dim %cst_35, dims = [] : (tensor<f32>) -> tensor<77x1xf32>
    %218 = stablehlo.add %214, %217 : tensor<77x1xf32>
    %219 = stablehlo.rsqrt %218 : tensor<77x1xf32>
    %220 = stablehlo.broadcast_in_dim %219, dims = [0, 1] : (tensor<77x1xf32>) -> tensor<77x256xf32>
    %221 = stablehlo.multiply %216, %220 : tensor<77x256xf32>
    %222 = stablehlo.broadcast_in_dim %arg28, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %223 = stablehlo.broadcast_in_dim %222, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %224 = stablehlo.multiply %221, %223 : tensor<77x256xf32>
    %225 = stablehlo.broadcast_in_dim %arg30, dims = [1] : (tensor<256xf32>) -> tensor<1x256xf32>
    %226 = stablehlo.broadcast_in_dim %225, dims = [0, 1] : (tensor<1x256xf32>) -> tensor<77x256xf32>
    %227 = stablehlo.add %224, %226 : tensor<77x256xf32>
    return %227 : tensor<77x256xf32>
  }
}
