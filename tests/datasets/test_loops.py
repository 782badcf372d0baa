"""Loops compute what the graph that they were made from computes, by another compiler."""

from __future__ import annotations

import importlib
import random
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from costmodel.backends.iree.compiler import compile_workload
from costmodel.backends.iree.kernel import IREEKernel
from costmodel.backends.tvm.backend import TVMBackend
from costmodel.backends.tvm.texts import default_text
from costmodel.errors import CostModelError, UnsupportedError
from costmodel.ir import analyze, read_workload
from costmodel.measure.inputs import poisoned_outputs, random_inputs
from costmodel.records import Schedule
from costmodel.target import host_target

DATASETS = Path(__file__).resolve().parents[2] / "datasets"
FAMILIES = ("matmul", "softmax", "norm", "reduction", "elementwise", "transpose", "batchnorm",
            "rope", "attention", "matvec", "int8", "depthwise", "pooling")  # fmt: skip


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    monkeypatch.syspath_prepend(str(DATASETS))
    for name in ("graphs", "mixtures", "drawing", "activations", "images", "mlir_text", "loops"):
        sys.modules.pop(name, None)
    return importlib.import_module("graphs"), importlib.import_module("loops")


@pytest.mark.parametrize("family", FAMILIES)
def test_loops_and_graph_agree(
    family: str, modules: tuple[ModuleType, ModuleType], tmp_path: Path
) -> None:
    graphs, loops = modules
    target, checked = host_target(1, measure=False), 0
    for seed in range(60):
        rng = random.Random(seed)
        text = graphs.generate(family, rng, "f")
        made = loops.to_loops(text, rng)
        graph = read_workload(text)
        if made is None or analyze(graph).flops > 2e6:
            continue
        try:
            looped = read_workload(made)
            TVMBackend().build(
                looped, Schedule("tvm", default_text()), target, tmp_path / f"{seed}.so"
            )
        except UnsupportedError:
            continue
        compile_workload(graph, tmp_path / "graph.vmfb")
        reference = IREEKernel(tmp_path / "graph.vmfb", graph, threads=1)
        inputs = random_inputs(graph.inputs, 0)
        reference.prepare(inputs, [])
        reference.run(1)
        # Results are written to the memrefs that come after the inputs.
        buffers = [*inputs, *poisoned_outputs(graph.outputs)]
        kernel = TVMBackend().load(tmp_path / f"{seed}.so", looped, target)
        kernel.prepare(buffers, [])
        kernel.run(1)
        told = [buffer.numpy() for buffer in kernel._buffers[len(inputs) :]]
        for got, want in zip(told, reference.results(), strict=True):
            scale = np.abs(np.asarray(want, np.float64)).max() + 1e-6
            narrow = str(want.dtype) in ("float16", "bfloat16")
            error = np.abs(np.asarray(got, np.float64) - np.asarray(want, np.float64)).max()
            assert error / scale < (5e-2 if narrow else 1e-4), (family, seed)
        checked += 1
        if checked == 2:
            return
    assert checked > 0, "no small function was drawn"


LOOP = """
func.func @f(%a: memref<8xf32>, %b: memref<8xf32>) {{
  {body}
  return
}}
"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "affine.for %i = 0 to 8 { %t = memref.alloc() : memref<8xf32>\n"
            "%v = affine.load %a[%i] : memref<8xf32>\naffine.store %v, %t[%i] : memref<8xf32>\n"
            "%w = affine.load %t[%i] : memref<8xf32>\naffine.store %w, %b[%i] : memref<8xf32> }",
            "allocates inside a loop",
        ),
        (
            "%s = memref.expand_shape %a [[0, 1]] output_shape [2, 4] : "
            "memref<8xf32> into memref<2x4xf32>\n"
            "%t = memref.expand_shape %b [[0, 1]] output_shape [2, 4] : "
            "memref<8xf32> into memref<2x4xf32>\n"
            "memref.copy %s, %t : memref<2x4xf32> to memref<2x4xf32>",
            "expand_shape",
        ),
    ],
)
def test_loops_that_tvm_is_not_given_say_why(body: str, message: str, tmp_path: Path) -> None:
    workload = read_workload(LOOP.format(body=body))
    target = host_target(1, measure=False)
    with pytest.raises(CostModelError, match=message):
        TVMBackend().build(workload, Schedule("tvm", default_text()), target, tmp_path / "f.so")


def test_carried_values_and_branches_are_kept(tmp_path: Path) -> None:
    """b[i] = the largest of a[0..i], computed with a value that the loop carries."""
    body = """
    %zero = arith.constant -1.0e+30 : f32
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c8 = arith.constant 8 : index
    %last = scf.for %i = %c0 to %c8 step %c1 iter_args(%best = %zero) -> (f32) {
      %v = memref.load %a[%i] : memref<8xf32>
      %more = arith.cmpf ogt, %v, %best : f32
      %new = scf.if %more -> (f32) { scf.yield %v : f32 } else { scf.yield %best : f32 }
      memref.store %new, %b[%i] : memref<8xf32>
      scf.yield %new : f32
    }
    """
    workload = read_workload(LOOP.format(body=body))
    target = host_target(1, measure=False)
    TVMBackend().build(workload, Schedule("tvm", default_text()), target, tmp_path / "f.so")
    kernel = TVMBackend().load(tmp_path / "f.so", workload, target)
    a = np.array([3, 1, 4, 1, 5, 9, 2, 6], np.float32)
    kernel.prepare([a, np.zeros(8, np.float32)], [])
    kernel.run(1)
    assert np.array_equal(kernel._buffers[1].numpy(), np.maximum.accumulate(a))


def test_parts_of_memrefs_are_read_and_written(tmp_path: Path) -> None:
    """Row i of the output's left half = every other element of a part of the input's row i + 1."""
    text = """
    func.func @f(%a: memref<4x8xf32>, %b: memref<3x6xf32>) {
      %half = memref.subview %b[0, 0] [3, 3] [1, 1]
        : memref<3x6xf32> to memref<3x3xf32, strided<[6, 1]>>
      affine.for %i = 0 to 3 {
        %next = affine.apply affine_map<(d0) -> (d0 + 1)>(%i)
        %row = memref.subview %a[%next, 1] [1, 6] [1, 1]
          : memref<4x8xf32> to memref<6xf32, strided<[1], offset: ?>>
        %others = memref.subview %row[1] [3] [2]
          : memref<6xf32, strided<[1], offset: ?>> to memref<3xf32, strided<[2], offset: ?>>
        affine.for %j = 0 to 3 {
          %v = affine.load %others[%j] : memref<3xf32, strided<[2], offset: ?>>
          affine.store %v, %half[%i, %j] : memref<3x3xf32, strided<[6, 1]>>
        }
      }
      return
    }
    """
    workload, target = read_workload(text), host_target(1, measure=False)
    TVMBackend().build(workload, Schedule("tvm", default_text()), target, tmp_path / "f.so")
    kernel = TVMBackend().load(tmp_path / "f.so", workload, target)
    a = np.arange(32, dtype=np.float32).reshape(4, 8)
    kernel.prepare([a, np.zeros((3, 6), np.float32)], [])
    kernel.run(1)
    want = np.zeros((3, 6), np.float32)
    want[:, :3] = a[1:, 2:8:2]
    assert np.array_equal(kernel._buffers[1].numpy(), want)
