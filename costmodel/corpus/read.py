"""A data set in memory: functions, and what was measured of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from costmodel.corpus.export import MANIFEST, shards
from costmodel.corpus.tables import MEASUREMENTS, WORKLOADS, read_table, sha256
from costmodel.errors import UsageError
from costmodel.records import Schedule, Target, Workload, digest
from costmodel.store.codec import DecodeError, target_from_json

__all__ = ["Corpus", "Function", "Trial", "read_corpus"]


@dataclass(frozen=True)
class Function:
    """A function of a data set; ``flops`` and ``bytes`` are the least that it takes."""

    workload: Workload
    family: str
    source: str
    origin: str
    flops: float
    bytes: int


@dataclass(frozen=True)
class Trial:
    """One measurement: of a function under a schedule.

    ``latency_us`` is the lower quartile of the samples, since what disturbs a timing only adds to
    it; infinite for a failure. What was not read of the machine code is NaN.
    """

    workload: str
    schedule: Schedule
    is_default: bool
    target: str
    latency_us: float
    vector_registers: float
    spills: float
    instructions: float
    vector_instructions: float
    code_bytes: float

    @property
    def ok(self) -> bool:
        return math.isfinite(self.latency_us)


@dataclass(frozen=True)
class Corpus:
    """Functions by hash, trials in the order of their files, targets by hash."""

    functions: Mapping[str, Function]
    trials: tuple[Trial, ...]
    targets: Mapping[str, Target]


def read_corpus(folder: Path) -> Corpus:
    """Read and check a data set.

    Raises UsageError for a folder that is none, files that are not those of its manifest, a
    table with other columns, a text that has not its hash, and trials of unknown functions.
    """
    manifest = _manifest(folder)
    functions = {row["workload"]: _function(row) for row in _rows(folder / "workloads.parquet")}
    files = shards(folder)
    if not functions or not files:
        raise UsageError(f"{folder} has no measurements: it is an empty data set")
    table = read_table(files, MEASUREMENTS).to_pylist()
    trials = tuple(map(_trial, table))
    for trial in trials:
        if trial.workload not in functions:
            raise UsageError(f"{folder} has a measurement of {trial.workload}, which it lacks")
        if trial.target not in manifest["targets"]:
            raise UsageError(f"{folder}/{MANIFEST} does not describe target {trial.target}")
    return Corpus(functions, trials, _targets(folder, manifest))


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        files: Mapping[str, Any] = manifest["files"]
        manifest["targets"]
        sums = {name: entry["sha256"] for name, entry in files.items()}
    except FileNotFoundError:
        raise UsageError(
            f"{folder} is no data set: it has no {MANIFEST}",
            hint="name a folder that datasets/collect_functions.py wrote with --out",
        ) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{path} cannot be read: {error!r}") from error
    for name, expected in sums.items():
        if not (folder / name).is_file():
            raise UsageError(f"{folder} lacks {name}, which its {MANIFEST} lists")
        if sha256(folder / name) != expected:
            raise UsageError(
                f"{folder / name} is not the file that {MANIFEST} lists: its SHA-256 differs",
                hint="fetch the data set again",
            )
    return manifest


def _targets(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Target]:
    try:
        return {
            key: target_from_json(key, entry["facts"], entry["rates"])
            for key, entry in manifest["targets"].items()
        }
    except (DecodeError, TypeError, KeyError) as error:
        raise UsageError(f"{folder}/{MANIFEST} describes a target badly: {error}") from error


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_table(path, WORKLOADS).to_pylist()
    for row in rows:
        if digest(row["text"]) != row["workload"]:
            raise UsageError(f"{path} has a text that has not its hash: {row['name']}")
    if len({row["workload"] for row in rows}) < len(rows):
        raise UsageError(f"{path} has a function twice")
    return rows


def _function(row: Mapping[str, Any]) -> Function:
    return Function(
        Workload(row["text"], row["name"], (), ()),
        row["family"], row["source"], row["origin"], row["flops"], row["bytes"],
    )  # fmt: skip


def _trial(row: Mapping[str, Any]) -> Trial:
    samples = [each for each in row["samples_us"] if each is not None]
    good = row["outcome"] == "ok" and samples
    code = {
        name: math.nan if row[name] is None else float(row[name])
        for name in (
            "vector_registers", "spills", "instructions", "vector_instructions", "code_bytes",
        )
    }  # fmt: skip
    return Trial(
        workload=row["workload"],
        schedule=Schedule(row["backend"], row["schedule"]),
        is_default=row["is_default"],
        target=row["target"],
        latency_us=float(np.percentile(samples, 25)) if good else math.inf,
        **code,
    )
