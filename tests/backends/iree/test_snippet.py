"""The snippet really loads and calls a module."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from costmodel.backends.iree.compiler import compile_text
from costmodel.backends.iree.roots import annotated
from costmodel.backends.iree.schedules import Settings
from costmodel.backends.iree.snippet import iree_snippet
from costmodel.ir import read_text
from costmodel.records import TensorType

TWO = """func.func @two(%x: tensor<5x3xf32>, %i: tensor<4xi32>)
    -> (tensor<5x3xf32>, tensor<4xi32>) {
  %y = arith.addf %x, %x : tensor<5x3xf32>
  %j = arith.addi %i, %i : tensor<4xi32>
  return %y, %j : tensor<5x3xf32>, tensor<4xi32>
}
"""


@pytest.mark.parametrize("text", [TWO, TWO.replace("f32", "bf16")], ids=["f32", "bf16"])
def test_runs_and_prints_every_output(tmp_path: Path, text: str) -> None:
    workload = read_text(text)
    program = annotated(workload.text, Settings(), function=workload.function)
    compile_text(program, tmp_path / "kernel.vmfb")
    script = tmp_path / "run_kernel.py"
    script.write_text(iree_snippet(workload.function, "kernel.vmfb", workload.inputs, 2))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert "(5, 3) [" in first
    assert "0. 0. 0." not in first
    assert second.startswith("int32 (4,) [")


@pytest.mark.parametrize("name", ['"""', "a\nb", "back\\slash", "µ"])
def test_any_symbol_name_gives_a_valid_program(name: str) -> None:
    text = iree_snippet(name, "kernel.vmfb", (TensorType((2,), "f32"),), 1)
    ast.parse(text)
    assert len([line for line in text.splitlines() if line.strip()]) <= 20
