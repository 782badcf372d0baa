"""What a row must be to become a record again."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from costmodel.records import Environment, Measurement, Schedule, TimingPolicy
from costmodel.store.codec import (
    DecodeError,
    assemble,
    decoding,
    environment_from_json,
    real,
    target_from_json,
    text,
    workload_from_json,
)
from costmodel.store.entries import Document, TargetEntry, WorkloadEntry

__all__ = [
    "MEASUREMENT_COLUMNS",
    "MEASUREMENT_SOURCE",
    "read_document",
    "read_measurement",
    "read_target",
    "read_workload",
]


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
        target = target_from_json(hash, json.loads(facts), json.loads(rates))
        return TargetEntry(target, float(updated))


def read_document(row: tuple[Any, ...]) -> Document:
    """From ``SELECT * FROM documents``; raises DecodeError."""
    document = Document(*row)
    with decoding(f"document {document.id}"):
        for value in row[:5]:
            text(value)
        real(document.added)
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
        fields = {
            "id": id, "workload": workload, "target": target, "outcome": outcome,
            "samples_us": json.loads(samples), "timestamp": timestamp, "error": error,
            "build_seconds": build_seconds, "run_seconds": run_seconds,
            "max_error": None if max_error is None else json.loads(max_error),
            "extra": json.loads(extra),
        }  # fmt: skip
        replayed = Schedule(backend, text)
        if replayed.hash != schedule:
            raise ValueError("the SHA-256 of its schedule is not the schedule's hash")
        return assemble(fields, replayed, _environment(versions, machine), _policy(policy))


# Thousands of rows share a few of these, and their hashes are computed once an object.


@lru_cache(maxsize=64)
def _environment(versions: str, machine: str) -> Environment:
    return environment_from_json({"versions": json.loads(versions), "machine": json.loads(machine)})


@lru_cache(maxsize=64)
def _policy(facts: str) -> TimingPolicy:
    return TimingPolicy(**json.loads(facts))
