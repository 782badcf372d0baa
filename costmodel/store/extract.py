"""What a run on a workload and a target can use of a store, to be copied into its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from costmodel.store import rows, scan
from costmodel.store.codec import DecodeError
from costmodel.store.connection import Connection
from costmodel.store.entries import Entry

__all__ = ["extract"]

#: Rows asked for at once.
_PAGE = 500


def extract(
    connection: Connection, workload: str, target: str, *, others: int, each: int
) -> Iterator[Entry]:
    """All that is known of the workload on the target, and examples of other workloads there.

    Of the ``others`` that were measured last, the latest ``each`` schedules with their features.
    Bad rows are left out. What an entry refers to comes before it.
    """
    yield from _read(connection, "SELECT * FROM targets WHERE hash = ?", [target], rows.read_target)
    yield from _workload(connection, workload)
    yield from _measurements(
        connection, "m.workload = ? AND m.target = ?", [workload, target]
    )  # fmt: skip
    yield from _features(connection, "m.workload = ?", [workload])
    latest = connection.query(
        "SELECT workload FROM measurements WHERE target = ? AND workload <> ? "
        "GROUP BY workload ORDER BY max(timestamp) DESC LIMIT ?",
        [target, workload, others],
    )
    for (other,) in latest:
        yield from _examples(connection, other, target, each)


def _examples(connection: Connection, workload: str, target: str, count: int) -> Iterator[Entry]:
    found = connection.query(
        "SELECT m.seq, m.schedule FROM measurements m WHERE m.workload = ? AND m.target = ? AND "
        "EXISTS (SELECT 1 FROM features f WHERE f.workload = m.workload AND "
        "f.schedule = m.schedule) ORDER BY m.timestamp DESC LIMIT ?",
        [workload, target, count],
    )
    if not found:
        return
    yield from _workload(connection, workload)
    marks = ",".join("?" * len(found))
    yield from _measurements(connection, f"m.seq IN ({marks})", [seq for seq, _ in found])
    schedules = [schedule for _, schedule in found]
    yield from _features(
        connection, f"m.workload = ? AND m.schedule IN ({marks})", [workload, *schedules]
    )


def _workload(connection: Connection, hash: str) -> Iterator[Entry]:
    return _read(
        connection, "SELECT * FROM workloads WHERE hash = ?", [hash], rows.read_workload
    )  # fmt: skip


def _measurements(
    connection: Connection, where: str, parameters: Sequence[object]
) -> Iterator[Entry]:
    numbers = [
        seq
        for (seq,) in connection.query(
            f"SELECT m.seq FROM measurements m WHERE {where} ORDER BY m.timestamp, m.seq",
            parameters,
        )
    ]
    for start in range(0, len(numbers), _PAGE):
        page = numbers[start : start + _PAGE]
        yield from _read(
            connection,
            f"SELECT {rows.MEASUREMENT_COLUMNS} FROM {rows.MEASUREMENT_SOURCE} "
            f"WHERE m.seq IN ({','.join('?' * len(page))}) ORDER BY m.timestamp, m.seq",
            page,
            rows.read_measurement,
        )


def _features(connection: Connection, where: str, parameters: Sequence[object]) -> Iterator[Entry]:
    each = scan.FEATURES
    sql = f"SELECT {each.columns} FROM {each.source} WHERE {where}"
    return _read(connection, sql, parameters, each.read)


def _read(
    connection: Connection, sql: str, parameters: Sequence[object], read: Any
) -> Iterator[Entry]:
    for row in connection.query(sql, list(parameters)):
        try:
            yield read(row)
        except DecodeError:  # `costmodel cache verify` tells of it
            continue
