"""What is a schedule by its looks, in any version of our backends, and what is none."""

import json

import pytest

from costmodel.backends.registry import load
from costmodel.backends.shapes import check_shape
from costmodel.errors import UsageError
from costmodel.ir import read_text
from costmodel.records import Schedule
from tests.store import builders

KERNEL = """
func.func @product(%a: tensor<32x32xf32>, %b: tensor<32x32xf32>) -> tensor<32x32xf32> {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<32x32xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<32x32xf32>) -> tensor<32x32xf32>
  %c = linalg.matmul ins(%a, %b : tensor<32x32xf32>, tensor<32x32xf32>)
                     outs(%f : tensor<32x32xf32>) -> tensor<32x32xf32>
  return %c : tensor<32x32xf32>
}
"""
SCRIPT = {"kind": "script", "script": "module {}", "function": "f", "knobs": {"tile": 8, "a": "b"}}


@pytest.mark.parametrize("backend", ["tvm", "iree"])
def test_what_the_spaces_make_is_a_schedule(backend):
    space = load(backend).space(read_text(KERNEL), builders.target())
    for schedule in [space.default(), *space.guesses()]:
        check_shape(schedule)


@pytest.mark.parametrize(
    ("backend", "data"),
    [
        ("tvm", {"kind": "trace", "trace": [[["Tensorize", ["b0"], ["an_intrinsic"], []]], []]}),
        ("tvm", {"kind": "template", "knobs": {"a knob of another version": 3}}),
        ("iree", {"kind": "iree", "flags": {}, "roots": {}}),
        ("iree", {"kind": "iree", "flags": {"a": "b"}, "roots": {"3": {"pipeline": "New"}},
                  "matched": {"m": {"pipeline": "New", "level": [0, 8]}}, "cuts": [1, 2]}),
        ("iree", SCRIPT),
        ("another", {"kind": "whatever"}),
    ],
)  # fmt: skip
def test_schedules_of_other_versions_and_of_others_are_taken(backend, data):
    check_shape(Schedule(backend, json.dumps(data)))


@pytest.mark.parametrize(
    ("backend", "data"),
    [
        ("tvm", {"kind": "iree", "flags": {}, "roots": {}}),
        ("tvm", {"kind": "template"}),
        ("tvm", {"kind": "template", "knobs": {"a": [1]}}),
        ("tvm", {"kind": "trace", "trace": []}),
        ("tvm", {"kind": "trace", "trace": [["GetSBlock"], []]}),
        ("tvm", {"kind": "trace", "trace": [[], [["0", 1]]]}),
        ("iree", {"kind": "template", "knobs": {}}),
        ("iree", {"kind": "iree", "flags": {"a": 1}, "roots": {}}),
        ("iree", {"kind": "iree", "flags": {}, "roots": {"0": [8]}}),
        ("iree", {"kind": "iree", "flags": {}, "roots": {}, "cuts": ["1"]}),
        ("iree", SCRIPT | {"script": None}),
    ],
)
def test_what_no_version_writes_is_refused(backend, data):
    with pytest.raises(UsageError, match="schedule of the backend"):
        check_shape(Schedule(backend, json.dumps(data)))
