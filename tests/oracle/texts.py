"""Kernels for the tests of the oracle."""

from pathlib import Path

KERNEL = (Path(__file__).parents[1] / "golden" / "oracle_matmul.mlir").read_text()
SCRIPTED = Path(__file__).parents[2] / "kernels" / "scripts" / "matmul_tiled.mlir"
DEEP = "func.func @f() {\n" + "scf.if %c {\n" * 6000
DEADLY = "func.func @f(%a: " + "tuple<" * 100_000 + "\n"
