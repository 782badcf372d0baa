"""What tuning, predicting and ranking give back, and what they say while they work.

Each result is frozen; ``to_json`` gives exactly the object that ``--json`` prints, the contract
for scripts. Units as in ``records``: latencies in microseconds, durations in seconds. A number
that is not known (no correct measurement was made) is ``None``, and ``null`` in JSON.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from costmodel.records import Outcome, TensorType

__all__ = [
    "ARTIFACTS",
    "BackendResult",
    "PredictResult",
    "ProgressListener",
    "RankResult",
    "RankedSchedule",
    "Silent",
    "Source",
    "TrialRecord",
    "TuneResult",
    "TuneStart",
    "Untuned",
]

#: Where a trial came from: the untuned default, what an expert would try, exploration, the cost
#: model's choice, the store.
Source = Literal["default", "guess", "random", "model", "stored"]

#: Keys of ``TuneResult.artifacts``; a value is the file's path, or None where it was not written.
ARTIFACTS = ("library", "schedule", "ir", "report", "plot")


def _finite(value: float | None) -> float | None:
    """JSON has no infinity and no NaN: what is not a number is not known."""
    return value if value is not None and math.isfinite(value) else None


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a run, in the order in which it ended.

    ``latency_us`` is the measured median, None for a failure. The prediction (median and 90%
    interval) is the one made before the trial was measured, None where the model had none.
    ``elapsed_s`` counts from the start of the run; ``error`` is what a failure had to say.
    """

    index: int
    schedule_hash: str
    outcome: Outcome
    latency_us: float | None
    predicted_us: float | None
    predicted_low_us: float | None
    predicted_high_us: float | None
    elapsed_s: float
    source: Source
    error: str = ""
    backend: str = ""

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.OK

    def to_json(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "schedule_hash": self.schedule_hash,
            "outcome": str(self.outcome),
            "latency_us": _finite(self.latency_us),
            "predicted_us": _finite(self.predicted_us),
            "predicted_low_us": _finite(self.predicted_low_us),
            "predicted_high_us": _finite(self.predicted_high_us),
            "elapsed_s": round(self.elapsed_s, 3),
            "backend": self.backend,
            "source": self.source,
            "error": self.error,
        }


@dataclass(frozen=True)
class BackendResult:
    """What one backend reached in a run, and what the run spent on it.

    ``default_us`` is its untuned default and ``best_us`` its fastest correct schedule, whose hash
    is ``schedule_hash``; of the final where they took part, else medians of all samples. None
    where nothing correct was measured. ``measured`` are trials of this run, ``cached`` schedules
    known before, ``failed`` counts this run's failures by outcome.
    """

    backend: str
    default_us: float | None
    best_us: float | None
    schedule_hash: str | None
    measured: int
    cached: int
    failed: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        return {
            "default_us": _finite(self.default_us),
            "best_us": _finite(self.best_us),
            "schedule_hash": self.schedule_hash,
            "measured": self.measured,
            "cached": self.cached,
            "failed": dict(self.failed),
        }


@dataclass(frozen=True)
class TuneStart:
    """What is known before the first trial.

    ``flops`` and ``bytes`` are one run's; ``roofline_us`` is the latency at which the machine's
    peak FLOP/s or bandwidth would be reached, whichever binds. ``trials`` and ``seconds`` are what
    is left of the budgets (None: no limit in time); ``stored`` counts the schedules already known
    (None: that is not known).
    """

    workload: str
    function: str
    target: str
    backend: str
    trials: int
    seconds: float | None
    flops: float
    bytes: int
    roofline_us: float
    stored: int | None


