"""Numbers and objects as people and scripts read them."""

from __future__ import annotations

import json
import math
import os
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = [
    "duration", "latency", "number", "print_json", "print_wide", "quantity", "table_console",
]  # fmt: skip

UNKNOWN = "-"
#: Columns of what is piped: no name is cut.
_PIPED_WIDTH = 180


def print_json(value: dict[str, Any]) -> None:
    """One JSON object, on stdout; a NaN or an infinity is a fault and raises ValueError."""
    click.echo(json.dumps(value, allow_nan=False))


def table_console() -> Console:
    """Stdout for tables: as wide as the terminal, and wide where there is none to be read on."""
    from rich.console import Console

    told = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if told else _PIPED_WIDTH)


def print_wide(table: Table) -> None:
    """A table of many columns: where the terminal is narrower its lines wrap, and none is cut."""
    from rich.measure import Measurement

    console = table_console()
    options = console.options.update(max_width=_PIPED_WIDTH)
    console.width = max(console.width, Measurement.get(console, options, table).maximum)
    console.print(table)


def latency(us: float | None) -> str:
    """Three significant digits with the unit that suits: ``850 ns``, ``12.3 us``, ``1.88 ms``."""
    if us is None or not math.isfinite(us):
        return UNKNOWN
    for limit, factor, unit in ((1, 1e3, "ns"), (1e3, 1, "us"), (1e6, 1e-3, "ms")):
        if us < limit:
            return f"{number(us * factor)} {unit}"
    return f"{number(us * 1e-6)} s"


def quantity(value: float, unit: str, base: float = 1000.0) -> str:
    """``137438953472`` FLOP as ``137 GFLOP``; ``base`` 1024 gives KiB and MiB."""
    binary = "i" if base == 1024.0 else ""
    for prefix in ("", "K" if binary else "k", "M", "G", "T"):
        if abs(value) < base or prefix == "T":
            return f"{number(value)} {prefix}{binary if prefix else ''}{unit}"
        value /= base
    raise AssertionError("the last prefix always returns")


def number(value: float | None, digits: int = 3) -> str:
    """So many significant digits, never in scientific notation."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    return f"{value:.{max(0, digits - 1 - magnitude)}f}"


def duration(seconds: float) -> str:
    """``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
