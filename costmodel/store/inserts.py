"""Every INSERT: records into rows. Merging in any order gives the same rows."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict

from costmodel.records import Environment, Measurement, Schedule, TimingPolicy
from costmodel.store.codec import (
    check_samples,
    dumps,
    pack_features,
    printable,
    target_to_json,
    types_to_json,
)
from costmodel.store.entries import Document, Entry, FeaturesEntry, TargetEntry, WorkloadEntry

__all__ = ["TABLE", "insert", "insert_measurement", "insert_target", "insert_workload"]

#: The table that each kind of entry goes to.
TABLE: dict[type[Entry], str] = {
    WorkloadEntry: "workloads",
    TargetEntry: "targets",
    Document: "documents",
    Measurement: "measurements",
    FeaturesEntry: "features",
}

#: The rates of a target of which none was measured, as the table has them.
_UNMEASURED = dumps({"peak_flops": {}, "bandwidth": 0.0})


def insert(conn: sqlite3.Connection, entry: Entry) -> int:
    """Add an entry inside the transaction of ``conn``; returns 0 if it was known, else 1."""
    match entry:
        case WorkloadEntry():
            return insert_workload(conn, entry)
        case TargetEntry():
            return insert_target(conn, entry)
        case Document():
            return _insert_document(conn, entry)
        case Measurement():
            return insert_measurement(conn, entry)
        case FeaturesEntry():
            return _insert_features(conn, entry)


def insert_workload(conn: sqlite3.Connection, entry: WorkloadEntry) -> int:
    """Add a workload. Of two names for one text the earlier stays, whatever the order."""
    workload = entry.workload
    row = (
        workload.hash, workload.text, workload.function, dumps(types_to_json(workload.inputs)),
        dumps(types_to_json(workload.outputs)), entry.added,
    )  # fmt: skip
    added = conn.execute(
        "INSERT INTO workloads VALUES (?,?,?,?,?,?) ON CONFLICT (hash) DO NOTHING", row
    ).rowcount
    if not added:
        conn.execute(
            "UPDATE workloads SET function = ?3, inputs = ?4, outputs = ?5, added = ?6 "
            "WHERE hash = ?1 AND text = ?2 AND (added, function) > (?6, ?3)",
            row,
        )
    return added


def insert_target(conn: sqlite3.Connection, entry: TargetEntry) -> int:
    """Add a target; a known one takes the later rates, whatever the order.

    Rates that were not measured never take the place of those that were.
    """
    facts, rates = target_to_json(entry.target)
    row = (entry.target.hash, dumps(facts), dumps(rates), entry.updated)
    added = conn.execute(
        "INSERT INTO targets VALUES (?,?,?,?) ON CONFLICT (hash) DO NOTHING", row
    ).rowcount
    if not added:
        conn.execute(
            "UPDATE targets SET rates = ?3, updated = ?4 WHERE hash = ?1 AND facts = ?2 "
            "AND (rates != ?5, updated, rates) < (?3 != ?5, ?4, ?3)",
            (*row, _UNMEASURED),
        )
    return added


def _insert_document(conn: sqlite3.Connection, document: Document) -> int:
    """Add a document; the earlier import of the same one stays."""
    row = (
        document.id, document.name, document.kernel, document.device, document.header,
        document.added,
    )  # fmt: skip
    added = conn.execute(
        "INSERT INTO documents VALUES (?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING", row
    ).rowcount
    if not added:
        conn.execute(
            "UPDATE documents SET name = ?2, added = ?6 WHERE id = ?1 AND (added, name) > (?6, ?2)",
            row,
        )
    return added


def _insert_schedule(conn: sqlite3.Connection, schedule: Schedule) -> None:
    conn.execute(
        "INSERT INTO schedules VALUES (?,?,?) ON CONFLICT (hash) DO NOTHING",
        (schedule.hash, schedule.backend, schedule.text),
    )


def _insert_context(
    conn: sqlite3.Connection, environment: Environment, policy: TimingPolicy
) -> None:
    versions, machine = dict(environment.versions), dict(environment.machine)
    conn.execute(
        "INSERT INTO environments VALUES (?,?,?,?) ON CONFLICT (hash) DO NOTHING",
        (environment.hash, environment.toolchain, dumps(versions), dumps(machine)),
    )
    conn.execute(
        "INSERT INTO policies VALUES (?,?) ON CONFLICT (hash) DO NOTHING",
        (policy.hash, dumps(asdict(policy))),
    )


def insert_measurement(conn: sqlite3.Connection, measurement: Measurement) -> int:
    """Add a measurement with its schedule, environment and policy; 0 if its id is known.

    Raises ValueError for a sample that is not finite, or not above zero where the result was right.
    """
    check_samples(measurement.samples_us, measurement.outcome)
    known = conn.execute("SELECT 1 FROM measurements WHERE id = ?", (measurement.id,)).fetchone()
    if known:
        return 0
    _insert_schedule(conn, measurement.schedule)
    _insert_context(conn, measurement.environment, measurement.policy)
    timed = measurement.ok and measurement.samples_us
    worst = measurement.max_error
    values = (
        None,
        measurement.id,
        measurement.workload,
        measurement.schedule.hash,
        measurement.target,
        measurement.environment.hash,
        measurement.environment.toolchain,
        measurement.policy.hash,
        measurement.outcome.value,
        json.dumps(measurement.samples_us, separators=(",", ":"), allow_nan=False),
        measurement.latency_us if timed else None,
        measurement.timestamp,
        # A compiler's message may hold bytes that are no text.
        printable(measurement.error),
        measurement.build_seconds,
        measurement.run_seconds,
        None if worst is None else dumps(worst),
        dumps(dict(measurement.extra)),
    )
    places = ",".join("?" * len(values))
    return conn.execute(f"INSERT INTO measurements VALUES ({places})", values).rowcount


def _insert_features(conn: sqlite3.Connection, entry: FeaturesEntry) -> int:
    """Add a schedule's features; of two versions the greater bytes stay, whatever the order."""
    _insert_schedule(conn, entry.schedule)
    stores, width = entry.array.shape
    row = (
        entry.feature_set, entry.workload, entry.schedule.hash, stores, width,
        pack_features(entry.array),
    )  # fmt: skip
    added = conn.execute(
        "INSERT INTO features VALUES (?,?,?,?,?,?) "
        "ON CONFLICT (feature_set, workload, schedule) DO NOTHING",
        row,
    ).rowcount
    if not added:
        conn.execute(
            "UPDATE features SET stores = ?4, width = ?5, data = ?6 "
            "WHERE feature_set = ?1 AND workload = ?2 AND schedule = ?3 AND data < ?6",
            row,
        )
    return added