@dataclass(frozen=True)
class TuneResult:
    """The outcome of ``costmodel.tune``; the fields up to ``artifacts`` are the JSON contract.

    ``workload`` is the hash of the canonical text, ``target`` a readable name of the device.
    ``baseline_us`` is the untuned default and ``best_us`` the winner, measured interleaved with
    it; ``noise_us`` is the noise of timing the same thing twice. A run that was interrupted, or
    answers from a store without a comparison, states medians of all samples, and as the noise half
    the 95% interval of the winner's. ``speedup`` is the quotient of the latencies and 1.0 where
    the winner is the default. ``roofline_fraction`` is the share of the roofline
    that the winner reaches. ``trials`` were asked for, ``measured`` were run now, ``cached``
    were answered by the store and ``failed`` counts failures by outcome. ``schedule`` is the
    winner's replayable text as a JSON value. ``artifacts`` has the keys of ``ARTIFACTS``, and those
    of a backend's own files.
    """

    workload: str
    function: str
    target: str
    backend: str
    baseline_us: float | None
    best_us: float | None
    noise_us: float | None
    speedup: float | None
    gflops: float | None
    roofline_fraction: float | None
    trials: int
    measured: int
    failed: Mapping[str, int]
    cached: int
    seconds: float
    schedule: Any
    artifacts: Mapping[str, str | None]

    # What the report says beyond the contract.
    model: str = ""  # whose predictions counted in the end
    seed: int = 0
    interrupted: bool = False
    baseline: str = ""  # the backend whose untuned default ``baseline_us`` is of
    reference_us: float | None = None  # the same MLIR by the reference compiler's defaults
    reference: str = ""
    flops: float = 0.0
    bytes: int = 0
    store: str | None = None
    notes: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()  # what the winner fuses: operations, by kernel
    backends: tuple[BackendResult, ...] = ()  # in the order of the joint space
    problems: tuple[str, ...] = ()  # why there is no winner, or a file or a measurement is missing
    inputs: tuple[TensorType, ...] = ()
    outputs: tuple[TensorType, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    target_facts: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[TrialRecord, ...] = ()

    @property
    def snippet(self) -> str | None:
        """Path of the program that loads the library and calls it."""
        return self.artifacts.get("snippet")

    def to_json(self) -> dict[str, Any]:
        """The contract for scripts: these keys, no more and no fewer."""
        return {
            "workload": self.workload,
            "function": self.function,
            "target": self.target,
            "backend": self.backend,
            "baseline_us": _finite(self.baseline_us),
            "best_us": _finite(self.best_us),
            "noise_us": _finite(self.noise_us),
            "speedup": _finite(self.speedup),
            "gflops": _finite(self.gflops),
            "roofline_fraction": _finite(self.roofline_fraction),
            "trials": self.trials,
            "measured": self.measured,
            "failed": dict(self.failed),
            "cached": self.cached,
            "seconds": round(self.seconds, 3),
            "schedule": self.schedule,
            "artifacts": {key: self.artifacts.get(key) for key in ARTIFACTS},
        }


@dataclass(frozen=True)
class Untuned:
    """What the trained model expects of a kernel as a compiler makes it by default.

    The interval spans 90%. ``vector_registers`` are the different ones that its machine code uses,
    ``spills`` the stores of them to the stack; ``utilization`` is the FLOP/s achieved over the
    peak of all threads, ``vector_share`` that of vector instructions, both from 0 to 1.
    """

    compiler: str
    latency_us: float
    low_us: float
    high_us: float
    vector_registers: int
    spills: float
    instructions: float
    code_bytes: float
    vector_share: float
    utilization: float

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class PredictResult:
    """What a kernel is expected to cost, before anything is measured.

    ``latency_us`` with its 90% interval is the prediction for the tuned kernel. ``untuned`` is
    there where the trained model reads the kernel and knows the target; ``notes`` say why not.
    ``intensity`` is in FLOP per byte, ``roofline_us`` the least latency that the machine allows,
    and ``measured_us`` the best correct measurement that the store knows, if any.
    """

    workload: str
    function: str
    target: str
    backend: str
    model: str
    latency_us: float
    low_us: float
    high_us: float
    roofline_us: float
    flops: float
    bytes: int
    intensity: float
    measured_us: float | None = None
    untuned: Untuned | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "workload": self.workload,
            "function": self.function,
            "target": self.target,
            "backend": self.backend,
            "model": self.model,
            "latency_us": _finite(self.latency_us),
            "low_us": _finite(self.low_us),
            "high_us": _finite(self.high_us),
            "roofline_us": _finite(self.roofline_us),
            "flops": self.flops,
            "bytes": self.bytes,
            "intensity": _finite(self.intensity),
            "measured_us": _finite(self.measured_us),
            "untuned": None if self.untuned is None else self.untuned.to_json(),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class RankedSchedule:
    """One schedule of a ranking; ``rank`` counts from 1, the interval spans 90%."""

    rank: int
    backend: str
    schedule_hash: str
    predicted_us: float
    low_us: float
    high_us: float
    measured_us: float | None
    schedule: Any

    def to_json(self) -> dict[str, Any]:
        return {
            "rank": self.rank,
            "backend": self.backend,
            "schedule_hash": self.schedule_hash,
            "predicted_us": _finite(self.predicted_us),
            "low_us": _finite(self.low_us),
            "high_us": _finite(self.high_us),
            "measured_us": _finite(self.measured_us),
            "schedule": self.schedule,
        }


@dataclass(frozen=True)
class RankResult:
    """Schedules of one workload, the fastest first, measured or predicted."""

    workload: str
    function: str
    target: str
    backend: str
    model: str
    seconds: float
    schedules: tuple[RankedSchedule, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "workload": self.workload,
            "function": self.function,
            "target": self.target,
            "backend": self.backend,
            "model": self.model,
            "seconds": round(self.seconds, 3),
            "schedules": [schedule.to_json() for schedule in self.schedules],
            "notes": list(self.notes),
        }


class ProgressListener(Protocol):
    """Told of a run as it goes, always from one thread. It must not raise."""

    def on_phase(self, name: str) -> None:
        """A part of the work begins: "reading", "space", "tuning", "confirming", "exporting"."""
        ...

    def on_start(self, start: TuneStart) -> None:
        """The space stands and the first trial is about to be made."""
        ...

    def on_trial(self, trial: TrialRecord, best_us: float | None) -> None:
        """A trial ended; ``best_us`` is the fastest correct one so far, this one included."""
        ...

    def on_end(self, result: TuneResult) -> None:
        """The run is over; called once, also after an interruption."""
        ...


class Silent:
    """A listener for callers that want none."""

    def on_phase(self, name: str) -> None: ...
    def on_start(self, start: TuneStart) -> None: ...
    def on_trial(self, trial: TrialRecord, best_us: float | None) -> None: ...
    def on_end(self, result: TuneResult) -> None: ...
