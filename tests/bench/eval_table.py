"""The tables of the model card, from what ``costmodel eval --json`` prints.

    costmodel eval --data datasets/cpu --baselines all --json > eval.json
    python tests/bench/eval_table.py eval.json

One table of functions, one of schedules, and one of TVM's schedules, which more models read; of
every model on every part that training never saw; in bold what is best of its part.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PARTS = {
    "families": "unseen families",
    "shapes": "unseen shapes",
    "kernels": "kernels",
}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A score by its name in the rows, how it is shown, and whether more is better."""

    name: str
    title: str
    shown: Callable[[float], str]
    more: bool

    def value(self, row: Row) -> float:
        found = row["scores"].get(self.name)
        return math.nan if found is None else float(found)


def percent(value: float) -> str:
    return f"{100 * value:.0f}%"


FUNCTIONS = (
    Column("spearman", "Spearman", "{:.3f}".format, True),
    Column("median_error", "median error", percent, False),
    Column("registers", "registers within 1", percent, True),
    Column("utilization_rmse", "utilization RMSE", "{:.1f}".format, False),
    Column("spills_mae", "spills, mean error", "{:.1f}".format, False),
)
SCHEDULES = (
    Column("first", "first of 64", "{:.2f}".format, False),
    Column("five", "best of five", "{:.2f}".format, False),
    Column("spearman", "Spearman in a task", "{:.2f}".format, True),
)


def table(rows: Sequence[Row], level: str, of: str, columns: Sequence[Column]) -> str:
    """In markdown; ``level`` and ``of`` are those of the rows that it shows."""
    lines = [
        "| " + " | ".join(["held out", "model", *(column.title for column in columns)]) + " |",
        "| --- | --- |" + " ---: |" * len(columns),
    ]
    for part, title in PARTS.items():
        asked = [
            row
            for row in rows
            if (row["part"], row["family"], row["level"], row["of"]) == (part, "all", level, of)
        ]
        best = [_best([column.value(row) for row in asked], column.more) for column in columns]
        for row in asked:
            cells = [
                _cell(column, column.value(row), at)
                for column, at in zip(columns, best, strict=True)
            ]
            lines.append("| " + " | ".join([title, row["model"], *cells]) + " |")
    return "\n".join(lines)


def _best(values: Sequence[float], more: bool) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.nan if not known else max(known) if more else min(known)


def _cell(column: Column, value: float, best: float) -> str:
    if math.isnan(value):
        return "-"
    shown = column.shown(value)
    return f"**{shown}**" if shown == column.shown(best) else shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="what `costmodel eval --json` printed")
    rows = json.loads(parser.parse_args().path.read_text(encoding="utf-8"))["rows"]
    print("Functions, as IREE compiles them by default:\n")
    print(table(rows, "function", "default", FUNCTIONS))
    print("\nSchedules of one function, of both compilers:\n")
    print(table(rows, "schedule", "all", SCHEDULES))
    print("\nTVM's schedules alone, whose programs MetaSchedule's features describe:\n")
    print(table(rows, "schedule", "tvm", SCHEDULES))


if __name__ == "__main__":
    main()
