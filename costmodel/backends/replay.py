"""A backend without hardware: it replays recorded measurements of real candidates.

Search, models and the tuning loop run over it exactly as over a compiler, and always with the
same outcome. The space of a workload is what was recorded of it; a schedule's neighbours are its
mutations. Recordings come from a measurement store or from an ``.npz`` file.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from costmodel.backends.base import Backend, Features, Groups, SearchSpace
from costmodel.errors import BackendError, InputError, UnsupportedError
from costmodel.records import Schedule, SourceLocation, Target, TensorType, Workload, digest
from costmodel.store.base import MeasurementStore

__all__ = ["Recording", "ReplayBackend", "ReplayKernel", "ReplaySpace"]

#: A mutation goes to one of this many nearest recorded schedules.
NEIGHBOURS = 8


@dataclass(frozen=True, eq=False)
class Recording:
    """What was measured of one workload on one target; all sequences are in the same order.

    ``latency_us`` is infinite for a failure. ``features`` are float32 of shape (stores, width).
    The first schedule is the untuned default, or stands in for it where none was recorded.
    """

    workload: Workload
    target: Target
    schedules: tuple[Schedule, ...]
    latency_us: NDArray[np.float64]
    features: tuple[Features, ...]
    feature_set: str

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Position of each schedule, by its hash."""
        return {schedule.hash: i for i, schedule in enumerate(self.schedules)}

    @cached_property
    def neighbours(self) -> NDArray[np.intp]:
        """Positions of each schedule's nearest others by features, shape (schedules, up to 8)."""
        pooled = np.stack([
            np.concatenate([f.max(axis=0), f.sum(axis=0)]) for f in self.features
        ]).astype(np.float64)  # fmt: skip
        deviation = pooled.std(axis=0)
        points = pooled[:, deviation > 1e-9] / deviation[deviation > 1e-9]
        squares = (points**2).sum(axis=1)
        distance = squares[:, None] + squares[None, :] - 2 * points @ points.T
        np.fill_diagonal(distance, np.inf)
        nearest = np.argsort(distance, axis=1, kind="stable")
        return nearest[:, : min(NEIGHBOURS, len(points) - 1)]

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read a recording written by ``save``.

        Raises InputError for a file that is none. Nothing in it is executed or unpickled.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                facts = json.loads(str(data["facts"]))
                rows = np.split(data["features"].astype(np.float32), np.cumsum(data["stores"])[:-1])
                return cls(
                    workload=_workload(facts["workload"]),
                    target=_target(facts["target"]),
                    schedules=tuple(
                        Schedule(facts["backend"], str(text)) for text in data["schedules"]
                    ),
                    latency_us=data["latency_us"].astype(np.float64),
                    features=tuple(rows),
                    feature_set=facts["feature_set"],
                )
        except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise InputError(
                f"not a recording of measurements: {error}", location=SourceLocation(str(path))
            ) from error

    def save(self, path: Path) -> None:
        """Write a compressed ``.npz``; features as float16, latencies as float32."""
        facts = {
            "workload": _plain(self.workload),
            "target": _plain(self.target),
            "backend": self.schedules[0].backend,
            "feature_set": self.feature_set,
        }
        np.savez_compressed(
            path,
            facts=json.dumps(facts, sort_keys=True),
            schedules=np.array([s.text for s in self.schedules]),
            latency_us=self.latency_us.astype(np.float32),
            stores=np.array([len(f) for f in self.features], dtype=np.int32),
            features=np.concatenate(self.features).astype(np.float16),
        )

    @classmethod
    def of_store(
        cls, store: MeasurementStore, workload: Workload, target: Target, feature_set: str
    ) -> Recording:
        """All of a workload's measurements on a target whose features the store has.

        Raises UnsupportedError when there are none.
        """
        kept = {key: f for _, key, f in store.features(feature_set, workload=workload.hash)}
        samples: dict[Schedule, list[float]] = {}
        for measurement in store.measurements(workload=workload.hash, target=target.hash):
            if measurement.schedule.hash in kept:
                mine = samples.setdefault(measurement.schedule, [])
                mine.extend(measurement.samples_us if measurement.ok else ())
        if not samples:
            raise UnsupportedError(f"no measurement of {workload.function} to replay")
        schedules = tuple(samples)
        return cls(
            workload=workload,
            target=target,
            schedules=schedules,
            latency_us=np.array(
                [float(np.median(samples[s])) if samples[s] else math.inf for s in schedules]
            ),
            features=tuple(kept[s.hash] for s in schedules),
            feature_set=feature_set,
        )


