"""Counting what a store holds."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from costmodel.store.codec import printable
from costmodel.store.connection import Connection
from costmodel.store.inserts import TABLE

__all__ = ["outcomes", "stats", "way"]

_ALL = 2**63 - 1


def stats(connection: Connection, path: Path) -> dict[str, Any]:
    """Rows of each table; measurements by workload, target, backend and outcome; size in bytes."""
    return {
        "path": str(path),
        "schema_version": connection.query("PRAGMA user_version")[0][0],
        "size_bytes": _size(connection, path),
        **{table: _rows(connection, table) for table in [*TABLE.values(), "schedules"]},
        "by_workload": _group(connection, "m.workload"),
        "by_target": _group(connection, "m.target"),
        "by_backend": _group(connection, "coalesce(s.backend, '?')"),
        "by_outcome": _group(connection, "m.outcome"),
    }


def way(after: int) -> str:
    """How SQLite is to find measurements over a number: what was added lately by its number."""
    return "NOT INDEXED" if after else ""


def outcomes(
    connection: Connection, workload: str, target: str, after: int = 0, until: int | None = None
) -> dict[str, int]:
    """How many measurements of a workload on a target, of these numbers, ended how."""
    counted = connection.query(
        f"SELECT outcome, count(*) FROM measurements {way(after)} WHERE workload = ? "
        "AND target = ? AND seq > ? AND seq <= ? GROUP BY outcome ORDER BY outcome",
        [workload, target, after, _ALL if until is None else until],
    )
    return {printable(str(key)): count for key, count in counted}


def _rows(connection: Connection, table: str) -> int:
    return int(connection.query(f"SELECT count(*) FROM {table}")[0][0])


def _group(connection: Connection, column: str) -> dict[str, int]:
    join = "LEFT JOIN schedules s ON s.hash = m.schedule" if "s." in column else ""
    counted = connection.query(
        f"SELECT {column}, count(*) FROM measurements m {join} GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    return {printable(str(key)): count for key, count in counted}


def _size(connection: Connection, path: Path) -> int:
    """Of the database and of the log that is not yet merged into it."""
    pages = connection.query("PRAGMA page_count")[0][0]
    page = connection.query("PRAGMA page_size")[0][0]
    log = 0
    with contextlib.suppress(FileNotFoundError):
        log = os.path.getsize(f"{path}-wal")
    return int(pages * page) + log
