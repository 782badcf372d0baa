"""What the pages ask of the store, each time anew: a running tune may have added to it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from costmodel.records import Measurement, Outcome, Target, Workload
from costmodel.store import rows
from costmodel.store.codec import DecodeError
from costmodel.store.connection import Connection
from costmodel.store.sqlite import SQLiteStore

__all__ = [
    "Failure", "FailureKind", "Pair", "Part", "Reader", "Subject", "TargetRow", "WorkloadRow",
    "reading",
]  # fmt: skip

#: Seconds that a page waits for whoever holds the store.
_WAIT_S = 5.0
#: Rows decoded at once.
_PAGE = 500
#: The most of an error's text that is read.
_ERROR_CHARACTERS = 4000

#: Each measurement is told whether it begins a part; the sum of that numbers the parts.
_PARTS = """
WITH marked AS (
  SELECT workload, target, timestamp, outcome, median_us, seq,
    coalesce(timestamp - lag(timestamp) OVER one > ?, 1) AS begins
  FROM measurements m WHERE {where} AND typeof(timestamp) IN ('real', 'integer')
  WINDOW one AS (PARTITION BY workload, target ORDER BY timestamp, seq)
), numbered AS (
  SELECT *, sum(begins) OVER (
    PARTITION BY workload, target ORDER BY timestamp, seq ROWS UNBOUNDED PRECEDING) AS part
  FROM marked
)
SELECT workload, target, min(timestamp), max(timestamp), count(*), sum(outcome != 'ok'),
  min(CASE WHEN outcome = 'ok' AND typeof(median_us) = 'real' THEN median_us END)
