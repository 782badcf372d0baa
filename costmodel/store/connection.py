"""One SQLite connection: opening it safely, waiting for others, short transactions."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from costmodel.errors import (
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreVersionError,
)
from costmodel.store.failures import is_busy, is_damage, translated

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "Connection"]

#: ``PRAGMA application_id`` of a store ("cost" in ASCII), which tells it from other databases.
APPLICATION_ID = 0x636F7374

#: ``PRAGMA user_version``: how many migrations this version of costmodel knows.
SCHEMA_VERSION = 2

_T = TypeVar("_T")
_Row = tuple[Any, ...]


class Connection:
    """A connection with our errors and waits. Threads may share it: each call takes its lock."""

    def __init__(self, conn: sqlite3.Connection, path: object, wait_s: float) -> None:
        self._conn = conn
        self._path = path
        self._wait_s = wait_s
        self._lock = threading.RLock()
        self._copy: tempfile.TemporaryDirectory[str] | None = None

    @classmethod
    def in_memory(cls) -> Self:
        """An empty store that is gone when closed."""
        opened = cls(_connect(":memory:", 0.0), ":memory:", 0.0)
        opened._upgrade()
        return opened

    @classmethod
    def open(cls, path: Path, *, read_only: bool, wait_s: float) -> Self:
        """Open the file at ``path``, creating and upgrading it unless ``read_only``."""
        _check_file(path)
        with translated(path):
            opened = cls._open_to_read(path, wait_s) if read_only else cls._open(path, wait_s)
            try:
                opened._prepare(read_only)
            except BaseException:
                opened.close()
                raise
        return opened

    @classmethod
    def _open(cls, path: Path, wait_s: float) -> Self:
        _check_writable(path)
        return cls(_connect(f"{path.absolute().as_uri()}?mode=rwc", wait_s), path, wait_s)

    @classmethod
    def _open_to_read(cls, path: Path, wait_s: float) -> Self:
        """Open without writing, also where SQLite cannot make its side files (-wal, -shm)."""
        uri = path.absolute().as_uri()
        opened = cls(_connect(f"{uri}?mode=ro", wait_s), path, wait_s)
        try:
            opened.query("PRAGMA schema_version")
            return opened
        except (StoreError, StoreFullError) as error:
            opened.close()
            cause = error.__cause__
            if not isinstance(cause, sqlite3.Error) or is_damage(cause) or is_busy(cause):
                raise
        log = path.with_name(path.name + "-wal")
        if not log.exists() or log.stat().st_size == 0:
            return cls(_connect(f"{uri}?immutable=1", wait_s), path, wait_s)
        # `immutable` would leave out what a killed run left in the log: read a copy of both.
        copy = tempfile.TemporaryDirectory(prefix="costmodel-store-")
        for source in (path, log):
            shutil.copyfile(source, Path(copy.name) / source.name)
        opened = cls(_connect((Path(copy.name) / path.name).as_uri(), wait_s), path, wait_s)
        opened._copy = copy
        return opened

    def _prepare(self, read_only: bool) -> None:
        """Check that it is a store of a version we know; create or upgrade it."""
        application = self.query("PRAGMA application_id")[0][0]
        version = self.query("PRAGMA user_version")[0][0]
        tables = self.query("SELECT count(*) FROM sqlite_master")[0][0]
        if tables and application != APPLICATION_ID:
            raise StoreCorruptError(
                f"{self._path} is an SQLite database, but not a measurement store",
                hint="name another file with --store",
            )
        if version > SCHEMA_VERSION:
            raise StoreVersionError(
                f"the store {self._path} has schema version {version}, and this costmodel knows "
                f"versions up to {SCHEMA_VERSION}",
                hint="update costmodel, or name another store with --store",
            )
        if read_only:
            if version < SCHEMA_VERSION:
                self._upgrade_copy()
            return
        if not tables:  # a page holds several measurements with all their samples
            self._conn.execute("PRAGMA page_size = 8192")
        # Durable against a killed process; a power cut may cost the last moments, never the file.
        self._retry(lambda: self._conn.execute("PRAGMA journal_mode = WAL").fetchone())
        self._conn.execute("PRAGMA synchronous = NORMAL")
        if version < SCHEMA_VERSION:
            self._upgrade()

    def _upgrade(self) -> None:
        from costmodel.store.schema import migrate

        with self.transaction() as conn:
            migrate(conn, application_id=APPLICATION_ID)

    def _upgrade_copy(self) -> None:
        """Upgrade a copy in memory, since the file may not be written."""
        copy = _connect(":memory:", 0.0)
        self._conn.backup(copy)
        self._conn.close()
        self._conn = copy
        self._upgrade()

    def _retry(self, action: Callable[[], _T]) -> _T:
        """Do ``action`` again while others hold the store, until the wait is over.

        SQLite's own wait covers most cases, but not all: switching a new file to WAL and
        upgrading a stale snapshot report "busy" at once.
        """
        deadline = time.monotonic() + self._wait_s
        while True:
            try:
                return action()
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() >= deadline:
                    raise
            time.sleep(random.uniform(0.002, 0.05))

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[_Row]:
        """All rows of a SELECT or PRAGMA; raises StoreError's family."""
        with self._lock, translated(self._path):
            return self._retry(lambda: self._conn.execute(sql, parameters).fetchall())

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction, begun at once so that two writers wait and never collide."""
        with self._lock, translated(self._path):
            self._retry(lambda: self._conn.execute("BEGIN IMMEDIATE"))
            try:
                yield self._conn
                self._retry(lambda: self._conn.execute("COMMIT"))
            except BaseException:
                if self._conn.in_transaction:
                    # SQLite rolls back by itself if this fails too; the first error says why.
                    with contextlib.suppress(sqlite3.Error):
                        self._conn.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close; closing twice does nothing."""
        with self._lock:
            self._conn.close()
            if self._copy is not None:
                self._copy.cleanup()
                self._copy = None


