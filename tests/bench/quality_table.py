"""The table and the verdict of ``quality.py``, from the rows that it stores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["missed_goals", "summary", "table"]

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Goals:
    """What a backend is held to: see "Quality" in README.md beside this file."""

    iree_geomean: float
    iree_least: float
    best_of_two: float
    untuned: float = 1.0


GOALS = {"tvm": Goals(1.5, 0.0, 0.9), "auto": Goals(1.8, 0.98, 1.05)}


def latency(row: Row, name: str) -> float | None:
    return row["latency_us"].get(name)


def quotient(row: Row, above: str, below: str) -> float | None:
    top, bottom = latency(row, above), latency(row, below)
    return None if top is None or bottom is None else top / bottom


def iree_over_tuned(row: Row) -> float | None:
    return quotient(row, "iree", "tuned")


def best_over_tuned(row: Row) -> float | None:
    rivals = [quotient(row, name, "tuned") for name in ("iree", "torch")]
    known = [value for value in rivals if value is not None]
    return min(known, default=None)


def untuned_over_tuned(row: Row) -> float | None:
    return quotient(row, "untuned", "tuned")


def iree_over_iree_tuned(row: Row) -> float | None:
    return quotient(row, "iree", "iree tuned")


def iree_over_torch(row: Row) -> float | None:
    return quotient(row, "iree", "torch")


#: Columns of latencies, where they were timed: rivals, what each backend reached, the winner.
LATENCIES = ("iree", "torch", "untuned", "iree tuned", "tvm tuned", "tuned")

Column = tuple[str, Callable[[Row], float | None]]
QUOTIENTS: Sequence[Column] = (
    ("IREE/tuned", iree_over_tuned),
    ("best of two/tuned", best_over_tuned),
    ("untuned/tuned", untuned_over_tuned),
    ("IREE/iree tuned", iree_over_iree_tuned),
)
BASELINE_QUOTIENTS: Sequence[Column] = (("IREE/PyTorch", iree_over_torch),)


def table(rows: Iterable[Row], *, markdown: bool = False) -> str:
    """One line a kernel, then geometric mean and minimum; latencies in microseconds.

    A ``~`` behind the name says that the machine was too busy for that row to be trusted.
    """
    rows = sorted(rows, key=lambda row: row["kernel"])
    timed = {name for row in rows for name in row["latency_us"]}
    latencies = [name for name in LATENCIES if name in timed]
    listed = QUOTIENTS if "tuned" in timed else BASELINE_QUOTIENTS
    quotients = [(name, value) for name, value in listed if any(value(row) for row in rows)]
    header = ["kernel", *(f"{_title(name)} us" for name in latencies), *(t for t, _ in quotients)]
    body = [
        [
            row["kernel"] + ("~" if row["noisy"] else ""),
            *(_number(latency(row, name), 1) for name in latencies),
            *(_number(value(row), 2) for _, value in quotients),
        ]
        for row in rows
    ]
    for title, reduce in (("geometric mean", _geomean), ("minimum", min)):
        cells = [_number(_reduced(reduce, value, rows), 2) for _, value in quotients]
        body.append([title, *([""] * len(latencies)), *cells])
    return _markdown(header, body) if markdown else _aligned(header, body)


def missed_goals(rows: Iterable[Row], goals: Goals = GOALS["tvm"]) -> list[str]:
    """A sentence for each goal that the tuned kernels miss; empty where all are met.

    "Not slower than untuned" allows what cannot be told from noise: the upper end of the
    quotient's interval counts.
    """
    rows = [row for row in rows if latency(row, "tuned") is not None]
    missed = []
    mean = _reduced(_geomean, iree_over_tuned, rows)
    if mean is not None and mean < goals.iree_geomean:
        missed.append(f"geometric mean of IREE/tuned is {mean:.2f}, goal {goals.iree_geomean}")
    for row in rows:
        kernel, over_iree, best = row["kernel"], iree_over_tuned(row), best_over_tuned(row)
        if over_iree is not None and over_iree < goals.iree_least:
            missed.append(f"{kernel}: IREE/tuned {over_iree:.2f}, goal {goals.iree_least}")
        if best is not None and best < goals.best_of_two:
            missed.append(f"{kernel}: best of two/tuned {best:.2f}, goal {goals.best_of_two}")
        upper = row["intervals"].get("untuned", (0.0, math.inf))[1]
        if upper < goals.untuned:
            missed.append(f"{row['kernel']}: slower than untuned, at most {upper:.2f} of its speed")
    return missed


def summary(rows: Iterable[Row]) -> dict[str, float | None]:
    """The numbers of the last two lines, for a README or a log."""
    rows = list(rows)
    columns = {
        "iree_over_tuned": iree_over_tuned,
        "best_of_two_over_tuned": best_over_tuned,
        "untuned_over_tuned": untuned_over_tuned,
        "iree_over_iree_tuned": iree_over_iree_tuned,
        "iree_over_torch": iree_over_torch,
    }
    return {
        f"{kind}_{name}": _reduced(reduce, value, rows)
        for name, value in columns.items()
        for kind, reduce in (("geomean", _geomean), ("min", min))
    }


def _reduced(
    reduce: Callable[[list[float]], float], value: Callable[[Row], float | None], rows: Any
) -> float | None:
    known = [number for row in rows if (number := value(row)) is not None]
    return reduce(known) if known else None


def _geomean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def _title(name: str) -> str:
    return {"iree": "IREE", "torch": "PyTorch"}.get(name, name)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _markdown(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *body])


def _aligned(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [header, *body]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    )