FROM numbered GROUP BY workload, target, part ORDER BY 3, workload, target
"""


@dataclass(frozen=True)
class Pair:
    """A workload on a target, and how often it was measured; ``last`` in seconds of the epoch."""

    workload: str
    target: str
    measurements: int
    failed: int
    last: float


@dataclass(frozen=True)
class Part:
    """Measurements of a workload on a target that followed each other.

    Times in seconds of the epoch; ``best_us`` is the least median of a correct one (us).
    """

    workload: str
    target: str
    begin: float
    end: float
    measurements: int
    failed: int
    best_us: float | None


@dataclass(frozen=True)
class Subject:
    """A workload on a target with what has been measured of them, the oldest first.

    ``left_out`` measurements are older than those, ``bad`` ones cannot be read.
    """

    measurements: tuple[Measurement, ...]
    left_out: int
    bad: int


@dataclass(frozen=True)
class FailureKind:
    """How many measurements ended so; ``last`` in seconds of the epoch."""

    outcome: str
    count: int
    last: float
    backends: dict[str, int]


@dataclass(frozen=True)
class Failure:
    """The latest measurement that failed with a text, and how many did.

    ``number`` is its row in the table; of a long text only the beginning is compared and shown
    (``cut``).
    """

    number: int
    workload: str
    target: str
    backend: str
    time: float
    error: str
    cut: bool
    count: int


@dataclass(frozen=True)
class WorkloadRow:
    """A workload as far as it can be read: ``workload`` is None where its row is damaged."""

    hash: str
    function: str
    workload: Workload | None


@dataclass(frozen=True)
class TargetRow:
    """A target as far as it can be read, and when its rates were measured."""

    hash: str
    target: Target | None
    updated: float
    measurements: int

    @property
    def name(self) -> str:
        """What a person calls it."""
        if self.target is None:
            return f"{self.hash[:12]} (damaged)"
        return f"{self.target.cpu}, {self.target.threads} threads"


class Reader:
    """Questions to one open store."""

    def __init__(self, connection: Connection, path: Path) -> None:
        self._connection = connection
        self._store = SQLiteStore(connection, path)

    def stats(self) -> dict[str, Any]:
        """As ``costmodel cache stats`` counts."""
        return dict(self._store.stats())

    def state(self, workload: str, target: str) -> object:
        """Differs after measurements of a workload on a target were added."""
        return self._connection.query(
            "SELECT count(*), max(seq) FROM measurements WHERE workload = ? AND target = ?",
            [workload, target],
        )[0]

    def extent(self) -> object:
        """Differs after measurements of anything were added."""
        return self._connection.query("SELECT count(*), max(seq) FROM measurements")[0]

    def pairs(self, *, workload: str | None = None, limit: int, offset: int = 0) -> list[Pair]:
        """Workloads on targets, the one measured last first."""
        where, parameters = _where(workload, None)
        found = self._connection.query(
            "SELECT workload, target, count(*), sum(outcome != 'ok'), max(timestamp) "
            f"FROM measurements m WHERE {where} GROUP BY workload, target "
            "ORDER BY 5 DESC LIMIT ? OFFSET ?",
            [*parameters, limit, offset],
        )
        return [Pair(_text(w), _text(t), n, failed, _real(last)) for w, t, n, failed, last in found]

    def count_pairs(self) -> int:
        """How many there are."""
        counted = self._connection.query(
            "SELECT count(*) FROM (SELECT DISTINCT workload, target FROM measurements)"
        )
        return int(counted[0][0])

    def best(self, workload: str, target: str) -> tuple[float, Measurement] | None:
        """The fastest correct schedule with its median (us), as ``costmodel cache show`` says."""
        return self._store.best_known(workload=workload, target=target)

    def workloads(self) -> dict[str, WorkloadRow]:
        """Names by hash; texts are not read."""
        found = self._connection.query("SELECT hash, function FROM workloads")
        return {_text(key): WorkloadRow(_text(key), _text(name), None) for key, name in found}

    def workload(self, hash: str) -> WorkloadRow | None:
        """The workload of this hash, if the store has it."""
        found = self._connection.query("SELECT * FROM workloads WHERE hash = ?", [hash])
        if not found:
            return None
        entry = _decoded(rows.read_workload, found[0])
        return WorkloadRow(hash, _text(found[0][2]), None if entry is None else entry.workload)

    def targets(self) -> dict[str, TargetRow]:
        """Every target, by hash; the one measured most first."""
        counts: dict[str, int] = dict(
            self._connection.query("SELECT target, count(*) FROM measurements GROUP BY 1")
        )
        found = []
        for row in self._connection.query("SELECT * FROM targets"):
            entry = _decoded(rows.read_target, row)
            target = None if entry is None else entry.target
            key = _text(row[0])
            found.append(TargetRow(key, target, _real(row[3]), counts.get(key, 0)))
        return {row.hash: row for row in sorted(found, key=lambda row: -row.measurements)}

    def subject(self, workload: str, target: str, *, limit: int) -> Subject:
        """The latest ``limit`` measurements of a workload on a target."""
        numbers = [
            number
            for (number,) in self._connection.query(
                "SELECT seq FROM measurements WHERE workload = ? AND target = ? "
                "ORDER BY timestamp DESC, seq DESC LIMIT ?",
                [workload, target, limit],
            )
        ][::-1]
        total = self._connection.query(
            "SELECT count(*) FROM measurements WHERE workload = ? AND target = ?",
            [workload, target],
        )[0][0]
        found = list(self._measurements(numbers))
        good = tuple(one for one in found if one is not None)
        return Subject(good, max(0, total - len(numbers)), len(found) - len(good))

    def _measurements(self, numbers: list[int]) -> Iterator[Measurement | None]:
        for start in range(0, len(numbers), _PAGE):
            page = numbers[start : start + _PAGE]
            found = {
                row[0]: row
                for row in self._connection.query(
                    f"SELECT {rows.MEASUREMENT_COLUMNS} FROM {rows.MEASUREMENT_SOURCE} "
                    f"WHERE m.seq IN ({','.join('?' * len(page))})",
                    page,
                )
            }
            yield from (
                _decoded(rows.read_measurement, found[number]) for number in page if number in found
            )

    def parts(self, workload: str | None, pause_s: float) -> list[Part]:
        """What was measured of a workload on a target without a longer pause; in order of time."""
        where, parameters = _where(workload, None)
        found = self._connection.query(_PARTS.format(where=where), [pause_s, *parameters])
        return [
            Part(_text(work), _text(target), begin, end, count, failed, best)
            for work, target, begin, end, count, failed, best in found
        ]

    def failure_kinds(self, workload: str | None) -> list[FailureKind]:
        """Kinds of failure, the most frequent first."""
        where, parameters = _where(workload, None)
        found = self._connection.query(
            "SELECT m.outcome, coalesce(s.backend, '?'), count(*), max(m.timestamp) "
            "FROM measurements m LEFT JOIN schedules s ON s.hash = m.schedule "
            f"WHERE {where} AND m.outcome != ? GROUP BY 1, 2 ORDER BY 3 DESC",
            [*parameters, Outcome.OK.value],
        )
        kinds: dict[str, FailureKind] = {}
        for outcome, backend, count, last in found:
            name = _text(outcome)
            before = kinds.get(name, FailureKind(name, 0, -math.inf, {}))
            kinds[name] = FailureKind(
                name, before.count + count, max(before.last, _real(last)),
                before.backends | {_text(backend): count},
            )  # fmt: skip
        return sorted(kinds.values(), key=lambda kind: -kind.count)

    def failures(self, outcome: str, workload: str | None, *, limit: int) -> list[Failure]:
        """The texts of a kind of failure that came last, each once."""
        where, parameters = _where(workload, None)
        found = self._connection.query(
            # Beside a single max() SQLite gives the other columns of the row that has it.
            "SELECT m.seq, m.workload, m.target, coalesce(s.backend, '?'), max(m.timestamp), "
            f"substr(m.error, 1, {_ERROR_CHARACTERS}) AS said, length(m.error), count(*) "
            "FROM measurements m LEFT JOIN schedules s ON s.hash = m.schedule "
            f"WHERE {where} AND m.outcome = ? GROUP BY said ORDER BY 5 DESC LIMIT ?",
            [*parameters, outcome, limit],
        )
        return [
            Failure(
                seq, _text(work), _text(target), _text(backend), _real(when), _text(error),
                (length or 0) > _ERROR_CHARACTERS, count,
            )
            for seq, work, target, backend, when, error, length, count in found
        ]  # fmt: skip


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """The store, opened to be read and closed at the end. Raises StoreError and its kinds."""
    connection = Connection.open(path, read_only=True, wait_s=_WAIT_S)
    try:
        yield Reader(connection, path)
    finally:
        connection.close()


def _where(workload: str | None, target: str | None) -> tuple[str, list[str]]:
    given = {"m.workload": workload, "m.target": target}
    named = {column: value for column, value in given.items() if value is not None}
    return " AND ".join(f"{column} = ?" for column in named) or "1", list(named.values())


def _decoded(read: Any, row: tuple[Any, ...]) -> Any:
    try:
        return read(row)
    except DecodeError:
        return None


def _text(value: object) -> str:
    """Text of a column that a stranger's store may have filled with anything."""
    return str(value).encode("utf-8", "replace").decode()


def _real(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
