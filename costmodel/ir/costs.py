"""What each operation costs: the tables in ``dialects/*.toml``."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

__all__ = ["OpCost", "op_cost", "op_costs"]


@dataclass(frozen=True)
class OpCost:
    """One row of a table.

    ``flops`` is the weight of one scalar application in FLOP, an addition being 1. ``kind`` is
    the class that a tokenizer gives the operation. ``levels`` says where it may stand: in a
    ``"tensor"`` function, in a ``"loop"`` kernel, or in both.
    """

    flops: int
    kind: str
    levels: frozenset[str]


@functools.cache
def op_costs() -> Mapping[str, OpCost]:
    """Every operation that has a cost, by its full name (``"arith.addf"``)."""
    tables = [
        tomllib.loads(entry.read_text(encoding="utf-8"))
        for entry in resources.files("costmodel.dialects").iterdir()
        if entry.name.endswith(".toml")
    ]
    rows: dict[str, dict[str, Any]] = {}
    levels: dict[str, frozenset[str]] = {}
    for table in tables:
        for name, row in table["ops"].items():
            rows[f"{table['dialect']}.{name}"] = row
            levels[f"{table['dialect']}.{name}"] = frozenset(table["in"])

    def weight(row: Mapping[str, Any]) -> int:
        return int(row.get("flops", 0)) + sum(weight(rows[part]) for part in row.get("of", ()))

    return {name: OpCost(weight(row), row["kind"], levels[name]) for name, row in rows.items()}


def op_cost(name: str) -> OpCost | None:
    """The cost of the operation of this full name; None for one that is not in the tables."""
    return op_costs().get(name)
