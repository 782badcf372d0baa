"""Weights that stand at the end of the file become part of the workload."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.errors import UnsupportedError
from costmodel.ir import parse, read_located, read_text, walk

TEXT = """func.func @f(%a: tensor<2x2x{type}>) -> tensor<2x2x{type}> {{
  %c = arith.constant {value} : tensor<2x2x{type}>
  %0 = arith.{add} %a, %c : tensor<2x2x{type}>
  return %0 : tensor<2x2x{type}>
}}
"""
RESOURCES = '{{-# dialect_resources: {{ builtin: {{ {name}: "0x04000000{digits}" }} }} #-}}\n'
TYPES = {"f32": np.float32, "f64": np.float64, "f16": np.float16, "i32": np.int32, "i8": np.int8}


@pytest.mark.parametrize("name", ["weights", "torch_tensor_2_2.w"])
@pytest.mark.parametrize("type_", TYPES)
def test_they_are_the_constants_they_stand_for(type_: str, name: str) -> None:
    array = np.array([[1, 2], [3, -4]], TYPES[type_])
    add = "addf" if type_.startswith("f") else "addi"
    plain = "dense<[[1, 2], [3, -4]]>" if add == "addi" else "dense<[[1.0, 2.0], [3.0, -4.0]]>"
    written = TEXT.format(type=type_, add=add, value=plain)
    apart = TEXT.format(type=type_, add=add, value=f"dense_resource<{name}>")
    apart += RESOURCES.format(name=name, digits=array.tobytes().hex().upper())
    workload, origin = read_located(apart)
    assert workload == read_text(written)
    assert origin.text == apart
    source = parse.parse_trusted(origin.text)
    assert len(list(walk.operations(source.operation))) == 4


@pytest.mark.parametrize("digits", ["", "0000803F", "00" * 20])
def test_what_does_not_fit_is_refused(digits: str) -> None:
    text = TEXT.format(type="f32", add="addf", value="dense_resource<w>")
    with pytest.raises(UnsupportedError, match="resource"):
        read_text(text + RESOURCES.format(name="w", digits=digits))
