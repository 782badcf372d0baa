// A MobileNet-v2-like network for 96x96 images, NCHW; written by
// datasets/make_mobilenet_like.py. Weights are arguments.
#all = affine_map<(b, c, h, w) -> (b, c, h, w)>
#channel = affine_map<(b, c, h, w) -> (c)>
#kept = affine_map<(b, c, h, w) -> (b, c)>
func.func @mobilenet_like(
    %image: tensor<1x3x96x96xf32>,
    %w0: tensor<32x3x3x3xf32>,
    %w1: tensor<32xf32>,
    %w2: tensor<32x3x3xf32>,
    %w3: tensor<32xf32>,
    %w4: tensor<16x32x1x1xf32>,
    %w5: tensor<16xf32>,
    %w6: tensor<96x16x1x1xf32>,
    %w7: tensor<96xf32>,
    %w8: tensor<96x3x3xf32>,
    %w9: tensor<96xf32>,
    %w10: tensor<24x96x1x1xf32>,
    %w11: tensor<24xf32>,
    %w12: tensor<144x24x1x1xf32>,
    %w13: tensor<144xf32>,
    %w14: tensor<144x3x3xf32>,
    %w15: tensor<144xf32>,
    %w16: tensor<24x144x1x1xf32>,
    %w17: tensor<24xf32>,
    %w18: tensor<144x24x1x1xf32>,
    %w19: tensor<144xf32>,
    %w20: tensor<144x3x3xf32>,
    %w21: tensor<144xf32>,
    %w22: tensor<32x144x1x1xf32>,
    %w23: tensor<32xf32>,
    %w24: tensor<192x32x1x1xf32>,
    %w25: tensor<192xf32>,
    %w26: tensor<192x3x3xf32>,
    %w27: tensor<192xf32>,
    %w28: tensor<32x192x1x1xf32>,
    %w29: tensor<32xf32>,
    %w30: tensor<192x32x1x1xf32>,
    %w31: tensor<192xf32>,
    %w32: tensor<192x3x3xf32>,
    %w33: tensor<192xf32>,
    %w34: tensor<64x192x1x1xf32>,
    %w35: tensor<64xf32>,
    %w36: tensor<384x64x1x1xf32>,
    %w37: tensor<384xf32>,
    %w38: tensor<384x3x3xf32>,
    %w39: tensor<384xf32>,
    %w40: tensor<64x384x1x1xf32>,
    %w41: tensor<64xf32>,
    %w42: tensor<384x64x1x1xf32>,
    %w43: tensor<384xf32>,
    %w44: tensor<384x3x3xf32>,
    %w45: tensor<384xf32>,
    %w46: tensor<96x384x1x1xf32>,
    %w47: tensor<96xf32>,
    %w48: tensor<320x96x1x1xf32>,
    %w49: tensor<320xf32>,
    %w50: tensor<320x100xf32>) -> tensor<1x100xf32> {
  %zero = arith.constant 0.0 : f32
  %six = arith.constant 6.0 : f32
  %1 = tensor.pad %image low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%i0: index, %i1: index, %i2: index, %i3: index):
      tensor.yield %zero : f32
  } : tensor<1x3x96x96xf32> to tensor<1x3x98x98xf32>
  %2 = tensor.empty() : tensor<1x32x48x48xf32>
  %3 = linalg.fill ins(%zero : f32) outs(%2 : tensor<1x32x48x48xf32>) -> tensor<1x32x48x48xf32>
  %4 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>}
      ins(%1, %w0 : tensor<1x3x98x98xf32>, tensor<32x3x3x3xf32>) outs(%3 : tensor<1x32x48x48xf32>) -> tensor<1x32x48x48xf32>
  %5 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%4, %w1 : tensor<1x32x48x48xf32>, tensor<32xf32>) outs(%2 : tensor<1x32x48x48xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x32x48x48xf32>
  %6 = tensor.pad %5 low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%i0: index, %i1: index, %i2: index, %i3: index):
      tensor.yield %zero : f32
  } : tensor<1x32x48x48xf32> to tensor<1x32x50x50xf32>
  %7 = tensor.empty() : tensor<1x32x48x48xf32>
  %8 = linalg.fill ins(%zero : f32) outs(%7 : tensor<1x32x48x48xf32>) -> tensor<1x32x48x48xf32>
  %9 = linalg.depthwise_conv_2d_nchw_chw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%6, %w2 : tensor<1x32x50x50xf32>, tensor<32x3x3xf32>) outs(%8 : tensor<1x32x48x48xf32>) -> tensor<1x32x48x48xf32>
  %10 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%9, %w3 : tensor<1x32x48x48xf32>, tensor<32xf32>) outs(%7 : tensor<1x32x48x48xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x32x48x48xf32>
  %11 = tensor.empty() : tensor<1x16x48x48xf32>
  %12 = linalg.fill ins(%zero : f32) outs(%11 : tensor<1x16x48x48xf32>) -> tensor<1x16x48x48xf32>
  %13 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%10, %w4 : tensor<1x32x48x48xf32>, tensor<16x32x1x1xf32>) outs(%12 : tensor<1x16x48x48xf32>) -> tensor<1x16x48x48xf32>
  %14 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%13, %w5 : tensor<1x16x48x48xf32>, tensor<16xf32>) outs(%11 : tensor<1x16x48x48xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      linalg.yield %s : f32
  } -> tensor<1x16x48x48xf32>
  %15 = tensor.empty() : tensor<1x96x48x48xf32>
  %16 = linalg.fill ins(%zero : f32) outs(%15 : tensor<1x96x48x48xf32>) -> tensor<1x96x48x48xf32>
  %17 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%14, %w6 : tensor<1x16x48x48xf32>, tensor<96x16x1x1xf32>) outs(%16 : tensor<1x96x48x48xf32>) -> tensor<1x96x48x48xf32>
  %18 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%17, %w7 : tensor<1x96x48x48xf32>, tensor<96xf32>) outs(%15 : tensor<1x96x48x48xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x96x48x48xf32>
  %19 = tensor.pad %18 low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%i0: index, %i1: index, %i2: index, %i3: index):
      tensor.yield %zero : f32
  } : tensor<1x96x48x48xf32> to tensor<1x96x50x50xf32>
  %20 = tensor.empty() : tensor<1x96x24x24xf32>
  %21 = linalg.fill ins(%zero : f32) outs(%20 : tensor<1x96x24x24xf32>) -> tensor<1x96x24x24xf32>
  %22 = linalg.depthwise_conv_2d_nchw_chw {dilations = dense<1> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>}
      ins(%19, %w8 : tensor<1x96x50x50xf32>, tensor<96x3x3xf32>) outs(%21 : tensor<1x96x24x24xf32>) -> tensor<1x96x24x24xf32>
  %23 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%22, %w9 : tensor<1x96x24x24xf32>, tensor<96xf32>) outs(%20 : tensor<1x96x24x24xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x96x24x24xf32>
  %24 = tensor.empty() : tensor<1x24x24x24xf32>
  %25 = linalg.fill ins(%zero : f32) outs(%24 : tensor<1x24x24x24xf32>) -> tensor<1x24x24x24xf32>
  %26 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%23, %w10 : tensor<1x96x24x24xf32>, tensor<24x96x1x1xf32>) outs(%25 : tensor<1x24x24x24xf32>) -> tensor<1x24x24x24xf32>
  %27 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%26, %w11 : tensor<1x24x24x24xf32>, tensor<24xf32>) outs(%24 : tensor<1x24x24x24xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      linalg.yield %s : f32
  } -> tensor<1x24x24x24xf32>
  %28 = tensor.empty() : tensor<1x144x24x24xf32>
  %29 = linalg.fill ins(%zero : f32) outs(%28 : tensor<1x144x24x24xf32>) -> tensor<1x144x24x24xf32>
  %30 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%27, %w12 : tensor<1x24x24x24xf32>, tensor<144x24x1x1xf32>) outs(%29 : tensor<1x144x24x24xf32>) -> tensor<1x144x24x24xf32>
  %31 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%30, %w13 : tensor<1x144x24x24xf32>, tensor<144xf32>) outs(%28 : tensor<1x144x24x24xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x144x24x24xf32>
  %32 = tensor.pad %31 low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%i0: index, %i1: index, %i2: index, %i3: index):
      tensor.yield %zero : f32
  } : tensor<1x144x24x24xf32> to tensor<1x144x26x26xf32>
  %33 = tensor.empty() : tensor<1x144x24x24xf32>
  %34 = linalg.fill ins(%zero : f32) outs(%33 : tensor<1x144x24x24xf32>) -> tensor<1x144x24x24xf32>
  %35 = linalg.depthwise_conv_2d_nchw_chw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%32, %w14 : tensor<1x144x26x26xf32>, tensor<144x3x3xf32>) outs(%34 : tensor<1x144x24x24xf32>) -> tensor<1x144x24x24xf32>
  %36 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%35, %w15 : tensor<1x144x24x24xf32>, tensor<144xf32>) outs(%33 : tensor<1x144x24x24xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x144x24x24xf32>
  %37 = tensor.empty() : tensor<1x24x24x24xf32>
  %38 = linalg.fill ins(%zero : f32) outs(%37 : tensor<1x24x24x24xf32>) -> tensor<1x24x24x24xf32>
  %39 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%36, %w16 : tensor<1x144x24x24xf32>, tensor<24x144x1x1xf32>) outs(%38 : tensor<1x24x24x24xf32>) -> tensor<1x24x24x24xf32>
  %40 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%39, %w17 : tensor<1x24x24x24xf32>, tensor<24xf32>) outs(%37 : tensor<1x24x24x24xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      linalg.yield %s : f32
  } -> tensor<1x24x24x24xf32>
  %41 = tensor.empty() : tensor<1x24x24x24xf32>
  %42 = linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%27, %40 : tensor<1x24x24x24xf32>, tensor<1x24x24x24xf32>) outs(%41 : tensor<1x24x24x24xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      linalg.yield %s : f32
  } -> tensor<1x24x24x24xf32>
  %43 = tensor.empty() : tensor<1x144x24x24xf32>
  %44 = linalg.fill ins(%zero : f32) outs(%43 : tensor<1x144x24x24xf32>) -> tensor<1x144x24x24xf32>
  %45 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%42, %w18 : tensor<1x24x24x24xf32>, tensor<144x24x1x1xf32>) outs(%44 : tensor<1x144x24x24xf32>) -> tensor<1x144x24x24xf32>
  %46 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%45, %w19 : tensor<1x144x24x24xf32>, tensor<144xf32>) outs(%43 : tensor<1x144x24x24xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x144x24x24xf32>
  %47 = tensor.pad %46 low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%i0: index, %i1: index, %i2: index, %i3: index):
      tensor.yield %zero : f32
  } : tensor<1x144x24x24xf32> to tensor<1x144x26x26xf32>
  %48 = tensor.empty() : tensor<1x144x12x12xf32>
  %49 = linalg.fill ins(%zero : f32) outs(%48 : tensor<1x144x12x12xf32>) -> tensor<1x144x12x12xf32>
  %50 = linalg.depthwise_conv_2d_nchw_chw {dilations = dense<1> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>}
      ins(%47, %w20 : tensor<1x144x26x26xf32>, tensor<144x3x3xf32>) outs(%49 : tensor<1x144x12x12xf32>) -> tensor<1x144x12x12xf32>
  %51 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%50, %w21 : tensor<1x144x12x12xf32>, tensor<144xf32>) outs(%48 : tensor<1x144x12x12xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x144x12x12xf32>
  %52 = tensor.empty() : tensor<1x32x12x12xf32>
  %53 = linalg.fill ins(%zero : f32) outs(%52 : tensor<1x32x12x12xf32>) -> tensor<1x32x12x12xf32>
  %54 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%51, %w22 : tensor<1x144x12x12xf32>, tensor<32x144x1x1xf32>) outs(%53 : tensor<1x32x12x12xf32>) -> tensor<1x32x12x12xf32>
  %55 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%54, %w23 : tensor<1x32x12x12xf32>, tensor<32xf32>) outs(%52 : tensor<1x32x12x12xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      linalg.yield %s : f32
  } -> tensor<1x32x12x12xf32>
  %56 = tensor.empty() : tensor<1x192x12x12xf32>
  %57 = linalg.fill ins(%zero : f32) outs(%56 : tensor<1x192x12x12xf32>) -> tensor<1x192x12x12xf32>
  %58 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%55, %w24 : tensor<1x32x12x12xf32>, tensor<192x32x1x1xf32>) outs(%57 : tensor<1x192x12x12xf32>) -> tensor<1x192x12x12xf32>
  %59 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%58, %w25 : tensor<1x192x12x12xf32>, tensor<192xf32>) outs(%56 : tensor<1x192x12x12xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x192x12x12xf32>
  %60 = tensor.pad %59 low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%i0: index, %i1: index, %i2: index, %i3: index):
      tensor.yield %zero : f32
  } : tensor<1x192x12x12xf32> to tensor<1x192x14x14xf32>
  %61 = tensor.empty() : tensor<1x192x12x12xf32>
  %62 = linalg.fill ins(%zero : f32) outs(%61 : tensor<1x192x12x12xf32>) -> tensor<1x192x12x12xf32>
  %63 = linalg.depthwise_conv_2d_nchw_chw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%60, %w26 : tensor<1x192x14x14xf32>, tensor<192x3x3xf32>) outs(%62 : tensor<1x192x12x12xf32>) -> tensor<1x192x12x12xf32>
  %64 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%63, %w27 : tensor<1x192x12x12xf32>, tensor<192xf32>) outs(%61 : tensor<1x192x12x12xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x192x12x12xf32>
  %65 = tensor.empty() : tensor<1x32x12x12xf32>
  %66 = linalg.fill ins(%zero : f32) outs(%65 : tensor<1x32x12x12xf32>) -> tensor<1x32x12x12xf32>
  %67 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%64, %w28 : tensor<1x192x12x12xf32>, tensor<32x192x1x1xf32>) outs(%66 : tensor<1x32x12x12xf32>) -> tensor<1x32x12x12xf32>
  %68 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%67, %w29 : tensor<1x32x12x12xf32>, tensor<32xf32>) outs(%65 : tensor<1x32x12x12xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      linalg.yield %s : f32
  } -> tensor<1x32x12x12xf32>
  %69 = tensor.empty() : tensor<1x32x12x12xf32>
  %70 = linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%55, %68 : tensor<1x32x12x12xf32>, tensor<1x32x12x12xf32>) outs(%69 : tensor<1x32x12x12xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      linalg.yield %s : f32
  } -> tensor<1x32x12x12xf32>
  %71 = tensor.empty() : tensor<1x192x12x12xf32>
  %72 = linalg.fill ins(%zero : f32) outs(%71 : tensor<1x192x12x12xf32>) -> tensor<1x192x12x12xf32>
  %73 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%70, %w30 : tensor<1x32x12x12xf32>, tensor<192x32x1x1xf32>) outs(%72 : tensor<1x192x12x12xf32>) -> tensor<1x192x12x12xf32>
  %74 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%73, %w31 : tensor<1x192x12x12xf32>, tensor<192xf32>) outs(%71 : tensor<1x192x12x12xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x192x12x12xf32>
  %75 = tensor.pad %74 low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%i0: index, %i1: index, %i2: index, %i3: index):
      tensor.yield %zero : f32
  } : tensor<1x192x12x12xf32> to tensor<1x192x14x14xf32>
  %76 = tensor.empty() : tensor<1x192x6x6xf32>
  %77 = linalg.fill ins(%zero : f32) outs(%76 : tensor<1x192x6x6xf32>) -> tensor<1x192x6x6xf32>
  %78 = linalg.depthwise_conv_2d_nchw_chw {dilations = dense<1> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>}
      ins(%75, %w32 : tensor<1x192x14x14xf32>, tensor<192x3x3xf32>) outs(%77 : tensor<1x192x6x6xf32>) -> tensor<1x192x6x6xf32>
  %79 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%78, %w33 : tensor<1x192x6x6xf32>, tensor<192xf32>) outs(%76 : tensor<1x192x6x6xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x192x6x6xf32>
  %80 = tensor.empty() : tensor<1x64x6x6xf32>
  %81 = linalg.fill ins(%zero : f32) outs(%80 : tensor<1x64x6x6xf32>) -> tensor<1x64x6x6xf32>
  %82 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%79, %w34 : tensor<1x192x6x6xf32>, tensor<64x192x1x1xf32>) outs(%81 : tensor<1x64x6x6xf32>) -> tensor<1x64x6x6xf32>
  %83 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%82, %w35 : tensor<1x64x6x6xf32>, tensor<64xf32>) outs(%80 : tensor<1x64x6x6xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      linalg.yield %s : f32
  } -> tensor<1x64x6x6xf32>
  %84 = tensor.empty() : tensor<1x384x6x6xf32>
  %85 = linalg.fill ins(%zero : f32) outs(%84 : tensor<1x384x6x6xf32>) -> tensor<1x384x6x6xf32>
  %86 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%83, %w36 : tensor<1x64x6x6xf32>, tensor<384x64x1x1xf32>) outs(%85 : tensor<1x384x6x6xf32>) -> tensor<1x384x6x6xf32>
  %87 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%86, %w37 : tensor<1x384x6x6xf32>, tensor<384xf32>) outs(%84 : tensor<1x384x6x6xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x384x6x6xf32>
  %88 = tensor.pad %87 low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%i0: index, %i1: index, %i2: index, %i3: index):
      tensor.yield %zero : f32
  } : tensor<1x384x6x6xf32> to tensor<1x384x8x8xf32>
  %89 = tensor.empty() : tensor<1x384x6x6xf32>
  %90 = linalg.fill ins(%zero : f32) outs(%89 : tensor<1x384x6x6xf32>) -> tensor<1x384x6x6xf32>
  %91 = linalg.depthwise_conv_2d_nchw_chw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%88, %w38 : tensor<1x384x8x8xf32>, tensor<384x3x3xf32>) outs(%90 : tensor<1x384x6x6xf32>) -> tensor<1x384x6x6xf32>
  %92 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%91, %w39 : tensor<1x384x6x6xf32>, tensor<384xf32>) outs(%89 : tensor<1x384x6x6xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x384x6x6xf32>
  %93 = tensor.empty() : tensor<1x64x6x6xf32>
  %94 = linalg.fill ins(%zero : f32) outs(%93 : tensor<1x64x6x6xf32>) -> tensor<1x64x6x6xf32>
  %95 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%92, %w40 : tensor<1x384x6x6xf32>, tensor<64x384x1x1xf32>) outs(%94 : tensor<1x64x6x6xf32>) -> tensor<1x64x6x6xf32>
  %96 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%95, %w41 : tensor<1x64x6x6xf32>, tensor<64xf32>) outs(%93 : tensor<1x64x6x6xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      linalg.yield %s : f32
  } -> tensor<1x64x6x6xf32>
  %97 = tensor.empty() : tensor<1x64x6x6xf32>
  %98 = linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%83, %96 : tensor<1x64x6x6xf32>, tensor<1x64x6x6xf32>) outs(%97 : tensor<1x64x6x6xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      linalg.yield %s : f32
  } -> tensor<1x64x6x6xf32>
  %99 = tensor.empty() : tensor<1x384x6x6xf32>
  %100 = linalg.fill ins(%zero : f32) outs(%99 : tensor<1x384x6x6xf32>) -> tensor<1x384x6x6xf32>
  %101 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%98, %w42 : tensor<1x64x6x6xf32>, tensor<384x64x1x1xf32>) outs(%100 : tensor<1x384x6x6xf32>) -> tensor<1x384x6x6xf32>
  %102 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%101, %w43 : tensor<1x384x6x6xf32>, tensor<384xf32>) outs(%99 : tensor<1x384x6x6xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x384x6x6xf32>
  %103 = tensor.pad %102 low[0, 0, 1, 1] high[0, 0, 1, 1] {
    ^bb0(%i0: index, %i1: index, %i2: index, %i3: index):
      tensor.yield %zero : f32
  } : tensor<1x384x6x6xf32> to tensor<1x384x8x8xf32>
  %104 = tensor.empty() : tensor<1x384x6x6xf32>
  %105 = linalg.fill ins(%zero : f32) outs(%104 : tensor<1x384x6x6xf32>) -> tensor<1x384x6x6xf32>
  %106 = linalg.depthwise_conv_2d_nchw_chw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%103, %w44 : tensor<1x384x8x8xf32>, tensor<384x3x3xf32>) outs(%105 : tensor<1x384x6x6xf32>) -> tensor<1x384x6x6xf32>
  %107 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%106, %w45 : tensor<1x384x6x6xf32>, tensor<384xf32>) outs(%104 : tensor<1x384x6x6xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x384x6x6xf32>
  %108 = tensor.empty() : tensor<1x96x6x6xf32>
  %109 = linalg.fill ins(%zero : f32) outs(%108 : tensor<1x96x6x6xf32>) -> tensor<1x96x6x6xf32>
  %110 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%107, %w46 : tensor<1x384x6x6xf32>, tensor<96x384x1x1xf32>) outs(%109 : tensor<1x96x6x6xf32>) -> tensor<1x96x6x6xf32>
  %111 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%110, %w47 : tensor<1x96x6x6xf32>, tensor<96xf32>) outs(%108 : tensor<1x96x6x6xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      linalg.yield %s : f32
  } -> tensor<1x96x6x6xf32>
  %112 = tensor.empty() : tensor<1x320x6x6xf32>
  %113 = linalg.fill ins(%zero : f32) outs(%112 : tensor<1x320x6x6xf32>) -> tensor<1x320x6x6xf32>
  %114 = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%111, %w48 : tensor<1x96x6x6xf32>, tensor<320x96x1x1xf32>) outs(%113 : tensor<1x320x6x6xf32>) -> tensor<1x320x6x6xf32>
  %115 = linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%114, %w49 : tensor<1x320x6x6xf32>, tensor<320xf32>) outs(%112 : tensor<1x320x6x6xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %s = arith.addf %a, %b : f32
      %p = arith.maximumf %s, %zero : f32
      %q = arith.minimumf %p, %six : f32
      linalg.yield %q : f32
  } -> tensor<1x320x6x6xf32>
  %116 = tensor.empty() : tensor<1x320xf32>
  %117 = linalg.fill ins(%zero : f32) outs(%116 : tensor<1x320xf32>) -> tensor<1x320xf32>
  %118 = linalg.generic {indexing_maps = [#all, #kept], iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%115 : tensor<1x320x6x6xf32>) outs(%117 : tensor<1x320xf32>) {
    ^bb0(%a: f32, %o: f32):
      %s = arith.addf %a, %o : f32
      linalg.yield %s : f32
  } -> tensor<1x320xf32>
  %119 = tensor.empty() : tensor<1x100xf32>
  %120 = linalg.fill ins(%zero : f32) outs(%119 : tensor<1x100xf32>) -> tensor<1x100xf32>
  %121 = linalg.matmul ins(%118, %w50 : tensor<1x320xf32>, tensor<320x100xf32>) outs(%120 : tensor<1x100xf32>) -> tensor<1x100xf32>
  return %121 : tensor<1x100xf32>
}
