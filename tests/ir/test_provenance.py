"""Operations of canonical text know which operations of the input they come from."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

from costmodel.ir import read_located, read_text, walk
from costmodel.ir.parse import parse_trusted
from costmodel.ir.structured import is_structured, iteration_space


def _load_programs():
    path = Path(__file__).with_name("programs.py")
    spec = importlib.util.spec_from_file_location("tests_ir_programs", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


P = _load_programs()
#: Files with scripts are given back as they came, which these bindings do not parse.
KERNELS = sorted(
    path
    for path in (Path(__file__).parents[2] / "kernels").rglob("*.mlir")
    if path.parent.name != "scripts"
)

TWICE = """
func.func private @other(%a: tensor<4x4xf32>) -> tensor<4x4xf32> {
  return %a : tensor<4x4xf32>
}
func.func @f(%a: tensor<4x4xf32>, %b: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %zero = arith.constant 0.0 : f32
  %e0 = tensor.empty() : tensor<4x4xf32>
  %i0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<4x4xf32>) -> tensor<4x4xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<4x4xf32>, tensor<4x4xf32>)
    outs(%i0 : tensor<4x4xf32>) -> tensor<4x4xf32>
  %e1 = tensor.empty() : tensor<4x4xf32>
  %i1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = linalg.matmul ins(%a, %b : tensor<4x4xf32>, tensor<4x4xf32>)
    outs(%i1 : tensor<4x4xf32>) -> tensor<4x4xf32>
  %unused = linalg.matmul ins(%b, %a : tensor<4x4xf32>, tensor<4x4xf32>)
    outs(%i1 : tensor<4x4xf32>) -> tensor<4x4xf32>
  %sum = arith.addf %0, %b : tensor<4x4xf32>
  return %1, %sum : tensor<4x4xf32>, tensor<4x4xf32>
}
"""


def _names(text):
    module = parse_trusted(text)
    return [op.operation.name for op in walk.operations(module.operation)]


def _check(text, function=None):
    """Every structured operation comes from operations of the same name and the same loops."""
    workload, origin = read_located(text, function=function)
    assert origin.stablehlo or origin.text == text
    canonical, source = parse_trusted(workload.text), parse_trusted(origin.text)
    sources = list(walk.operations(source.operation))
    for place, op in enumerate(walk.operations(canonical.operation)):
        if not is_structured(op):
            continue
        assert origin.sources[place], op
        for number in origin.sources[place]:
            other = sources[number]
            if other.operation.name == op.operation.name:
                assert iteration_space(other) == iteration_space(op)
            else:  # an operation on whole tensors, which becomes a generic one
                assert op.operation.name == "linalg.generic"
                assert other.operation.name.startswith(("arith.", "math."))


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_operations_of_kernels_come_from_their_like(path):
    _check(path.read_text())


@settings(max_examples=60, deadline=None)
@given(P.programs, P.styles)
def test_operations_come_from_their_like_however_they_are_written(program, style):
    _check(P.render(program, style), style.function)


def test_merged_operations_have_several_sources_and_dead_ones_none():
    workload, origin = read_located(TWICE, function="f")
    names, canonical = _names(TWICE), _names(workload.text)
    (place,) = [n for n, name in enumerate(canonical) if name == "linalg.matmul"]
    matmuls = [n for n, name in enumerate(names) if name == "linalg.matmul"]
    assert list(origin.sources[place]) == matmuls[:2]
    everywhere = {number for places in origin.sources.values() for number in places}
    assert matmuls[2] not in everywhere
    (generic,) = [n for n, name in enumerate(canonical) if name == "linalg.generic"]
    assert [names[n] for n in origin.sources[generic]] == ["arith.addf"]


def test_locations_of_the_input_are_not_taken_for_ours():
    located = TWICE.replace(
        "return %a : tensor<4x4xf32>", 'return %a : tensor<4x4xf32> loc("costmodel-input:3")'
    ).replace(
        "%e1 = tensor.empty() : tensor<4x4xf32>",
        '%e1 = tensor.empty() : tensor<4x4xf32> loc("costmodel-input:0")',
    )
    plain, origin = read_located(TWICE, function="f")
    again, same = read_located(located, function="f")
    assert again == plain
    assert same.sources == origin.sources


def test_the_workload_knows_nothing_of_it():
    workload, _ = read_located(TWICE, function="f")
    assert read_text(TWICE, function="f") == workload
    assert "costmodel" not in workload.text
