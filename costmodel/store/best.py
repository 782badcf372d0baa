"""The fastest correct measurement of a workload on a target."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from costmodel.records import Measurement, Outcome
from costmodel.store.connection import Connection

__all__ = ["find_best"]

#: Decodes rows by their ``seq``; bad ones are left out (and warned of).
Reader = Callable[[Sequence[int]], list[Measurement]]


def find_best(
    connection: Connection, read: Reader, conditions: str, parameters: Sequence[str]
) -> Measurement | None:
    """The measurement whose key has the lowest median over all samples of that key, if any.

    A key that ever gave a wrong result is out: correct before fast. Of the winning key's
    measurements the one nearest to the key's median is returned, the newest of equals.

    A pooled median is never below the least of the medians of its parts, so keys are read in
    the order of that bound, and only until it passes the best that was found.
    """
    keys = connection.query(
        "SELECT m.schedule, m.toolchain, m.policy, min(m.median_us) AS bound "
        "FROM measurements m LEFT JOIN schedules s ON s.hash = m.schedule "
        f"WHERE {conditions} AND m.outcome = ? AND m.median_us IS NOT NULL "
        "GROUP BY m.schedule, m.toolchain, m.policy ORDER BY bound, m.schedule",
        [*parameters, Outcome.OK.value],
    )
    best: tuple[float, Measurement] | None = None
    for schedule, toolchain, policy, bound in keys:
        if best is not None and bound >= best[0]:
            break
        rows = connection.query(
            "SELECT m.seq, m.outcome FROM measurements m "
            "LEFT JOIN schedules s ON s.hash = m.schedule "
            f"WHERE {conditions} AND m.schedule = ? AND m.toolchain = ? AND m.policy = ?",
            [*parameters, schedule, toolchain, policy],
        )
        found = _judge(rows, read)
        if found is not None and (best is None or found[0] < best[0]):
            best = found
    return None if best is None else best[1]


def _judge(rows: Sequence[tuple[Any, ...]], read: Reader) -> tuple[float, Measurement] | None:
    """The median over one key's samples, and the measurement that stands for it."""
    if any(outcome == Outcome.WRONG_RESULT for _, outcome in rows):
        return None
    correct = read([seq for seq, outcome in rows if outcome == Outcome.OK])
    samples = [sample for each in correct for sample in each.samples_us]
    if not samples:
        return None
    median = statistics.median(samples)
    timed = [each for each in correct if each.samples_us]
    return median, min(timed, key=lambda m: (abs(m.latency_us - median), -m.timestamp))
