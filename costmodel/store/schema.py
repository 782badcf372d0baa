"""The tables and their migrations. A migration and its record share one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import cast

from sqlite_utils import Database
from sqlite_utils.db import Table
from sqlite_utils.migrations import Migrations

__all__ = ["MIGRATIONS", "migrate"]

MIGRATIONS = Migrations("costmodel")


def _table(db: Database, name: str) -> Table:
    return cast(Table, db[name])


@MIGRATIONS()
def m0001_measurements(db: Database) -> None:
    """Workloads, targets, environments, policies, schedules, measurements, features."""
    named = {"hash": str}
    _create(db, "workloads", named | {"text": str, "function": str, "inputs": str,
                                      "outputs": str, "added": float})  # fmt: skip
    _create(db, "targets", named | {"facts": str, "rates": str, "updated": float})
    _create(db, "environments", named | {"toolchain": str, "versions": str, "machine": str})
    _create(db, "policies", named | {"facts": str})
    _create(db, "schedules", named | {"backend": str, "text": str})
    columns = {
        "seq": int, "id": str, "workload": str, "schedule": str, "target": str,
        "environment": str, "toolchain": str, "policy": str, "outcome": str, "samples": str,
        "median_us": float, "timestamp": float, "error": str, "build_seconds": float,
        "run_seconds": float, "max_error": str, "extra": str,
    }  # fmt: skip
    parents = ("workload", "schedule", "target", "environment", "policy")
    measurements = _table(db, "measurements")
    measurements.create(
        columns,
        pk="seq",
        not_null=set(columns) - {"seq", "median_us", "max_error"},
        foreign_keys=[(name, _PARENT[name], "hash") for name in parents],
    )
    measurements.create_index(["id"], unique=True)
    measurements.create_index(["workload", "target", "timestamp"])
    # In the order in which `best` reads, and with all that it reads.
    measurements.create_index(
        ["workload", "target", "outcome", "median_us", "schedule", "toolchain", "policy"],
        index_name="idx_measurements_best",
    )
    measurements.create_index(["target", "outcome"])
    measurements.create_index(["schedule"])
    columns = {"feature_set": str, "workload": str, "schedule": str, "stores": int,
               "width": int, "data": bytes}  # fmt: skip
    _table(db, "features").create(
        columns,
        pk=("feature_set", "workload", "schedule"),
        not_null=set(columns),
        foreign_keys=[(name, _PARENT[name], "hash") for name in ("workload", "schedule")],
    )


_PARENT = {
    "workload": "workloads",
    "schedule": "schedules",
    "target": "targets",
    "environment": "environments",
    "policy": "policies",
}


@MIGRATIONS()
def m0002_documents(db: Database) -> None:
    """Other tools' result files, without their results."""
    columns = {"id": str, "name": str, "kernel": str, "device": str, "header": str,
               "added": float}  # fmt: skip
    _table(db, "documents").create(columns, pk="id", not_null=set(columns))


def _create(db: Database, name: str, columns: Mapping[str, type]) -> None:
    _table(db, name).create(dict(columns), pk="hash", not_null=set(columns))


def migrate(conn: sqlite3.Connection, *, application_id: int) -> None:
    """Apply what is missing and stamp the file. Call it inside a write transaction.

    ``Migrations.apply`` opens its own transactions with savepoints inside ours, so several
    processes that create one store at once wait for each other instead of failing.
    """
    MIGRATIONS.apply(Database(conn, execute_plugins=False))
    conn.execute(f"PRAGMA application_id = {application_id}")
    conn.execute(f"PRAGMA user_version = {len(MIGRATIONS.applied(Database(conn)))}")
