"""How large the values of an integer input may be, where they index a tensor."""

from __future__ import annotations

from dataclasses import replace

import pytest

from costmodel.ir import read_text
from costmodel.measure.inputs import random_inputs

BODY = """func.func @f(%table: tensor<50x7xf32>, %i: tensor<4xi32>, %j: tensor<4xi32>)
    -> tensor<4xf32> {{
  %c3 = arith.constant 3 : index
  %c0 = arith.constant 0 : index
  %c50 = arith.constant 50 : index
  %e = tensor.empty() : tensor<4xf32>
  %0 = linalg.generic {{
    indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>],
    iterator_types = ["parallel"]
  }} ins(%i, %j : tensor<4xi32>, tensor<4xi32>) outs(%e : tensor<4xf32>) {{
  ^bb0(%a: i32, %b: i32, %o: f32):
    %x = arith.index_cast %a : i32 to index
    %y = arith.index_cast %b : i32 to index
    {body}
    linalg.yield %v : f32
  }} -> tensor<4xf32>
  return %0 : tensor<4xf32>
}}"""


def limits(text):
    return [kind.index_limit for kind in read_text(text).inputs]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("%v = tensor.extract %table[%x, %y] : tensor<50x7xf32>", [None, 50, 7]),
        ("%v = tensor.extract %table[%x, %x] : tensor<50x7xf32>", [None, 7, None]),
        (
            """%s = arith.addi %x, %c3 : index
            %v = tensor.extract %table[%s, %y] : tensor<50x7xf32>""",
            [None, 47, 7],
        ),
        (
            """%s = arith.muli %x, %c3 : index
            %v = tensor.extract %table[%s, %y] : tensor<50x7xf32>""",
            [None, 17, 7],
        ),
        (
            # A negative index counts from the end: the guarded path sets no limit.
            """%negative = arith.cmpi slt, %x, %c0 : index
            %wrapped = arith.addi %x, %c50 : index
            %s = arith.select %negative, %wrapped, %x : index
            %v = tensor.extract %table[%s, %y] : tensor<50x7xf32>""",
            [None, 50, 7],
        ),
    ],
)
def test_indices_in_a_body(body, expected):
    assert limits(BODY.format(body=body)) == expected


def test_through_views_and_other_operations():
    text = """func.func @f(%table: tensor<9xf32>, %i: tensor<2x3xi64>) -> tensor<6xf32> {
      %flat = tensor.collapse_shape %i [[0, 1]] : tensor<2x3xi64> into tensor<6xi64>
      %narrow = arith.trunci %flat : tensor<6xi64> to tensor<6xi32>
      %e = tensor.empty() : tensor<6xf32>
      %0 = linalg.generic {
        indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>],
        iterator_types = ["parallel"]
      } ins(%narrow : tensor<6xi32>) outs(%e : tensor<6xf32>) {
      ^bb0(%a: i32, %o: f32):
        %x = arith.index_cast %a : i32 to index
        %v = tensor.extract %table[%x] : tensor<9xf32>
        linalg.yield %v : f32
      } -> tensor<6xf32>
      return %0 : tensor<6xf32>
    }"""
    assert limits(text) == [None, 9]


def test_indices_of_indices():
    text = """func.func @f(%table: tensor<9xf32>, %map: tensor<30xi32>, %i: i32) -> f32 {
      %x = arith.index_cast %i : i32 to index
      %m = tensor.extract %map[%x] : tensor<30xi32>
      %y = arith.index_cast %m : i32 to index
      %v = tensor.extract %table[%y] : tensor<9xf32>
      return %v : f32
    }"""
    assert limits(text) == [None, 9, 30]


def test_integers_that_index_nothing_have_no_limit():
    text = """func.func @f(%i: tensor<4xi32>) -> tensor<4xi32> {
      %0 = arith.addi %i, %i : tensor<4xi32>
      return %0 : tensor<4xi32>
    }"""
    assert limits(text) == [None]


@pytest.mark.parametrize(("dtype", "limit"), [("i8", 128), ("i32", 1000), ("i64", 1000)])
def test_narrow_indices_of_a_long_table_do_not_wrap(dtype, limit):
    text = f"""func.func @f(%table: tensor<1000xf32>, %i: tensor<{dtype}>) -> f32 {{
      %row = tensor.extract %i[] : tensor<{dtype}>
      %x = arith.index_cast %row : {dtype} to index
      %v = tensor.extract %table[%x] : tensor<1000xf32>
      return %v : f32
    }}"""
    assert limits(text) == [None, limit]
    (drawn,) = random_inputs([replace(read_text(text).inputs[1], shape=(5000,))], seed=0)
    assert 0 <= drawn.min() < drawn.max() == limit - 1


def test_offsets_of_slices():
    text = """func.func @f(%table: tensor<9x8xf32>, %row: tensor<1x8xf32>, %i: i32, %j: i32)
        -> (tensor<2x8xf32>, tensor<9x8xf32>) {
      %x = arith.index_cast %i : i32 to index
      %y = arith.index_cast %j : i32 to index
      %0 = tensor.extract_slice %table[%x, 0] [2, 8] [3, 1]
        : tensor<9x8xf32> to tensor<2x8xf32>
      %1 = tensor.insert_slice %row into %table[%y, 0] [1, 8] [1, 1]
        : tensor<1x8xf32> into tensor<9x8xf32>
      return %0, %1 : tensor<2x8xf32>, tensor<9x8xf32>
    }"""
    assert limits(text) == [None, None, 6, 9]


def test_the_largest_values_allowed_are_in_range():
    """What the limits promise, tried out: IREE runs on the largest indices without a fault."""
    import numpy as np
    from iree.compiler.tools import compile_str
    from iree.runtime import load_vm_flatbuffer

    text = BODY.format(
        body="""%s = arith.muli %x, %c3 : index
        %t = arith.addi %s, %c3 : index
        %v = tensor.extract %table[%t, %y] : tensor<50x7xf32>"""
    )
    workload = read_text(text)
    _, rows, columns = (kind.index_limit for kind in workload.inputs)
    assert (rows, columns) == (16, 7)
    binary = compile_str(
        workload.text,
        target_backends=["llvm-cpu"],
        extra_args=["--iree-llvmcpu-target-cpu=generic"],
    )
    module = load_vm_flatbuffer(binary, driver="local-sync")
    table = np.arange(350, dtype=np.float32).reshape(50, 7)
    i, j = np.full(4, rows - 1, np.int32), np.full(4, columns - 1, np.int32)
    result = module.main(table, i, j).to_host()
    assert result.tolist() == [float(table[3 * (rows - 1) + 3, columns - 1])] * 4
