"""The frozen values that every part of costmodel speaks in; this module imports nothing of ours.

Units: latencies in microseconds, sizes in bytes, rates in FLOP/s and bytes/s, durations of the
tool's own work in seconds. Hashes are 64 lower-case hexadecimal digits (SHA-256).
"""

from __future__ import annotations

import enum
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from statistics import median
from typing import Any

__all__ = [
    "DTYPE_BYTES",
    "Candidate",
    "Decision",
    "Environment",
    "Measurement",
    "Outcome",
    "Prediction",
    "Schedule",
    "Script",
    "SourceLocation",
    "Target",
    "TensorType",
    "TimingPolicy",
    "Workload",
    "digest",
]

#: Bytes of one element, by MLIR's spelling of the element type.
DTYPE_BYTES: Mapping[str, int] = {
    "f64": 8, "f32": 4, "f16": 2, "bf16": 2, "i64": 8, "i32": 4, "i8": 1, "i1": 1,
}  # fmt: skip


#: Made once: every schedule has a hash.
_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
)


def digest(value: object) -> str:
    """SHA-256 of a string, or of the canonical JSON (sorted keys, no spaces) of anything else."""
    text = value if isinstance(value, str) else _CANONICAL.encode(value)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class SourceLocation:
    """A place in an input file; line and column count from 1, 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return self.file if not self.line else f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class TensorType:
    """A ranked tensor of static shape; a scalar has the empty shape.

    ``index_limit`` is set on integer inputs that index another tensor: values must be drawn
    from ``[0, index_limit)``, since a gather out of range ends the process that runs it.
    """

    shape: tuple[int, ...]
    dtype: str
    index_limit: int | None = None

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.elements * DTYPE_BYTES[self.dtype]

    def __str__(self) -> str:
        return "x".join([*map(str, self.shape), self.dtype])


@dataclass(frozen=True)
class Decision:
    """What a transform script leaves open: a knob, or which of several regions runs.

    ``options`` are MLIR attributes as text, of alternatives the numbers of the regions.
    ``selected`` is the option that the file itself names, if it does. The decision counts where
    every choice of one of ``guards`` is made, each ``(name of a decision, number of an option)``.
    """

    name: str
    options: tuple[str, ...]
    selected: int | None
    guards: tuple[tuple[tuple[str, int], ...], ...]


@dataclass(frozen=True)
class Script:
    """The transform script that a file carries for its function.

    ``text`` is the whole file in a normal form, without comments and as upstream MLIR writes it;
    ``function`` is the one that the script runs on.
    """

    text: str
    function: str
    decisions: tuple[Decision, ...]


@dataclass(frozen=True)
class Workload:
    """One tunable function: its canonical MLIR text (a module holding only ``@main``).

    ``function`` is the name that it had in the input; it is no part of the hash. Neither is
    ``script``: with or without one the same is computed.
    """

    text: str
    function: str
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    script: Script | None = field(default=None, compare=False)

    @cached_property
    def hash(self) -> str:
        return digest(self.text)


@dataclass(frozen=True)
class Target:
    """A device described by measurable facts, never by a name alone.

    ``peak_flops`` maps an element type to the measured FLOP/s of all ``threads`` together and
    ``bandwidth`` is the measured memory bandwidth in bytes/s. Measured rates wobble from run to
    run, so they are no part of the identity: ``hash`` covers the other fields.
    """

    kind: str
    arch: str
    cpu: str
    features: tuple[str, ...]
    threads: int
    cache_bytes: tuple[int, ...]
    vector_bytes: int
    peak_flops: Mapping[str, float] = field(default_factory=dict, hash=False, compare=False)
    bandwidth: float = field(default=0.0, hash=False, compare=False)

    @cached_property
    def hash(self) -> str:
        facts = asdict(self)
        del facts["peak_flops"], facts["bandwidth"]
        return digest(facts)


@dataclass(frozen=True)
class Schedule:
    """One assignment of a space's knobs; ``text`` is JSON that the backend can replay."""

    backend: str
    text: str

    @cached_property
    def hash(self) -> str:
        return digest({"backend": self.backend, "text": self.text})


