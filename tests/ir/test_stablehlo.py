"""StableHLO is read as the linalg that it becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from costmodel.errors import UnsupportedError
from costmodel.ir import analyze, check_tunable, read_located, read_text

MODELS = Path(__file__).resolve().parents[2] / "kernels/models"

DENSE = """module @jit_f {
  func.func public @main(%x: tensor<8x16xf32>, %w: tensor<16x4xf32>) -> tensor<8x4xf32> {
    %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0]
        : (tensor<8x16xf32>, tensor<16x4xf32>) -> tensor<8x4xf32>
    %1 = call @relu(%0) : (tensor<8x4xf32>) -> tensor<8x4xf32>
    return %1 : tensor<8x4xf32>
  }
  func.func private @relu(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
    %zero = stablehlo.constant dense<0.0> : tensor<8x4xf32>
    %0 = stablehlo.maximum %x, %zero : tensor<8x4xf32>
    return %0 : tensor<8x4xf32>
  }
}
"""


def test_it_becomes_linalg_with_its_calls_inlined() -> None:
    workload, origin = read_located(DENSE, function="main", tunable=True)
    assert origin.stablehlo
    assert "stablehlo" not in workload.text + origin.text
    assert "linalg.matmul" in workload.text
    assert "call @relu" not in workload.text
    check_tunable(workload)
    assert (origin.place.line, origin.place.column) == (2, 3)
    assert analyze(workload).flops == 2 * 8 * 16 * 4 + 8 * 4


def test_of_an_exporters_functions_the_public_one_is_taken() -> None:
    assert "func.func private @relu" in DENSE
    assert read_text(DENSE) == read_text(DENSE, function="main")


def test_what_the_linalg_form_is_refused_for_is_placed_at_the_function() -> None:
    """Places in what the input has become would be somewhere else in it."""
    text = """

  func.func @f(%x: tensor<i32>) -> tensor<i32> {
    %0 = stablehlo.while(%a = %x) : tensor<i32>
      cond {
        %limit = stablehlo.constant dense<10> : tensor<i32>
        %less = stablehlo.compare LT, %a, %limit : (tensor<i32>, tensor<i32>) -> tensor<i1>
        stablehlo.return %less : tensor<i1>
      } do {
        %next = stablehlo.add %a, %a : tensor<i32>
        stablehlo.return %next : tensor<i32>
      }
    return %0 : tensor<i32>
  }
"""
    with pytest.raises(UnsupportedError) as caught:
        read_text(text, file_name="f.mlir")
    assert caught.value.location is not None
    assert (caught.value.location.line, caught.value.location.column) == (3, 3)


def test_the_generic_spelling_is_the_same() -> None:
    generic = DENSE.replace(
        "stablehlo.dot_general %x, %w, contracting_dims = [1] x [0]",
        '"stablehlo.dot_general"(%x, %w) <{dot_dimension_numbers = #stablehlo.dot<'
        "lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>}>",
    )
    assert read_text(generic, function="main").hash == read_text(DENSE, function="main").hash


def test_sources_are_positions_in_the_linalg_form() -> None:
    workload, origin = read_located(MODELS / "bert_like.mlir")
    again, plain = read_located(origin.text)
    assert again == workload
    assert not plain.stablehlo
    assert plain.sources == origin.sources


def test_what_has_no_linalg_form_is_refused_in_its_place() -> None:
    text = """func.func @f(%x: tensor<8xf32>) -> tensor<8xf32> {
      %0 = stablehlo.custom_call @mystery(%x) : (tensor<8xf32>) -> tensor<8xf32>
      return %0 : tensor<8xf32>
    }"""
    with pytest.raises(UnsupportedError, match=r"stablehlo|custom_call") as caught:
        read_text(text, file_name="f.mlir")
    assert caught.value.location is not None
    assert caught.value.location.file == "f.mlir"
