"""Reading every row of a table, past bad rows and damaged pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from costmodel.errors import StoreCorruptError
from costmodel.records import Schedule
from costmodel.store import rows
from costmodel.store.codec import DecodeError, decoding, unpack_features
from costmodel.store.connection import Connection
from costmodel.store.entries import FeaturesEntry

__all__ = ["DOCUMENTS", "FEATURES", "MEASUREMENTS", "TARGETS", "WORKLOADS", "Damage", "Scan"]

_T = TypeVar("_T", covariant=True)
_PAGE = 500


@dataclass(frozen=True)
class Damage:
    """Something that could not be read, as a sentence."""

    sentence: str


@dataclass(frozen=True)
class Scan(Generic[_T]):
    """How to read one table: ``columns`` of ``source`` (with the table as ``m``), by row id."""

    table: str
    columns: str
    source: str
    read: Callable[[tuple[Any, ...]], _T]

    def __call__(self, connection: Connection) -> Iterator[_T | Damage]:
        """Every row, or what is wrong with it."""
        numbers, damage = self._numbers(connection)
        if damage is not None:
            yield damage
        for start in range(0, len(numbers), _PAGE):
            page = numbers[start : start + _PAGE]
            try:
                found = self._fetch(connection, page)
            except StoreCorruptError:
                yield from self._one_by_one(connection, page)
            else:
                yield from map(self._decode, found)

    def _numbers(self, connection: Connection) -> tuple[range | list[int], Damage | None]:
        """The row ids; where they cannot be listed, all up to the greatest."""
        try:
            # The unary plus keeps SQLite from reading an index in place of the table.
            listed = connection.query(
                f"SELECT m.rowid FROM {self.table} m NOT INDEXED ORDER BY +m.rowid"
            )
            return [number for (number,) in listed], None
        except StoreCorruptError as error:
            damage = Damage(f"table {self.table}: {error.message}.")
        try:
            greatest = connection.query(f"SELECT max(rowid) FROM {self.table}")[0][0]
        except StoreCorruptError:
            return [], damage
        return range(1, (greatest or 0) + 1), damage

    def _fetch(self, connection: Connection, page: Iterable[int]) -> list[tuple[Any, ...]]:
        numbers = list(page)
        return connection.query(
            f"SELECT {self.columns} FROM {self.source} "
            f"WHERE m.rowid IN ({','.join('?' * len(numbers))}) ORDER BY m.rowid",
            numbers,
        )

    def _one_by_one(self, connection: Connection, page: Iterable[int]) -> Iterator[_T | Damage]:
        for number in page:
            try:
                yield from map(self._decode, self._fetch(connection, [number]))
            except StoreCorruptError:
                yield Damage(f"{self.table} row {number} is on a damaged page.")

    def _decode(self, row: tuple[Any, ...]) -> _T | Damage:
        try:
            return self.read(row)
        except DecodeError as error:
            return Damage(f"{error}.")


def _read_features(row: tuple[Any, ...]) -> FeaturesEntry:
    feature_set, workload, stores, width, data, hash, backend, text = row
    with decoding(f"features of schedule {hash}"):
        if text is None:
            raise ValueError("the schedule is missing")
        array = unpack_features(data, stores, width)
        return FeaturesEntry(feature_set, workload, Schedule(backend, text), array)


WORKLOADS = Scan("workloads", "m.*", "workloads m", rows.read_workload)
TARGETS = Scan("targets", "m.*", "targets m", rows.read_target)
DOCUMENTS = Scan("documents", "m.*", "documents m", rows.read_document)
MEASUREMENTS = Scan(
    "measurements", rows.MEASUREMENT_COLUMNS, rows.MEASUREMENT_SOURCE, rows.read_measurement
)
FEATURES = Scan(
    "features",
    "m.feature_set, m.workload, m.stores, m.width, m.data, m.schedule, s.backend, s.text",
    "features m LEFT JOIN schedules s ON s.hash = m.schedule",
    _read_features,
)
