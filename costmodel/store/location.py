"""Where the store is, and opening it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.errors import StoreError

if TYPE_CHECKING:
    from costmodel.store.sqlite import SQLiteStore

__all__ = ["MEMORY", "STORE_VARIABLE", "default_path", "open_store"]

#: The environment variable that names another default store.
STORE_VARIABLE = "COSTMODEL_STORE"

#: The path of a store that lives in memory and is gone when closed.
MEMORY = Path(":memory:")


def default_path() -> Path:
    """``$COSTMODEL_STORE`` if set, else ``store.sqlite`` in the user's data directory."""
    named = os.environ.get(STORE_VARIABLE)
    if named:
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_data_path("costmodel", appauthor=False) / "store.sqlite"


def open_store(
    path: Path | None = None,
    *,
    read_only: bool = False,
    wait_s: float = 30.0,
    rescue_dir: Path | None = None,
) -> SQLiteStore:
    """Open the store at ``path``, by default at ``default_path()``; create it if it is missing.

    With ``read_only`` nothing is created or upgraded: a default store that does not exist yet is
    an empty one, and a named one is an error. Without it a store that cannot be written is
    refused here rather than after the first measurement. ``wait_s`` is how long (seconds) to wait
    for other processes; ``rescue_dir`` is the first place for measurements that cannot be
    written (see ``costmodel.store.rescue``). ``:memory:`` is a store in memory.

    Raises StoreError, StoreCorruptError, StoreVersionError, StoreReadOnlyError, StoreLockedError
    and StoreFullError.
    """
    from costmodel.store.connection import Connection
    from costmodel.store.sqlite import SQLiteStore

    place = default_path() if path is None else path
    if place == MEMORY:
        return SQLiteStore(Connection.in_memory(), place, rescue_dir)
    if read_only and not os.path.lexists(place):
        if path is not None:
            raise StoreError(
                f"there is no store at {place}",
                hint="name an existing store with --store, or tune something first",
            )
        return SQLiteStore(Connection.in_memory(), place, rescue_dir)
    connection = Connection.open(place, read_only=read_only, wait_s=wait_s)
    return SQLiteStore(connection, place, rescue_dir)
