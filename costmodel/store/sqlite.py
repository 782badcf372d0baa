"""The measurement store in one SQLite file."""

from __future__ import annotations

import contextlib
import shlex
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from costmodel.errors import (
    CostModelError,
    StoreError,
    StoreFullError,
)
from costmodel.records import Measurement, Schedule, Target, Workload
from costmodel.store import counts, inserts, rows, verify
from costmodel.store.best import find_best, improve_best
from costmodel.store.codec import DecodeError, unpack_features
from costmodel.store.connection import Connection
from costmodel.store.entries import Document, Entry, FeaturesEntry, TargetEntry, WorkloadEntry
from costmodel.store.failures import lacks_reference
from costmodel.store.rescue import Rescue

__all__ = ["BadRowWarning", "SQLiteStore"]

_T = TypeVar("_T")

#: Rows read at once, so that no read holds the file long and no result fills the memory.
_PAGE = 500

#: Entries added in one transaction when many are; other writers get their turn in between.
_BATCH = 1000


class BadRowWarning(UserWarning):
    """A row cannot be read and was left out."""


class SQLiteStore:
    """A MeasurementStore (see ``costmodel.store.base``); get one with ``open_store``.

    Threads may share a store; a forked process must open its own. A measurement that was added
    survives the death of the process at any moment.
    """

    def __init__(self, connection: Connection, path: Path, rescue_dir: Path | None = None) -> None:
        self.path = path
        self._connection = connection
        self._rescue = Rescue(rescue_dir)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Workloads, targets, documents

    def add_workload(self, workload: Workload) -> None:
        """Remember a workload's text; adding it again does nothing."""
        with self._connection.transaction() as conn:
            inserts.insert_workload(conn, WorkloadEntry(workload, time.time()))

    def workload(self, hash: str) -> Workload | None:
        """The workload of this hash, if it is known and sound."""
        entry = self._one("SELECT * FROM workloads WHERE hash = ?", hash, rows.read_workload)
        return None if entry is None else entry.workload

    def workloads(self) -> Iterator[Workload]:
        """Every workload, in the order of their hashes."""
        return (entry.workload for entry in self._all("workloads", rows.read_workload))

    def add_target(self, target: Target) -> None:
        """Remember a target's facts; the measured rates of a known target are refreshed."""
        with self._connection.transaction() as conn:
            inserts.insert_target(conn, TargetEntry(target, time.time()))

    def target(self, hash: str) -> Target | None:
        """The target of this hash, if it is known and sound."""
        entry = self._one("SELECT * FROM targets WHERE hash = ?", hash, rows.read_target)
        return None if entry is None else entry.target

    def targets(self) -> Iterator[Target]:
        """Every target, in the order of their hashes."""
        return (entry.target for entry in self._all("targets", rows.read_target))

    def documents(self) -> Iterator[Document]:
        """Every imported file of another tool, in the order of their ids."""
        return iter(self._all("documents", rows.read_document))

    # Measurements

    def add(self, measurements: Iterable[Measurement]) -> int:
        """Add measurements in one transaction; those whose ``id`` is known are left out.

        Returns the number added. Where the store cannot take them, whatever the reason, they go
        to a rescue file, and the error says where and how to import them: StoreFullError,
        StoreError and its kinds. A workload or target that was not added before is the caller's
        fault: a StoreError, and nothing is rescued, since nothing could import it.
        """
        batch = list(measurements)
        try:
            with self._connection.transaction() as conn:
                return sum(inserts.insert_measurement(conn, each) for each in batch)
        except (StoreError, StoreFullError) as error:
            if lacks_reference(error) or not batch:
                raise
            self._save_elsewhere(batch, error)

    def measurements(
        self,
        *,
        workload: str | None = None,
        target: str | None = None,
        backend: str | None = None,
        toolchain: str | None = None,
        policy: str | None = None,
    ) -> Iterator[Measurement]:
        """Those that match every given field, oldest first. A bad row is a miss with a warning.

        What is added while iterating is not part of it.
        """
        where, parameters = _where(workload, target, backend, toolchain, policy)
        found = self._connection.query(
            "SELECT m.seq FROM measurements m LEFT JOIN schedules s ON s.hash = m.schedule "
            f"WHERE {where} ORDER BY m.timestamp, m.seq",
            parameters,
        )
        numbers = iter([seq for (seq,) in found])
        while page := list(islice(numbers, _PAGE)):
            yield from self._read(page)

    def with_id(self, prefix: str) -> list[Measurement]:
        """Measurements whose ids begin so: that of just this id, where there is one, and others.

        A few at the most, in the order of their ids.
        """
        found = self._connection.query(
            "SELECT seq FROM measurements WHERE id >= ?1 AND substr(id, 1, ?2) = ?1 "
            "ORDER BY id LIMIT 3",
            [prefix, len(prefix)],
        )
        return self._read([seq for (seq,) in found])

    def best(
        self,
        *,
        workload: str,
        target: str,
        backend: str | None = None,
        toolchain: str | None = None,
        policy: str | None = None,
    ) -> Measurement | None:
        """The fastest correct measurement, by the median over all samples of its key.

        A key that ever gave a wrong result does not count as correct.
        """
        found = self.best_known(
            workload=workload, target=target, backend=backend, toolchain=toolchain, policy=policy
        )
        return None if found is None else found[1]

    def best_known(
        self,
        *,
        workload: str,
        target: str,
        backend: str | None = None,
        toolchain: str | None = None,
        policy: str | None = None,
    ) -> tuple[float, Measurement] | None:
        """As ``best``, with the median over all samples of its key in microseconds."""
        where, parameters = _where(workload, target, backend, toolchain, policy)
        return find_best(self._connection, self._read, where, parameters)

    def best_since(
        self,
        known: tuple[float, Measurement] | None,
        number: int,
        *,
        workload: str,
        target: str,
        **key: str | None,
    ) -> tuple[float, Measurement] | None:
        """As ``best_known``, which said ``known`` when the newest of all had this ``number``.

        It looks only at what was added since: measurements are never taken away.
        """
        where, parameters = _where(workload, target, **key)
        return improve_best(self._connection, self._read, where, parameters, known, number)

    def newest(self) -> int:
        """The number of the measurement that was added last, of anything; 0 where there is none."""
        return int(self._connection.query("SELECT max(seq) FROM measurements")[0][0] or 0)

    def added_after(
        self, number: int, *, workload: str, target: str
    ) -> tuple[int, list[Measurement]]:
        """Those of a workload on a target that were added after the ``number`` of an earlier call.

        Oldest first, with the number for the next call; 0 is the beginning.
        """
        found = self._connection.query(
            f"SELECT seq FROM measurements {counts.way(number)} "
            "WHERE workload = ? AND target = ? AND seq > ? ORDER BY timestamp, seq",
            [workload, target, number],
        )
        numbers = [seq for (seq,) in found]
        return max(numbers, default=number), self._read(numbers)

    def version(self) -> int:
        """Differs after another connection has changed the file; takes microseconds."""
        return int(self._connection.query("PRAGMA data_version")[0][0])

    def _read(self, numbers: Sequence[int]) -> list[Measurement]:
        """The measurements of these ``seq``, in that order, without the bad ones."""
        found: dict[int, tuple[Any, ...]] = {}
        for start in range(0, len(numbers), _PAGE):
            page = numbers[start : start + _PAGE]
            for row in self._connection.query(
                f"SELECT {rows.MEASUREMENT_COLUMNS} FROM {rows.MEASUREMENT_SOURCE} "
                f"WHERE m.seq IN ({','.join('?' * len(page))})",
                page,
            ):
                found[row[0]] = row
        ordered = [found[number] for number in numbers if number in found]
        return self._decode(ordered, rows.read_measurement)

    # Features

    def add_features(
        self, feature_set: str, workload: str, rows: Sequence[tuple[Schedule, NDArray[np.float32]]]
    ) -> None:
        """Keep the features of schedules, each float32 of shape (stores, width)."""
        self.ingest(FeaturesEntry(feature_set, workload, each, array) for each, array in rows)

    def features(
        self, feature_set: str, *, workload: str | None = None
    ) -> Iterator[tuple[str, str, NDArray[np.float32]]]:
        """Workload hash, schedule hash, float32 array of shape (stores, width)."""
        condition = "" if workload is None else " AND workload = ?"
        names = self._connection.query(
            f"SELECT rowid FROM features WHERE feature_set = ?{condition} "
            "ORDER BY workload, schedule",
            [feature_set] if workload is None else [feature_set, workload],
        )
        for start in range(0, len(names), _PAGE):
            page = [rowid for (rowid,) in names[start : start + _PAGE]]
            found = self._connection.query(
                "SELECT workload, schedule, data, stores, width FROM features "
                f"WHERE rowid IN ({','.join('?' * len(page))}) ORDER BY workload, schedule",
                page,
            )
            yield from self._decode(found, lambda row: (row[0], row[1], unpack_features(*row[2:])))

    # The whole of it

    def ingest(self, entries: Iterable[Entry]) -> dict[str, int]:
        """Add entries of any kind, in short transactions; those that are known are left out.

        Returns the number added of each kind. What refers to a workload or target must come
        after it. Raises as ``add`` does.
        """
        added: dict[str, int] = dict.fromkeys(inserts.TABLE.values(), 0)
        remaining = iter(entries)
        while batch := list(islice(remaining, _BATCH)):
            fresh = dict.fromkeys(added, 0)
            with self._connection.transaction() as conn:
                for entry in batch:
                    fresh[inserts.TABLE[type(entry)]] += inserts.insert(conn, entry)
            for kind, count in fresh.items():
                added[kind] += count
        return added

    def add_groups(self, groups: Sequence[Sequence[Entry]]) -> list[int]:
        """Add entries of several givers in one transaction: all of them, or none.

        Returns how many of each giver's measurements were new. Raises StoreError and its kinds,
        StoreFullError; nothing is rescued, since the givers still have what they gave.
        """
        with self._connection.transaction() as conn:
            added = [[(entry, inserts.insert(conn, entry)) for entry in group] for group in groups]
        return [sum(new for entry, new in group if isinstance(entry, Measurement))
                for group in added]  # fmt: skip

    def entries(self) -> Iterator[Entry]:
        """Everything that can be read, each after what it refers to; see ``costmodel.store.dump``.

        Damaged pages and bad rows are left out with a warning.
        """
        from costmodel.store.dump import dump

        return dump(self._connection, self._warn)

    def extract(
        self, workload: str, target: str, *, others: int = 0, each: int = 0
    ) -> Iterator[Entry]:
        """What a run on a workload and a target can use; see ``costmodel.store.extract``."""
        from costmodel.store.extract import extract

        return extract(self._connection, workload, target, others=others, each=each)

    def stats(self) -> Mapping[str, Any]:
        """Counts by workload, target, backend and outcome; size in bytes; schema version."""
        return counts.stats(self._connection, self.path)

    def outcomes(
        self, workload: str, target: str, *, after: int = 0, until: int | None = None
    ) -> dict[str, int]:
        """How many measurements of a workload on a target ended how.

        Of those with numbers over ``after``, and up to ``until``, as ``newest`` gives them.
        """
        return counts.outcomes(self._connection, workload, target, after, until)

    def verify(self) -> list[str]:
        """Every damage found, one sentence each; empty for a sound store."""
        return verify.find_damage(self._connection)

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self._connection.close()

    # Parts

    def _one(self, sql: str, key: str, read: Callable[[tuple[Any, ...]], _T]) -> _T | None:
        found = self._decode(self._connection.query(sql, [key]), read)
        return found[0] if found else None

    def _all(self, table: str, read: Callable[[tuple[Any, ...]], _T]) -> list[_T]:
        return self._decode(self._connection.query(f"SELECT * FROM {table} ORDER BY 1"), read)

    def _decode(
        self, found: Iterable[tuple[Any, ...]], read: Callable[[tuple[Any, ...]], _T]
    ) -> list[_T]:
        good, bad = [], []
        for row in found:
            try:
                good.append(read(row))
            except DecodeError as error:
                bad.append(str(error))
        self._warn(bad)
        return good

    def _warn(self, bad: Sequence[str]) -> None:
        if bad:
            rest = "" if len(bad) == 1 else f" (and {len(bad) - 1} more)"
            warnings.warn(
                f"left out what cannot be read in {self.path}: {bad[0]}{rest}; "
                "`costmodel cache verify` lists it all",
                BadRowWarning,
                stacklevel=3,
            )

    def _context(self, batch: Sequence[Measurement]) -> list[Entry]:
        """The workloads and targets of measurements, as far as they can still be read."""
        found: list[Entry] = []
        now = time.time()
        with contextlib.suppress(StoreError, StoreFullError):
            for hash in dict.fromkeys(each.workload for each in batch):
                workload = self.workload(hash)
                found += [] if workload is None else [WorkloadEntry(workload, now)]
            for hash in dict.fromkeys(each.target for each in batch):
                target = self.target(hash)
                found += [] if target is None else [TargetEntry(target, now)]
        return found

    def _save_elsewhere(self, batch: Sequence[Measurement], error: CostModelError) -> NoReturn:
        """Put measurements in a rescue file and raise ``error`` with the place."""
        lost = self._rescue.write([*self._context(batch), *batch])
        count = len(batch) - sum(isinstance(entry, Measurement) for entry in lost)
        files = shlex.join(map(str, self._rescue.files))
        message = f"{error.message}; {count} of {len(batch)} measurements were put in {files}"
        if not count:
            message = f"{error.message}; no place was found for {len(batch)} measurements"
        hint = (
            error.hint
            if not files
            else f"then run: {_import_command(self._rescue.files, self.path)}"
        )
        raise type(error)(message, hint=hint) from error


def _import_command(files: Sequence[Path], store: Path) -> str:
    return shlex.join(["costmodel", "cache", "import", *map(str, files), "--store", str(store)])


def _where(
    workload: str | None,
    target: str | None,
    backend: str | None = None,
    toolchain: str | None = None,
    policy: str | None = None,
) -> tuple[str, list[str]]:
    """A condition on measurements ``m`` and schedules ``s``, and its parameters."""
    wanted = {
        "m.workload": workload,
        "m.target": target,
        "s.backend": backend,
        "m.toolchain": toolchain,
        "m.policy": policy,
    }
    given = {column: value for column, value in wanted.items() if value is not None}
    return " AND ".join(f"{column} = ?" for column in given) or "1", list(given.values())
