"""What the oracle answers beyond ``costmodel.results``: frozen values, read from messages.

Units as in ``records``; points in time are seconds since 1970, latencies in microseconds.
"""

from __future__ import annotations

import enum
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

from google.protobuf.timestamp_pb2 import Timestamp

from costmodel.oracle.convert import (
    FieldError,
    measurement_from,
    outcome_from,
    policy_from,
    schedule_from,
    target_from,
)
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.records import Measurement, Prediction, Schedule, Target, TimingPolicy
from costmodel.results import Source, TrialRecord, TuneResult

__all__ = [
    "KnownTarget",
    "Lease",
    "Lookup",
    "Scores",
    "TuneEvent",
    "TuneRun",
    "TuneState",
    "event_from",
    "known_target_from",
    "lease_from",
    "listed_from",
    "lookup_from",
    "run_from",
    "scores_from",
]


@dataclass(frozen=True)
class Lookup:
    """The best that is known of a workload on a target.

    ``best`` says who measured it, when and how; ``latency_us`` is the median over all samples of
    its key. ``outcomes`` counts the measurements of the workload on the target.
    """

    workload: str
    target_hash: str
    best: Measurement
    latency_us: float
    outcomes: Mapping[str, int]


@dataclass(frozen=True)
class Scores:
    """What the oracle's ``model`` says of schedules that it was given, in their order."""

    workload: str
    target_hash: str
    model: str
    predictions: tuple[Prediction, ...]
    measured_us: tuple[float | None, ...]
    notes: tuple[str, ...]


class TuneState(enum.StrEnum):
    """Where a run on the server stands; the last three are its end."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        return self in (TuneState.DONE, TuneState.FAILED, TuneState.CANCELLED)


@dataclass(frozen=True)
class TuneRun:
    """A run on the server as it stood when it was asked about.

    ``measured`` of ``trials`` have ended. ``best_us`` is the fastest correct one of them, and what
    the ``result`` says once that is there: when the run is done, or was cancelled with one. The
    result's ``artifacts`` are names of files, by kind, that ``download_tune`` gives. ``error`` says
    why it failed. Where it is ``leased``, clients measure. ``client`` asked for it.
    """

    name: str
    state: TuneState
    workload: str
    function: str
    target_hash: str
    backend: str
    trials: int
    measured: int
    best_us: float | None
    created: float
    ended: float | None
    result: TuneResult | None
    error: str
    leased: bool
    client: str

    def to_json(self) -> dict[str, Any]:
        """The object that ``costmodel runs --json`` prints."""
        names = [name for name in self.__dataclass_fields__ if name != "result"]
        result = None if self.result is None else self.result.to_json()
        if result is not None:  # the server's files, by the names that they are given
            result["artifacts"] = dict(self.result.artifacts) if self.result else {}
        return {**{name: getattr(self, name) for name in names}, "result": result}


@dataclass(frozen=True)
class TuneEvent:
    """Something that happened in a run: one of a ``phase`` that began, a ``trial``, the ``end``.

    ``number`` counts from 0; ``best_us`` is the fastest correct trial so far.
    """

    number: int
    time: float
    phase: str | None = None
    trial: TrialRecord | None = None
    best_us: float | None = None
    end: TuneRun | None = None


@dataclass(frozen=True)
class Lease:
    """A candidate to be measured for ``tune`` until ``expires``.

    ``workload_text`` is canonical MLIR, whose hash is ``workload``.
    """

    lease: str
    workload_text: str
    workload: str
    schedule: Schedule
    policy: TimingPolicy
    expires: float
    tune: str


@dataclass(frozen=True)
class KnownTarget:
    """A target that the oracle's store knows; ``own`` is the machine that the server runs on."""

    hash: str
    target: Target
    own: bool


