"""What ``costmodel cache reject`` does: a wrong measurement is contradicted, not deleted."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from costmodel.errors import UsageError
from costmodel.records import Measurement, Outcome
from costmodel.store import open_store
from costmodel.store.sqlite import SQLiteStore

__all__ = ["reject"]

#: Characters of an id that a prefix has at the least.
_LEAST = 8


def reject(path: Path | None, ids: Sequence[str], reason: str) -> dict[str, Any]:
    """Have the schedule of each measurement count as wrong; what was rejected, and the best now.

    Raises UsageError, and writes nothing, where one of ``ids`` is not a measurement's.
    """
    if not reason.strip():
        raise UsageError("a measurement is rejected for a reason", hint="say it with --reason")
    with open_store(path, read_only=True) as store:
        found = [_find(store, each) for each in ids]
    rejected = list({one.id: one for one in found}.values())
    with open_store(path) as store:
        store.add(_contradicted(one, reason) for one in rejected)
        places = dict.fromkeys((one.workload, one.target) for one in rejected)
        return {
            "rejected": [_said(store, one.workload, one.target, one) for one in rejected],
            "best": [
                _said(store, *place, store.best(workload=place[0], target=place[1]))
                for place in places
            ],
        }


def _find(store: SQLiteStore, given: str) -> Measurement:
    found = store.with_id(given)
    exact = [one for one in found if one.id == given]
    found = exact or (found if len(given) >= _LEAST else [])
    if not found:
        raise UsageError(
            f"the store has no measurement {given!r}",
            hint="`costmodel cache show --json` has the ids of the best; "
            f"{_LEAST} characters of one are enough",
        )
    if len(found) > 1:
        raise UsageError(f"the measurement {given!r} is ambiguous", hint="give more of the id")
    return found[0]


def _contradicted(one: Measurement, reason: str) -> Measurement:
    """A measurement of the same key, of now, that says that the result was wrong."""
    return replace(
        one, id=str(uuid.uuid4()), outcome=Outcome.WRONG_RESULT, samples_us=(), error=reason,
        timestamp=time.time(), build_seconds=0.0, run_seconds=0.0, max_error=None,
        extra={"rejects": one.id},
    )  # fmt: skip


def _said(
    store: SQLiteStore, workload: str, target: str, one: Measurement | None
) -> dict[str, Any]:
    """``one`` as it is shown; None where nothing is left."""
    known, device = store.workload(workload), store.target(target)
    return {
        "workload": workload,
        "function": "" if known is None else known.function,
        "target": target,
        "target_name": "" if device is None else f"{device.kind} {device.cpu}",
        "id": None if one is None else one.id,
        "latency_us": one.latency_us if one is not None and one.ok else None,
        "outcome": None if one is None else one.outcome,
        "backend": None if one is None else one.schedule.backend,
        "schedule": None if one is None else one.schedule.text,
    }
