"""Importing ``costmodel.ir`` is cheap, and its text is still IREE's input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from costmodel import ir
from costmodel.ir import read_workload


def test_import_brings_no_compiler():
    code = (
        "import sys, costmodel.ir\n"
        "heavy = {'iree', 'numpy', 'subprocess', 'tvm', 'torch', 'tomllib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_exported_members():
    assert sorted(ir.__all__) == ir.__all__
    assert all(hasattr(ir, name) for name in ir.__all__)


@pytest.mark.parametrize("name", ["written_with_taste", "gather_rows", "constants"])
def test_canonical_text_compiles_with_iree(name):
    from iree.compiler.tools import compile_str

    path = Path(__file__).parents[1] / "golden" / "ir" / f"{name}.mlir"
    function = "a name" if name == "written_with_taste" else None
    workload = read_workload(path, function=function)
    binary = compile_str(
        workload.text,
        target_backends=["llvm-cpu"],
        extra_args=["--iree-llvmcpu-target-cpu=generic"],
    )
    assert len(binary) > 1000
