"""Looking for damage: in SQLite's structures, between tables, and in what the rows say."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from costmodel.errors import StoreCorruptError
from costmodel.records import Schedule, digest
from costmodel.store import rows, scan
from costmodel.store.codec import DecodeError, decoding, printable
from costmodel.store.connection import Connection

__all__ = ["find_damage"]


def find_damage(connection: Connection) -> list[str]:
    """Every damage found, one sentence each, each once."""
    found = [*_structure(connection), *_references(connection), *_contents(connection)]
    return list(dict.fromkeys(map(printable, found)))


def _structure(connection: Connection) -> Iterator[str]:
    try:
        for (sentence,) in connection.query("PRAGMA integrity_check"):
            if sentence != "ok":
                yield f"SQLite: {sentence}."
    except StoreCorruptError as error:
        yield f"{error.message}."


def _references(connection: Connection) -> Iterator[str]:
    try:
        for table, number, parent, _ in connection.query("PRAGMA foreign_key_check"):
            yield f"{table} row {number} refers to a row of {parent} that is missing."
    except StoreCorruptError as error:
        yield f"{error.message}."


def _contents(connection: Connection) -> Iterator[str]:
    checks: list[scan.Scan[Any]] = [
        scan.WORKLOADS,
        scan.TARGETS,
        scan.DOCUMENTS,
        _plain("schedules", _check_schedule),
        _plain("environments", _check_environment),
        _plain("policies", _check_policy),
        _MEASUREMENTS,
        scan.FEATURES,
    ]
    for check in checks:
        for row in check(connection):
            if isinstance(row, scan.Damage):
                yield row.sentence


def _plain(table: str, check: Callable[[tuple[Any, ...]], None]) -> scan.Scan[None]:
    return scan.Scan(table, "m.*", f"{table} m", check)


def _check_schedule(row: tuple[Any, ...]) -> None:
    hash, backend, text = row
    with decoding(f"schedule {hash}"):
        if Schedule(backend, text).hash != hash:
            raise ValueError("the SHA-256 of its text is not its hash")


def _check_environment(row: tuple[Any, ...]) -> None:
    hash, toolchain, versions, machine = row
    with decoding(f"environment {hash}"):
        facts = {"versions": json.loads(versions), "machine": json.loads(machine)}
        if digest(facts) != hash or digest(facts["versions"]) != toolchain:
            raise ValueError("its facts do not have its hash")


def _check_policy(row: tuple[Any, ...]) -> None:
    hash, facts = row
    with decoding(f"policy {hash}"):
        if digest(json.loads(facts)) != hash:
            raise ValueError("its facts do not have its hash")


def _check_measurement(row: tuple[Any, ...]) -> None:
    *columns, median, toolchain, environment = row
    measurement = rows.read_measurement(tuple(columns))
    what = f"measurement {measurement.id}"
    expected = measurement.latency_us
    if median is None:
        if math.isfinite(expected):
            raise DecodeError(f"{what}: its median is missing")
    elif not (isinstance(median, float) and math.isclose(median, expected, rel_tol=1e-12)):
        raise DecodeError(f"{what}: its median {median} is not that of its samples, {expected}")
    if toolchain != environment:
        raise DecodeError(f"{what}: its toolchain is not that of its environment")


_MEASUREMENTS = scan.Scan(
    "measurements",
    f"{rows.MEASUREMENT_COLUMNS}, m.median_us, m.toolchain, e.toolchain",
    rows.MEASUREMENT_SOURCE,
    _check_measurement,
)
