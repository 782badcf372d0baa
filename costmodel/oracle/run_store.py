"""Reads the store of a run that has ended. Strangers could write it: nothing in it is believed."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from costmodel.errors import StoreError
from costmodel.records import Measurement
from costmodel.store.codec import DecodeError
from costmodel.store.connection import APPLICATION_ID, SCHEMA_VERSION, Connection
from costmodel.store.rows import MEASUREMENT_COLUMNS, MEASUREMENT_SOURCE, read_measurement

__all__ = ["left_behind"]

_log = logging.getLogger(__name__)

#: Seconds that reading may take in all, and steps of SQLite's between looks at the clock.
_SECONDS, _STEPS = 30.0, 10_000
#: Seconds to wait for a lock, which nobody should have any more.
_WAIT_S = 1.0
#: Bytes that its files may have each (SQLite reads some whole before it looks at any clock), and
#: one row; rows read at once.
_FILE_BYTES, _ROW_BYTES, _PAGE = 1 << 30, 4 << 20, 50
_BESIDE = ("", "-wal", "-shm", "-journal")
_SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name LIMIT ?"


def left_behind(path: Path, workload: str, target: str, most: int) -> Iterator[list[Measurement]]:
    """The last ``most`` measurements of a workload on a target, in their order, some at a time.

    None where there is no store. Raises StoreError, which says why but not where, for one that is
    not as this version of costmodel makes them, and for one that takes too long to read. Rows that
    are wrong are left out with a warning.
    """
    if not os.path.lexists(path):
        return
    for ending in _BESIDE:
        _check_file(path, ending)
    try:
        with closing(_connect(path)) as conn:
            clock = _Clock(conn)
            with clock:
                known = _is_store(conn)
            numbers: list[int] = []
            if known:
                with clock:
                    numbers = [
                        number for (number,) in conn.execute(
                            "SELECT seq FROM measurements WHERE workload = ? AND target = ? "
                            "ORDER BY seq DESC LIMIT ?", (workload, target, most),
                        )
                    ]  # fmt: skip
            numbers.reverse()
            for start in range(0, len(numbers), _PAGE):
                with clock:
                    page = _read(conn, numbers[start : start + _PAGE])
                yield [one for one in page if (one.workload, one.target) == (workload, target)]
    except sqlite3.Error as error:
        raise StoreError(f"its store cannot be read: {error}") from error


def _check_file(path: Path, ending: str) -> None:
    """SQLite would follow a link, and wait for a pipe."""
    try:
        found = os.lstat(f"{path}{ending}")
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"its store{ending} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"its store{ending} is no file")
    if found.st_size > _FILE_BYTES:
        raise StoreError(f"its store{ending} has more than {_FILE_BYTES >> 20} MiB")


def _connect(path: Path) -> sqlite3.Connection:
    conn = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAIT_S, isolation_level=None,
        check_same_thread=False,
    )  # fmt: skip
    conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _ROW_BYTES)
    conn.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    return conn


class _Clock:
    """Interrupts a connection when the time spent within has come to _SECONDS."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._left, self._until = _SECONDS, 0.0
        conn.set_progress_handler(lambda: time.monotonic() >= self._until, _STEPS)

    def __enter__(self) -> None:
        self._until = time.monotonic() + self._left

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._left = self._until - time.monotonic()
        if isinstance(error, sqlite3.OperationalError) and self._left <= 0:
            raise StoreError(f"its store takes more than {_SECONDS:g} s to read") from error


def _is_store(conn: sqlite3.Connection) -> bool:
    """Whether it has anything. Raises StoreError for what is no store of today's.

    Nothing is upgraded, which would take a copy of all of it. A view in a table's place could go
    on for ever, and a column that is computed do what it likes, so that every word has to agree.
    """
    ((application,),) = conn.execute("PRAGMA application_id").fetchall()
    ((version,),) = conn.execute("PRAGMA user_version").fetchall()
    with closing(Connection.in_memory()) as new:
        today = new.query(_SCHEMA, [-1])
    found = conn.execute(_SCHEMA, [len(today) + 1]).fetchall()
    if not found:
        return False
    if application != APPLICATION_ID or version != SCHEMA_VERSION:
        raise StoreError(f"its store is none of the version {SCHEMA_VERSION}")
    if found != today:
        raise StoreError("its store has other tables than a store has")
    return True


def _read(conn: sqlite3.Connection, numbers: list[int]) -> list[Measurement]:
    rows: dict[int, tuple[Any, ...]] = {
        row[0]: row for row in conn.execute(
            f"SELECT {MEASUREMENT_COLUMNS} FROM {MEASUREMENT_SOURCE} "
            f"WHERE m.seq IN ({','.join('?' * len(numbers))}) LIMIT {_PAGE}", numbers,
        )
    }  # fmt: skip
    good = []
    for number in numbers:
        try:
            good += [read_measurement(rows[number])] if number in rows else []
        except DecodeError as error:
            _log.warning("a measurement of a run is left out: %s", error)
    return good
