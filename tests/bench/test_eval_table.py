"""The tables of the model card say what the rows say."""

from __future__ import annotations

from tests.bench.eval_table import SCHEDULES, table


def row(part: str, model: str, first: float, family: str = "all", of: str = "all") -> dict:
    scores = {"first": first, "five": 1.1, "spearman": None}
    return {"part": part, "family": family, "level": "schedule", "of": of, "model": model,
            "scores": scores}  # fmt: skip


def test_the_best_of_each_part_is_in_bold_and_what_is_unknown_a_dash() -> None:
    rows = [
        row("families", "transformer", 1.5), row("families", "roofline", 2.0),
        row("families", "transformer", 9.0, family="norm"), row("families", "other", 1.0, of="tvm"),
        row("kernels", "transformer", 3.0), row("kernels", "roofline", 2.5),
    ]  # fmt: skip
    assert table(rows, "schedule", "all", SCHEDULES).splitlines()[2:] == [
        "| unseen families | transformer | **1.50** | **1.10** | - |",
        "| unseen families | roofline | 2.00 | **1.10** | - |",
        "| kernels | transformer | 3.00 | **1.10** | - |",
        "| kernels | roofline | **2.50** | **1.10** | - |",
    ]