class ReplaySpace:
    """The recorded schedules of a workload as a ``SearchSpace``."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    @property
    def feature_set(self) -> str:
        return self._recording.feature_set

    @property
    def parts(self) -> Mapping[str, SearchSpace]:
        """Recordings are each of one backend."""
        return {self.default().backend: self}

    def default(self) -> Schedule:
        """The first recorded schedule."""
        return self._recording.schedules[0]

    def guesses(self) -> list[Schedule]:
        """None: a recording has no expert."""
        return []

    def sample(self, count: int, rng: random.Random) -> list[Schedule]:
        """Up to ``count`` distinct recorded schedules, drawn evenly."""
        schedules = self._recording.schedules
        return rng.sample(schedules, min(count, len(schedules)))

    def mutate(self, schedule: Schedule, rng: random.Random) -> Schedule | None:
        """One of the nearest recorded schedules; None where it is the only one."""
        near = self._recording.neighbours[self._position(schedule)]
        return self._recording.schedules[int(rng.choice(list(near)))] if len(near) else None

    def accepts(self, schedule: Schedule) -> bool:
        """Whether it was recorded."""
        return schedule.hash in self._recording.index

    def groups(self, schedule: Schedule) -> Groups:
        """Not recorded."""
        self._position(schedule)
        return ()

    def features(self, schedules: Sequence[Schedule]) -> list[Features]:
        """The recorded features, in order. Raises BackendError for an unknown schedule."""
        return [self._recording.features[self._position(s)] for s in schedules]

    def latency_us(self, schedule: Schedule) -> float:
        """The recorded median, infinite for a failure. BackendError for an unknown schedule."""
        return float(self._recording.latency_us[self._position(schedule)])

    def _position(self, schedule: Schedule) -> int:
        position = self._recording.index.get(schedule.hash)
        if position is None:
            raise BackendError(
                "this schedule was never measured, so there is nothing to replay",
                hint="replay offers the recorded schedules only: take them from its space",
            )
        return position


@dataclass(frozen=True, eq=False)
class ReplayBackend:
    """A ``Backend`` over recordings, one a workload."""

    recordings: tuple[Recording, ...]

    @property
    def name(self) -> str:
        return "replay"

    @property
    def parts(self) -> tuple[Backend, ...]:
        return (self,)

    def versions(self) -> Mapping[str, str]:
        """One entry: a hash of everything recorded."""
        content = [
            [r.workload.hash, r.target.hash, [s.hash for s in r.schedules],
             [repr(v) for v in r.latency_us.tolist()]]
            for r in self.recordings
        ]  # fmt: skip
        return {"recordings": digest(content)}

    def space(self, workload: Workload, target: Target) -> ReplaySpace:
        """The recorded schedules. Raises UnsupportedError for what was not recorded."""
        for recording in self.recordings:
            same = recording.workload.hash == workload.hash
            if same and recording.target.hash == target.hash:
                return ReplaySpace(recording)
        raise UnsupportedError(f"{workload.function} was never recorded on this target")

    def build(self, workload: Workload, schedule: Schedule, target: Target, library: Path) -> None:
        """Write what ``load`` reads: the recorded latency. BackendError if it failed then."""
        latency = self.space(workload, target).latency_us(schedule)
        if not math.isfinite(latency):
            raise BackendError("this candidate failed when it was recorded")
        library.write_text(json.dumps({"latency_us": latency}), encoding="utf-8")

    def load(self, library: Path, workload: Workload, target: Target) -> ReplayKernel:
        """A kernel that takes no time and claims the recorded one."""
        return ReplayKernel(float(json.loads(library.read_text(encoding="utf-8"))["latency_us"]))

    def file_names(self, schedule: Schedule) -> Mapping[str, str]:
        return {"library": "kernel.json", "ir": "kernel.txt"}

    def companions(
        self, workload: Workload, schedule: Schedule, target: Target
    ) -> Mapping[str, tuple[str, str]]:
        """Nothing: there is no kernel that one could call."""
        return {}

    def describe(self, workload: Workload, schedule: Schedule, target: Target) -> str:
        """The schedule's text and its recorded latency."""
        return f"{schedule.text}\n{self.space(workload, target).latency_us(schedule)} us\n"


class ReplayKernel:
    """Claims the recorded latency. Nothing is computed: the outputs stay as they were given."""

    def __init__(self, latency_us: float) -> None:
        self._latency_us = latency_us
        self._outputs: list[NDArray[Any]] = []

    def prepare(self, inputs: Sequence[NDArray[Any]], outputs: Sequence[NDArray[Any]]) -> None:
        """Keep copies of the outputs; the inputs are not looked at."""
        self._outputs = [np.array(o) for o in outputs]

    def run(self, number: int) -> float:
        """Seconds that ``number`` runs took, going by the recorded median."""
        return number * self._latency_us * 1e-6

    def results(self) -> list[NDArray[Any]]:
        """Copies of the outputs given to ``prepare``."""
        return [o.copy() for o in self._outputs]


def _plain(record: Workload | Target) -> dict[str, Any]:
    if isinstance(record, Workload):
        tensors = {
            name: [[list(t.shape), t.dtype, t.index_limit] for t in getattr(record, name)]
            for name in ("inputs", "outputs")
        }
        return {"text": record.text, "function": record.function, **tensors}
    return {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in vars(record).items()
        if name in Target.__dataclass_fields__
    }


def _workload(plain: Mapping[str, Any]) -> Workload:
    inputs, outputs = (
        tuple(TensorType(tuple(shape), dtype, limit) for shape, dtype, limit in plain[name])
        for name in ("inputs", "outputs")
    )
    return Workload(plain["text"], plain["function"], inputs, outputs)


def _target(plain: Mapping[str, Any]) -> Target:
    facts: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
    return Target(**facts)
