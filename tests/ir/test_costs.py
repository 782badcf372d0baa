"""The tables of ``dialects/``: sound, and about operations that MLIR has."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from costmodel.ir.costs import op_cost, op_costs
from costmodel.ir.parse import context

TABLES = sorted((Path(__file__).parents[2] / "dialects").glob("*.toml"))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_table(path):
    table = tomllib.loads(path.read_text())
    assert set(table) == {"dialect", "in", "ops"}
    assert table["dialect"] == path.stem
    assert set(table["in"]) <= {"tensor", "loop"}
    for name, row in table["ops"].items():
        assert {"kind"} <= set(row) <= {"kind", "flops", "of"}, name
        assert row.get("flops", 1) > 0, name


def test_mlir_has_every_operation():
    context().load_all_available_dialects()
    missing = [name for name in op_costs() if not context().is_registered_operation(name)]
    assert missing == []


def test_weights():
    assert op_cost("arith.addf").flops == op_cost("arith.mulf").flops == 1
    assert op_cost("math.exp").flops > op_cost("arith.divf").flops > 1
    assert op_cost("arith.extf").flops == 0
    assert op_cost("linalg.matmul").flops == 0
    parts = ["arith.maximumf", "arith.subf", "math.exp", "arith.addf", "arith.divf"]
    assert op_cost("linalg.softmax").flops == sum(op_cost(part).flops for part in parts)
    assert op_cost("linalg.softmax").kind == "reduction"
    assert op_cost("frob.nicate") is None