def _optional(message: Any, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None


def _seconds(time: Timestamp) -> float:
    return time.ToNanoseconds() / 10**9


def lookup_from(message: pb.LookupResponse) -> Lookup:
    """Raises FieldError for a measurement that is none."""
    return Lookup(
        workload=message.workload,
        target_hash=message.target_hash,
        best=measurement_from(message.best),
        latency_us=message.latency_us,
        outcomes=dict(message.outcomes),
    )


def listed_from(message: pb.Measurement) -> Measurement | None:
    """None, with a warning, for one that is damaged: stores are shared, and one row is one row."""
    try:
        return measurement_from(message)
    except FieldError as error:
        warnings.warn(
            f"the oracle's measurement {message.id} is damaged and left out: {error.field}: "
            f"{error.message}",
            stacklevel=2,
        )
        return None


def scores_from(message: pb.RankResponse, count: int) -> Scores:
    """Of ``count`` schedules that were given. Raises ValueError where some have no answer."""
    found = {each.index: each for each in message.schedules}
    if len(message.schedules) != count or set(found) != set(range(count)):
        raise ValueError(f"{len(message.schedules)} answers to {count} schedules")
    ordered = [found[place] for place in range(count)]
    return Scores(
        workload=message.workload,
        target_hash=message.target_hash,
        model=message.model,
        predictions=tuple(Prediction(each.predicted_us, each.log_std) for each in ordered),
        measured_us=tuple(_optional(each, "measured_us") for each in ordered),
        notes=tuple(message.notes),
    )


def run_from(message: pb.TuneOperation) -> TuneRun:
    """A state that this version does not know counts as one that goes on."""
    name = pb.TuneState.Name(message.state) if message.state in pb.TuneState.values() else ""
    state = name.removeprefix("TUNE_STATE_").lower()
    return TuneRun(
        name=message.name,
        state=TuneState(state) if state in list(TuneState) else TuneState.RUNNING,
        workload=message.workload,
        function=message.function,
        target_hash=message.target_hash,
        backend=message.backend,
        trials=message.trials,
        measured=message.measured,
        best_us=_optional(message, "best_us"),
        created=_seconds(message.created),
        ended=_seconds(message.ended) if message.HasField("ended") else None,
        result=_result_from(message) if message.HasField("result") else None,
        error=message.error,
        leased=message.leased,
        client=message.client,
    )


_MAYBE = ("baseline_us", "best_us", "noise_us", "speedup", "gflops", "roofline_fraction")


def _result_from(message: pb.TuneOperation) -> TuneResult:
    """As ``costmodel.tune`` gives it, as far as the protocol says it."""
    result = message.result
    won = result.schedule if result.HasField("schedule") else None
    return TuneResult(
        workload=message.workload,
        function=message.function,
        target=message.target_hash,
        backend=message.backend if won is None else won.backend,
        **{name: _optional(result, name) for name in _MAYBE},
        trials=result.trials,
        measured=result.measured,
        failed=dict(result.failed),
        cached=result.cached,
        seconds=result.seconds,
        schedule=None if won is None else json.loads(won.text),
        artifacts=dict(result.artifacts),
        model=result.model,
        notes=tuple(result.notes),
        problems=tuple(result.problems),
    )


def event_from(message: pb.TuneEvent) -> TuneEvent:
    """Raises FieldError for a trial that is none."""
    kind, time = message.WhichOneof("what"), _seconds(message.time)
    if kind == "trial":
        trial = message.trial
        best_us = _optional(trial, "best_us")
        return TuneEvent(message.number, time, trial=_trial_from(trial), best_us=best_us)
    if kind == "end":
        end = run_from(message.end)
        return TuneEvent(message.number, time, end=end, best_us=end.best_us)
    return TuneEvent(message.number, time, phase=message.phase)


def _trial_from(message: pb.TuneTrial) -> TrialRecord:
    source = message.source if message.source in get_args(Source) else "model"
    return TrialRecord(
        index=message.index,
        schedule_hash=message.schedule_hash,
        outcome=outcome_from(message.outcome),
        latency_us=_optional(message, "latency_us"),
        predicted_us=_optional(message, "predicted_us"),
        predicted_low_us=None,
        predicted_high_us=None,
        elapsed_s=message.elapsed_s,
        source=cast(Source, source),
        error=message.error,
        backend=message.backend,
    )


def lease_from(message: pb.LeasedCandidate) -> Lease:
    """Raises FieldError for a schedule or policy that is none."""
    return Lease(
        lease=message.lease,
        workload_text=message.workload_text,
        workload=message.workload,
        schedule=schedule_from(message.schedule),
        policy=policy_from(message.policy),
        expires=_seconds(message.expires),
        tune=message.tune,
    )


def known_target_from(message: pb.KnownTarget) -> KnownTarget:
    """Raises FieldError for a target that is none."""
    return KnownTarget(message.hash, target_from(message.target), message.own)
