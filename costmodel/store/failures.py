"""What an SQLite failure means to the user: one function, so that it means the same everywhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from costmodel.errors import (
    CostModelError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreReadOnlyError,
)

__all__ = ["is_busy", "is_damage", "lacks_reference", "translated"]

#: A write that the system refused: no space, a quota, or a limit on the file's size (EFBIG).
_WRITE_FAILURES = {
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMMAP,
}
_READ_FAILURES = {
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
}

_REFERENCE = sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY


def _code(error: sqlite3.Error) -> int:
    """The extended result code; 0 where Python raised the error itself."""
    return getattr(error, "sqlite_errorcode", 0)


def _primary(error: sqlite3.Error) -> int:
    return _code(error) & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds what this one needs."""
    return _primary(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is not a database, or is damaged."""
    return (
        _primary(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        or _code(error) in _READ_FAILURES
    )


def lacks_reference(error: CostModelError) -> bool:
    """Whether a record was refused because the store lacks a workload or target it refers to."""
    cause = error.__cause__
    return isinstance(cause, sqlite3.Error) and _code(cause) == _REFERENCE


@contextmanager
def translated(path: object) -> Iterator[None]:
    """Raise our own error for any failure of SQLite on the store at ``path``."""
    try:
        yield
    except sqlite3.Error as error:
        raise _meaning(error, path) from error
    except UnicodeDecodeError as error:  # SQLite's own message quotes a damaged schema
        raise _damaged(path, "its schema is no text") from error


def _damaged(path: object, reason: object) -> StoreCorruptError:
    return StoreCorruptError(
        f"the store {path} is damaged ({reason})",
        hint="`costmodel cache verify` lists the damage; `costmodel cache export` saves what "
        "can still be read, to be imported into a new store",
    )


def _meaning(error: sqlite3.Error, path: object) -> CostModelError:
    primary = _primary(error)
    if is_busy(error):
        return StoreLockedError(
            f"another process is holding the store {path}",
            hint="wait for it to finish, or use another store with --store and merge it later",
        )
    if primary == sqlite3.SQLITE_FULL or _code(error) in _WRITE_FAILURES:
        return StoreFullError(
            f"the store {path} cannot grow: no space, a quota or a file-size limit ({error})",
            hint="free some space, or use a store on another disk with --store",
        )
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return StoreReadOnlyError(
            f"the store {path} cannot be written",
            hint="change its permissions, or use another store with --store",
        )
    if primary == sqlite3.SQLITE_NOTADB:
        return StoreCorruptError(
            f"{path} is not a measurement store: it is no SQLite database",
            hint="name another file with --store; if it was a store, restore it from a copy",
        )
    if is_damage(error) or primary == sqlite3.SQLITE_ERROR:  # a table or column is not there
        return _damaged(path, error)
    if primary == sqlite3.SQLITE_CANTOPEN:
        return StoreError(
            f"the store {path} cannot be opened", hint="check the path and its permissions"
        )
    if _code(error) == _REFERENCE:
        return StoreError(
            "a record refers to a workload or target that the store does not have",
            hint="add the workload and the target before what refers to them",
        )
    return StoreError(f"the store {path} failed: {error}")
