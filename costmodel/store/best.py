"""The fastest correct measurement of a workload on a target."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from costmodel.records import Measurement, Outcome
from costmodel.store.connection import Connection

__all__ = ["find_best", "improve_best"]

#: Decodes rows by their ``seq``; bad ones are left out (and warned of).
Reader = Callable[[Sequence[int]], list[Measurement]]


def find_best(
    connection: Connection, read: Reader, conditions: str, parameters: Sequence[str]
) -> tuple[float, Measurement] | None:
    """The measurement whose key has the lowest median over all samples of that key, if any.

    A key that ever gave a wrong result is out: correct before fast. So is one whose latest
    measurement is a failure, or of several at once any. Of the winning key's
    measurements the one nearest to the key's median is returned, the newest of equals, with that
    median in microseconds.

    A pooled median is never below the least of the medians of its parts, so measurements are
    read from the fastest on, and only until they pass the best that was found.
    """
    best: tuple[float, Measurement] | None = None
    seen: set[tuple[Any, ...]] = set()
    for bound, seq, *key in _fastest_first(connection, conditions, parameters):
        if best is not None and bound >= best[0]:
            break
        if tuple(key) in seen:
            continue
        seen.add(tuple(key))
        if not all(map(_is_text, key)):
            read([seq])  # a damaged row: warns of it
            continue
        found = _judge(_rows_of(connection, conditions, parameters, key), read)
        if found is not None and (best is None or found[0] < best[0]):
            best = found
    return best


def improve_best(
    connection: Connection,
    read: Reader,
    conditions: str,
    parameters: Sequence[str],
    known: tuple[float, Measurement] | None,
    after: int,
) -> tuple[float, Measurement] | None:
    """As ``find_best``, which said ``known`` before those of a ``seq`` over ``after`` were added.

    Only their keys are looked at; all, where the best one's is among them, which may have become
    slower.
    """
    added = connection.query(
        f"SELECT DISTINCT m.schedule, m.toolchain, m.policy FROM {_SOURCE} "
        f"WHERE {_unindexed(conditions)} AND m.seq > ?",
        [*parameters, after],
    )
    keys = [key for key in added if all(map(_is_text, key))]
    if known is not None and _key(known[1]) in keys:
        return find_best(connection, read, conditions, parameters)
    judged = [_judge(_rows_of(connection, conditions, parameters, key), read) for key in keys]
    return min((one for one in [known, *judged] if one), key=lambda one: one[0], default=None)


def _key(measurement: Measurement) -> tuple[str, str, str]:
    return (
        measurement.schedule.hash,
        measurement.environment.toolchain,
        measurement.policy.hash,
    )


def _rows_of(
    connection: Connection, conditions: str, parameters: Sequence[str], key: Sequence[Any]
) -> list[tuple[Any, ...]]:
    """The ``seq`` and outcome of a key's measurements, oldest first."""
    return connection.query(
        f"SELECT m.seq, m.outcome FROM {_SOURCE} WHERE {_unindexed(conditions)} "
        "AND m.schedule = ? AND +m.toolchain = ? AND +m.policy = ? "
        "ORDER BY m.timestamp, m.outcome != ?",
        [*parameters, *key, Outcome.OK.value],
    )


def _unindexed(conditions: str) -> str:
    """By what else is asked: SQLite would go through all of the workload's measurements instead."""
    return conditions.replace("m.", "+m.")


_SOURCE = "measurements m LEFT JOIN schedules s ON s.hash = m.schedule"


def _fastest_first(
    connection: Connection, conditions: str, parameters: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """Median, seq, schedule, toolchain and policy, in growing pages: most often one is enough."""
    start, count = 0, 32
    while page := connection.query(
        f"SELECT m.median_us, m.seq, m.schedule, m.toolchain, m.policy FROM {_SOURCE} "
        f"WHERE {conditions} AND m.outcome = ? AND m.median_us IS NOT NULL "
        "ORDER BY m.median_us LIMIT ? OFFSET ?",
        [*parameters, Outcome.OK.value, count, start],
    ):
        yield from page
        start, count = start + count, 4 * count


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isascii()


def _judge(rows: Sequence[tuple[Any, ...]], read: Reader) -> tuple[float, Measurement] | None:
    """The median over one key's samples, and the measurement that stands for it.

    ``rows`` are the oldest first.
    """
    outcomes = [outcome for _, outcome in rows]  # none where the file's index is damaged
    if Outcome.WRONG_RESULT in outcomes or outcomes[-1:] != [Outcome.OK]:
        return None
    correct = read([seq for seq, outcome in rows if outcome == Outcome.OK])
    samples = [sample for each in correct for sample in each.samples_us]
    if not samples:
        return None
    median = statistics.median(samples)
    timed = [each for each in correct if each.samples_us]
    return median, min(timed, key=lambda m: (abs(m.latency_us - median), -m.timestamp))
