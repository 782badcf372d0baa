"""From a store of collected measurements to the files of a data set, shard by shard."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from costmodel.corpus.tables import MEASUREMENTS, WORKLOADS, read_table, sha256, write_table
from costmodel.ir import analyze
from costmodel.records import Measurement, Schedule, Workload
from costmodel.store.base import MeasurementStore
from costmodel.store.codec import target_to_json

__all__ = [
    "FACTS",
    "MANIFEST",
    "export",
    "measured_ids",
    "measured_origins_in",
    "measured_workloads_in",
    "scheduled_in",
    "shards",
]

MANIFEST = "manifest.json"
_SHARD = re.compile(r"measurements-(\d+)\.parquet")
#: Key of a measurement's ``extra`` where a collection says what family, source and origin its
#: workload is of, and whether the schedule is its backend's default.
FACTS = "corpus"
_LICENCE = "Apache-2.0"
_CODE = (
    "code_bytes", "instructions", "vector_instructions", "vector_registers", "spills", "reloads",
)  # fmt: skip


def shards(folder: Path) -> list[Path]:
    """The files with measurements that the manifest lists.

    One that it does not is what a run left that died while it wrote, and the next one replaces.
    """
    names = [name for name in _written(folder).get("files", {}) if _SHARD.fullmatch(name)]
    return sorted(folder / name for name in names)


def _written(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def measured_ids(folder: Path) -> set[str]:
    """Ids of the measurements that a data set has."""
    return set(read_table(shards(folder), MEASUREMENTS, ["id"])["id"].to_pylist())


def measured_origins_in(folder: Path) -> set[str]:
    """Origins of the workloads that a data set has."""
    return _column(folder, "origin")


def measured_workloads_in(folder: Path) -> set[str]:
    """Hashes of the workloads that a data set has."""
    return _column(folder, "workload")


def _column(folder: Path, name: str) -> set[str]:
    path = folder / "workloads.parquet"
    return set(read_table(path, WORKLOADS, [name])[name].to_pylist()) if path.exists() else set()


def scheduled_in(folder: Path) -> dict[str, set[str]]:
    """Hashes of the schedules that a data set has measured, by workload."""
    found: dict[str, set[str]] = {}
    columns = ["workload", "backend", "schedule"]
    for row in read_table(shards(folder), MEASUREMENTS, columns).to_pylist():
        schedule = Schedule(row["backend"], row["schedule"])
        found.setdefault(row["workload"], set()).add(schedule.hash)
    return found


def export(store: MeasurementStore, folder: Path, *, command: str) -> int:
    """Add what a collection's store has and the data set in ``folder`` has not, as a new shard.

    Returns the number of measurements added. ``command`` goes into the manifest: how they were
    collected. Measurements that no collection made are left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = measured_ids(folder)
    new = [one for one in store.measurements() if FACTS in one.extra and one.id not in known]
    if not new:
        return 0
    workloads = _workloads(store, folder, new)
    write_table(folder / "workloads.parquet", WORKLOADS, workloads)
    shard = folder / f"measurements-{_next(folder):03}.parquet"
    ordered = sorted(new, key=lambda one: (one.workload, one.schedule.backend, one.timestamp))
    write_table(shard, MEASUREMENTS, [_row(one) for one in ordered])
    _write_manifest(store, folder, new, shard, command)
    return len(new)


def _next(folder: Path) -> int:
    numbers = [int(match[1]) for path in shards(folder) if (match := _SHARD.fullmatch(path.name))]
    return max(numbers, default=-1) + 1


def _workloads(
    store: MeasurementStore, folder: Path, new: Iterable[Measurement]
) -> list[Mapping[str, Any]]:
    path = folder / "workloads.parquet"
    rows = read_table(path, WORKLOADS).to_pylist() if path.exists() else []
    known = {row["workload"] for row in rows}
    for one in new:
        workload = None if one.workload in known else store.workload(one.workload)
        if workload is not None:
            known.add(one.workload)
            rows.append(_workload_row(workload, one.extra[FACTS]))
    return sorted(rows, key=lambda row: (row["family"], row["workload"]))


def _workload_row(workload: Workload, facts: Mapping[str, Any]) -> dict[str, Any]:
    analysis = analyze(workload)
    return {
        "workload": workload.hash,
        "text": workload.text,
        "name": workload.function,
        "family": facts["family"],
        "source": facts["source"],
        "origin": facts["origin"],
        "flops": analysis.flops,
        "bytes": analysis.bytes,
    }


def _row(one: Measurement) -> dict[str, Any]:
    code = one.extra.get("code") or {}
    return {
        "id": one.id,
        "workload": one.workload,
        "backend": one.schedule.backend,
        "schedule": one.schedule.text,
        "is_default": bool(one.extra[FACTS].get("is_default")),
        "target": one.target,
        "environment": one.environment.hash,
        "policy": one.policy.hash,
        "outcome": str(one.outcome),
        "samples_us": list(one.samples_us),
        "max_error": one.max_error,
        "build_seconds": one.build_seconds,
        "timestamp": one.timestamp,
        **{name: code.get(name) for name in _CODE},
    }


def _write_manifest(
    store: MeasurementStore, folder: Path, new: Iterable[Measurement], shard: Path, command: str
) -> None:
    path, found = folder / MANIFEST, _written(folder)
    manifest: dict[str, Any] = {
        "licence": _LICENCE,
        "targets": {},
        "environments": {},
        "policies": {},
        "files": {},
    }
    manifest |= found
    for one in new:
        target = store.target(one.target)
        if target is not None:
            facts, rates = target_to_json(target)
            manifest["targets"][one.target] = {"facts": facts, "rates": rates}
        manifest["environments"][one.environment.hash] = asdict(one.environment)
        manifest["policies"][one.policy.hash] = asdict(one.policy)
    manifest["files"]["workloads.parquet"] = {"sha256": sha256(folder / "workloads.parquet")}
    manifest["files"][shard.name] = {
        "sha256": sha256(shard),
        "collected": time.strftime("%Y-%m-%d", time.gmtime()),
        "command": command,
    }
    new_path = path.with_name(path.name + ".new")
    new_path.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    new_path.replace(path)
