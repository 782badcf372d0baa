"""The analysis against figures worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.errors import UnsupportedError
from costmodel.ir import Loop, analyze, check_tunable, read_text

sizes = st.integers(1, 400)


def matmul(m, n, k, dtype="f32", accumulator="f32"):
    a, b, c = f"{m}x{k}x{dtype}", f"{k}x{n}x{dtype}", f"{m}x{n}x{accumulator}"
    return f"""func.func @f(%a: tensor<{a}>, %b: tensor<{b}>, %c: tensor<{c}>) -> tensor<{c}> {{
      %0 = linalg.matmul ins(%a, %b : tensor<{a}>, tensor<{b}>) outs(%c : tensor<{c}>)
        -> tensor<{c}>
      return %0 : tensor<{c}>
    }}"""


@settings(max_examples=30, deadline=None)
@given(sizes, sizes, sizes, st.sampled_from([("f32", "f32"), ("f16", "f32"), ("i8", "i32")]))
def test_matmul(m, n, k, dtypes):
    analysis = analyze(read_text(matmul(m, n, k, *dtypes)))
    size = {"f32": 4, "f16": 2, "i8": 1, "i32": 4}
    assert analysis.flops == 2 * m * n * k
    assert analysis.bytes == (m * k + k * n) * size[dtypes[0]] + 2 * m * n * size[dtypes[1]]
    assert analysis.flops_by_dtype == ((dtypes[1], 2 * m * n * k),)
    assert analysis.element_types == tuple(sorted(set(dtypes)))
    kinds = ("parallel", "parallel", "reduction")
    assert analysis.ops[0].loops == tuple(map(Loop, (m, n, k), kinds))
    assert analysis.intensity == analysis.flops / analysis.bytes


CONV = """
func.func @f(
    %x: tensor<2x8x15x15xf32>, %w: tensor<16x8x3x3xf32>, %y: tensor<2x16x6x6xf32>
) -> tensor<2x16x6x6xf32> {
  %0 = linalg.conv_2d_nchw_fchw
    {strides = dense<2> : vector<2xi64>, dilations = dense<2> : vector<2xi64>}
    ins(%x, %w : tensor<2x8x15x15xf32>, tensor<16x8x3x3xf32>)
    outs(%y : tensor<2x16x6x6xf32>) -> tensor<2x16x6x6xf32>
  return %0 : tensor<2x16x6x6xf32>
}"""


def test_strided_dilated_convolution():
    analysis = analyze(read_text(CONV))
    assert analysis.flops == 2 * (2 * 16 * 6 * 6) * (8 * 3 * 3)
    assert [loop.extent for loop in analysis.ops[0].loops] == [2, 16, 6, 6, 8, 3, 3]
    assert [loop.kind for loop in analysis.ops[0].loops] == ["parallel"] * 4 + ["reduction"] * 3


def test_a_generic_costs_what_the_named_operation_costs():
    generic = """func.func @f(%a: tensor<8x16xf32>, %b: tensor<16x4xf32>, %c: tensor<8x4xf32>)
        -> tensor<8x4xf32> {
      %0 = linalg.generic {
        indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>,
                         affine_map<(m, n, k) -> (m, n)>],
        iterator_types = ["parallel", "parallel", "reduction"]
      } ins(%a, %b : tensor<8x16xf32>, tensor<16x4xf32>) outs(%c : tensor<8x4xf32>) {
      ^bb0(%x: f32, %y: f32, %s: f32):
        %p = arith.mulf %x, %y : f32
        %t = arith.addf %s, %p : f32
        linalg.yield %t : f32
      } -> tensor<8x4xf32>
      return %0 : tensor<8x4xf32>
    }"""
    first, second = analyze(read_text(generic)), analyze(read_text(matmul(8, 4, 16)))
    assert (first.flops, first.bytes) == (second.flops, second.bytes)
    assert first.ops[0].loops == second.ops[0].loops


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 5), st.integers(1, 5))
def test_triangular_loops_are_counted_exactly(rows, extra, step, factor):
    text = f"""func.func @f(%x: memref<{rows}x{rows * factor + extra}xf32>) {{
      affine.for %i = 0 to {rows} step {step} {{
        affine.for %j = affine_map<(d0) -> (d0)>(%i)
            to affine_map<(d0) -> (d0 * {factor} + {extra})>(%i) {{
          %v = affine.load %x[%i, %j] : memref<{rows}x{rows * factor + extra}xf32>
          %w = arith.mulf %v, %v : f32
          affine.store %w, %x[%i, %j] : memref<{rows}x{rows * factor + extra}xf32>
        }}
      }}
      return
    }}"""
    expected = sum(len(range(i, i * factor + extra)) for i in range(0, rows, step))
    assert analyze(read_text(text)).flops == expected


def test_parallel_loops_and_index_arithmetic():
    text = """func.func @f(%x: memref<64xf32>) {
      affine.parallel (%i, %j) = (0, 0) to (8, 4) step (1, 2) {
        %k = affine.apply affine_map<(d0, d1) -> (d0 * 8 + d1)>(%i, %j)
        %v = memref.load %x[%k] : memref<64xf32>
        %w = arith.addf %v, %v : f32
        memref.store %w, %x[%k] : memref<64xf32>
      }
      return
    }"""
    analysis = analyze(read_text(text))
    assert analysis.flops == 8 * 2
    assert analysis.ops[0].loops == (Loop(8, "parallel"), Loop(2, "parallel"))
    assert analysis.bytes == 2 * 64 * 4


def test_reduction_loop_and_overwritten_buffer():
    text = """func.func @f(%x: memref<8x16xf32>, %y: memref<8xf32>) {
      %zero = arith.constant 0.0 : f32
      affine.for %i = 0 to 8 {
        affine.store %zero, %y[%i] : memref<8xf32>
        affine.for %j = 0 to 16 {
          %v = affine.load %x[%i, %j] : memref<8x16xf32>
          %s = affine.load %y[%i] : memref<8xf32>
          %t = arith.addf %s, %v : f32
          affine.store %t, %y[%i] : memref<8xf32>
        }
      }
      return
    }"""
    analysis = analyze(read_text(text))
    assert analysis.flops == 128
    assert analysis.bytes == (8 * 16 + 8) * 4
    assert [loop.kind for loop in analysis.ops[0].loops] == ["parallel", "reduction"]


def test_unknown_trip_count_is_said():
    text = """func.func @f(%x: memref<64xf32>, %n: index) {
      affine.for %i = 0 to %n {
        %v = affine.load %x[%i] : memref<64xf32>
        affine.store %v, %x[%i] : memref<64xf32>
      }
      return
    }"""
    workload = read_text(text)
    with pytest.raises(UnsupportedError, match=r"trip count of an affine\.for is not known"):
        analyze(workload)
    with pytest.raises(UnsupportedError, match="loop-level") as error:
        check_tunable(workload)
    assert error.value.location is None


def test_too_many_dependent_iterations_are_refused():
    text = """func.func @f(%x: memref<1x1xf32>) {
      %zero = arith.constant 0 : index
      affine.for %i = 0 to 1000000 {
        affine.for %j = 0 to affine_map<(d0) -> (d0)>(%i) {
          %v = memref.load %x[%zero, %zero] : memref<1x1xf32>
          %w = arith.addf %v, %v : f32
          memref.store %w, %x[%zero, %zero] : memref<1x1xf32>
        }
      }
      return
    }"""
    with pytest.raises(UnsupportedError, match="too many iterations"):
        analyze(read_text(text))