@dataclass(frozen=True)
class Candidate:
    """A workload under a schedule for a target: what is ranked, built and measured."""

    workload: Workload
    schedule: Schedule
    target: Target


@dataclass(frozen=True)
class TimingPolicy:
    """How a candidate is timed; part of a measurement's key, since it decides what a number means.

    A sample is the mean of ``number`` back-to-back runs, with ``number`` chosen so that a sample
    lasts at least ``min_sample_us``. Samples are taken, after ``warmup`` runs, until the relative
    half-width of the 95% confidence interval of the median is below ``precision``, or
    ``max_samples`` or ``budget_s`` is reached. Caches are warm.
    """

    warmup: int = 1
    min_sample_us: float = 500.0
    min_samples: int = 5
    max_samples: int = 30
    precision: float = 0.02
    budget_s: float = 0.3
    build_timeout_s: float = 20.0
    run_timeout_s: float = 10.0
    memory_bytes: int = 8 << 30

    @cached_property
    def hash(self) -> str:
        return digest(asdict(self))


@dataclass(frozen=True)
class Environment:
    """What was true of the machine and the toolchain when something was measured."""

    versions: Mapping[str, str]
    machine: Mapping[str, Any]

    @cached_property
    def toolchain(self) -> str:
        """Hash of the versions alone: the toolchain's part of a measurement's key."""
        return digest(dict(self.versions))

    @cached_property
    def hash(self) -> str:
        return digest(asdict(self))


class Outcome(enum.StrEnum):
    """How measuring a candidate ended; everything but ``OK`` is a kind of failure."""

    OK = "ok"
    INVALID_SCHEDULE = "invalid_schedule"
    BUILD_ERROR = "build_error"
    BUILD_TIMEOUT = "build_timeout"
    RUN_ERROR = "run_error"
    RUN_TIMEOUT = "run_timeout"
    CRASH = "crash"
    OUT_OF_MEMORY = "out_of_memory"
    WRONG_RESULT = "wrong_result"


@dataclass(frozen=True)
class Measurement:
    """A candidate, how it was timed, every raw sample, its outcome and the environment.

    The key (which measurements are of the same thing) is ``workload``, ``schedule``, ``target``,
    ``toolchain`` and ``policy``, all hashes; several measurements may share one key. ``id`` is
    unique (a UUID), so that merging stores never doubles or drops a row. ``extra`` holds JSON
    that other tools' formats carry and that must survive a round trip.
    """

    id: str
    workload: str
    schedule: Schedule
    target: str
    environment: Environment
    policy: TimingPolicy
    outcome: Outcome
    samples_us: tuple[float, ...]
    timestamp: float
    error: str = ""
    build_seconds: float = 0.0
    run_seconds: float = 0.0
    max_error: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.OK

    @property
    def latency_us(self) -> float:
        """Median of the samples; infinite for a failure."""
        if not self.ok or not self.samples_us:
            return math.inf
        return median(self.samples_us)

    @cached_property
    def key(self) -> str:
        return digest([
            self.workload, self.schedule.hash, self.target,
            self.environment.toolchain, self.policy.hash,
        ])  # fmt: skip


@dataclass(frozen=True)
class Prediction:
    """A distribution over a candidate's latency: log-normal around the median ``latency_us``.

    ``log_std`` is the standard deviation of the natural logarithm of the latency.
    """

    latency_us: float
    log_std: float

    def interval(self, z: float = 1.645) -> tuple[float, float]:
        """Bounds in microseconds; the default ``z`` spans 90%."""
        spread = math.exp(z * self.log_std)
        return self.latency_us / spread, self.latency_us * spread