def _connect(uri: str, wait_s: float) -> sqlite3.Connection:
    conn = sqlite3.connect(
        uri,
        uri=uri.startswith("file:"),
        timeout=min(wait_s, 5.0),
        isolation_level=None,  # transactions are ours alone
        check_same_thread=False,
    )
    # Damaged text must not stop a query; what reads the row refuses the escapes in it.
    conn.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    conn.execute("PRAGMA foreign_keys = ON")
    return conn


def _check_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise StoreError(
                f"{path} is a directory, not a store", hint="name a file in it with --store"
            )
        if path.exists() and not path.is_file():
            raise StoreError(f"{path} is not a regular file", hint="name a file with --store")
        if path.exists() and not _access(path, os.R_OK):
            raise StoreError(f"no permission to read {path}", hint="change its permissions")
    except OSError as error:
        raise StoreError(f"{path} cannot be a store: {error.strerror}") from error


def _check_writable(path: Path) -> None:
    """SQLite would silently open for reading, and fail only after the first measurement.

    Asked of the system and not tried: closing a second descriptor of a database file would drop
    this process's locks on it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except PermissionError as error:
        raise StoreReadOnlyError(
            f"no permission to create {path.parent}", hint="name another store with --store"
        ) from error
    except (FileExistsError, NotADirectoryError) as error:
        raise StoreError(f"{path.parent} is not a directory", hint="check --store") from error
    except OSError as error:
        raise StoreError(f"{path.parent} cannot be created: {error.strerror}") from error
    for place in [path, path.parent] if path.exists() else [path.parent]:
        if not _access(place, os.W_OK):
            kind = "file" if place is path else "directory"
            raise StoreReadOnlyError(
                f"the store {path} cannot be written: its {kind} is read-only",
                hint="change its permissions, or name another store with --store",
            )


def _access(path: Path, mode: int) -> bool:
    effective = os.access in os.supports_effective_ids
    return os.access(path, mode, effective_ids=effective)
