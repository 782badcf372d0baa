"""Numbers and objects as people and scripts read them."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from costmodel.amounts import counted, duration, latency, number, quantity

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = [
    "counted", "duration", "latency", "number", "print_json", "print_wide", "quantity",
    "table_console",
]  # fmt: skip

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
