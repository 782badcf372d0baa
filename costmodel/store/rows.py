"""Records as rows: every INSERT, and what a row must be to become a record again."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from typing import Any

from costmodel.records import Environment, Measurement, Schedule, Target, TimingPolicy
from costmodel.store.codec import (
    DecodeError,
    decoding,
    dumps,
    measurement_from_json,
    pack_features,
    target_from_json,
    target_to_json,
    types_to_json,
    workload_from_json,
)
from costmodel.store.entries import Document, FeaturesEntry, TargetEntry, WorkloadEntry

__all__ = [
    "MEASUREMENT_COLUMNS",
    "MEASUREMENT_SOURCE",
    "insert_document",
    "insert_features",
    "insert_measurement",
    "insert_target",
    "insert_workload",
    "read_document",
    "read_measurement",
    "read_target",
    "read_workload",
]


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
    """Add a target; a known one takes the later rates, whatever the order."""
    facts, rates = target_to_json(entry.target)
    row = (entry.target.hash, dumps(facts), dumps(rates), entry.updated)
    added = conn.execute(
        "INSERT INTO targets VALUES (?,?,?,?) ON CONFLICT (hash) DO NOTHING", row
    ).rowcount
    if not added:
        conn.execute(
            "UPDATE targets SET rates = ?3, updated = ?4 "
            "WHERE hash = ?1 AND facts = ?2 AND (updated, rates) < (?4, ?3)",
            row,
        )
    return added


def insert_document(conn: sqlite3.Connection, document: Document) -> int:
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

    Raises ValueError for a sample that is not finite.
    """
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
        measurement.error.encode("utf-8", "backslashreplace").decode(),
        measurement.build_seconds,
        measurement.run_seconds,
        None if worst is None else dumps(worst),
        dumps(dict(measurement.extra)),
    )
    places = ",".join("?" * len(values))
    return conn.execute(f"INSERT INTO measurements VALUES ({places})", values).rowcount


def insert_features(conn: sqlite3.Connection, entry: FeaturesEntry) -> int:
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


def read_workload(row: tuple[Any, ...]) -> WorkloadEntry:
    """From ``SELECT * FROM workloads``; raises DecodeError."""
    hash, text, function, inputs, outputs, added = row
    with decoding(f"workload {hash}"):
        fields = {
            "text": text, "function": function,
            "inputs": json.loads(inputs), "outputs": json.loads(outputs),
        }  # fmt: skip
        return WorkloadEntry(workload_from_json(hash, fields), float(added))


def read_target(row: tuple[Any, ...]) -> TargetEntry:
    """From ``SELECT * FROM targets``; raises DecodeError."""
    hash, facts, rates, updated = row
    with decoding(f"target {hash}"):
        target: Target = target_from_json(hash, json.loads(facts), json.loads(rates))
        return TargetEntry(target, float(updated))


def read_document(row: tuple[Any, ...]) -> Document:
    """From ``SELECT * FROM documents``; raises DecodeError."""
    document = Document(*row)
    with decoding(f"document {document.id}"):
        if not isinstance(json.loads(document.header), dict):
            raise ValueError("its header is not an object")
    return document


#: A row of these columns from this source becomes a Measurement; a missing part is a NULL.
MEASUREMENT_SOURCE = (
    "measurements m LEFT JOIN schedules s ON s.hash = m.schedule "
    "LEFT JOIN environments e ON e.hash = m.environment "
    "LEFT JOIN policies p ON p.hash = m.policy"
)
MEASUREMENT_COLUMNS = (
    "m.seq, m.id, m.workload, m.target, m.outcome, m.samples, m.timestamp, m.error, "
    "m.build_seconds, m.run_seconds, m.max_error, m.extra, m.schedule, s.backend, s.text, "
    "e.versions, e.machine, p.facts"
)


def read_measurement(row: tuple[Any, ...]) -> Measurement:
    """From ``MEASUREMENT_COLUMNS``; raises DecodeError, saying what is wrong with the row."""
    (_, id, workload, target, outcome, samples, timestamp, error, build_seconds, run_seconds,
     max_error, extra, schedule, backend, text, versions, machine, policy) = row  # fmt: skip
    what = f"measurement {id}"
    for name, part in [("schedule", text), ("environment", versions), ("policy", policy)]:
        if part is None:
            raise DecodeError(f"{what}: its {name} is missing")
    with decoding(what):
        measurement = measurement_from_json({
            "id": id, "workload": workload, "target": target, "outcome": outcome,
            "samples_us": json.loads(samples), "timestamp": timestamp, "error": error,
            "build_seconds": build_seconds, "run_seconds": run_seconds,
            "max_error": None if max_error is None else json.loads(max_error),
            "extra": json.loads(extra), "schedule": {"backend": backend, "text": text},
            "environment": {"versions": json.loads(versions), "machine": json.loads(machine)},
            "policy": json.loads(policy),
        })  # fmt: skip
        if measurement.schedule.hash != schedule:
            raise ValueError("the SHA-256 of its schedule is not the schedule's hash")
        return measurement
