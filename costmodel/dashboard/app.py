"""Datasette on the store, with our plug-in: the ASGI application."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from datasette.app import Datasette
from datasette.database import Database
from datasette.plugins import pm

from costmodel.dashboard import plugin
from costmodel.dashboard.guard import Hosts, guarded
from costmodel.dashboard.pages import Board
from costmodel.dashboard.predicted import Model
from costmodel.store import open_store

__all__ = ["Dashboard", "make_dashboard"]

#: Under which name the raw tables are found.
DATABASE = "store"
_HERE = Path(__file__).parent
_SETTINGS = {
    "allow_download": False,
    "default_cache_ttl": 0,  # a page shows what is there now
    "default_page_size": 50,
    "sql_time_limit_ms": 2000,
    "suggest_facets": False,
    "truncate_cells_html": 160,
}
_METADATA = {
    "title": "costmodel",
    "extra_css_urls": ["/board/raw.css"],
    "databases": {
        DATABASE: {
            "description": "The measurement store as it is: every table, and SQL that reads.",
            "tables": {
                "measurements": {
                    "description": "Every measurement ever made; samples and median in "
                    "microseconds, timestamp in seconds of the epoch (UTC).",
                    "sort_desc": "seq",
                },
                "schedules": {"description": "What was decided, as the backend can replay it."},
                "workloads": {"description": "Canonical MLIR texts.", "label_column": "function"},
                "targets": {"description": "Devices, by measurable facts."},
                "environments": {"description": "Versions and the machine's state."},
                "policies": {"description": "How candidates were timed."},
                "features": {"description": "What cost models learn schedules from (packed)."},
                "documents": {"description": "Other tools' result files that were imported."},
                "_sqlite_migrations": {"hidden": True},
            },
        }
    },
}


class _StoreDatabase(Database):  # type: ignore[misc]
    """The store's file, also where SQLite cannot make its side files beside it."""

    async def execute(self, *arguments: Any, **options: Any) -> Any:
        """Whoever mistypes SQL reads it on the page: it is no matter for the terminal."""
        return await super().execute(*arguments, **options | {"log_sql_errors": False})

    def connect(self, write: bool = False) -> Any:
        assert not write
        connection = super().connect()
        try:
            connection.execute("PRAGMA schema_version")
        except sqlite3.OperationalError:
            self._all_file_connections.remove(connection)
            connection.close()
            connection = sqlite3.connect(
                f"{Path(self.path).as_uri()}?immutable=1", uri=True, check_same_thread=False
            )
            self._all_file_connections.append(connection)
        return connection


class Dashboard(Datasette):  # type: ignore[misc]
    """Datasette with the board whose pages our plug-in shows; ``close`` it at the end."""

    def __init__(self, path: Path, board: Board, hosts: Hosts) -> None:
        self.board, self._hosts = board, hosts
        super().__init__(
            [], memory=False, metadata=_METADATA, settings=_SETTINGS,
            template_dir=str(_HERE / "templates"),
            static_mounts=[("board", str(_HERE / "static"))],
        )  # fmt: skip
        self.remove_database("_memory")
        self.add_database(_StoreDatabase(self, str(path.absolute())), name=DATABASE)

    def app(self) -> Any:
        """The application, guarded."""
        return guarded(super().app(), self._hosts)

    def close(self) -> None:
        """Close the file and end the process that asks the model."""
        self.board.close()
        self.executor.shutdown(wait=True)
        for database in self.databases.values():
            database.close()


def make_dashboard(
    path: Path, *, weights: Path | None = None, hosts: Hosts | None = None, patience_s: float = 2.5
) -> Dashboard:
    """The application on the store at ``path``. Raises StoreError and its kinds.

    ``weights`` is the folder of the trained model, by default that of the package; a page waits
    ``patience_s`` seconds for it. Datasette's other plug-ins are left out of the process: they may
    write.
    """
    open_store(path, read_only=True).close()
    for other, _ in pm.list_plugin_distinfo():
        if pm.is_registered(other):
            pm.unregister(other)
    if not pm.is_registered(plugin):
        pm.register(plugin, "costmodel")
        pm.unregister(name="datasette.handle_exception")
    board = Board(path, Model(weights), patience_s=patience_s)
    return Dashboard(path, board, hosts or Hosts())
