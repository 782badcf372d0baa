"""Records and results as protocol messages and back.

What comes in from the wire is data that anybody may have sent: each ``*_from`` raises a
``FieldError`` that names the field for what cannot be used.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from costmodel.backends.shapes import check_shape
from costmodel.errors import UsageError
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.records import (
    Environment,
    Measurement,
    Outcome,
    Schedule,
    Target,
    TimingPolicy,
)
from costmodel.results import PredictResult, RankedSchedule, RankResult, TuneResult, Untuned
from costmodel.store.codec import check_samples, printable

__all__ = [
    "FieldError",
    "check_hash",
    "measurement_from",
    "measurement_to",
    "outcome_from",
    "outcome_to",
    "policy_from",
    "policy_to",
    "predict_from",
    "predict_to",
    "rank_from",
    "recorded_from",
    "schedule_from",
    "schedule_to",
    "target_from",
    "target_to",
    "tune_result_to",
    "within",
]

_HASH = re.compile(r"[0-9a-f]{64}")
_POLICY = tuple(TimingPolicy.__dataclass_fields__)
_UNTUNED = tuple(Untuned.__dataclass_fields__)
#: The years 1 and 9999, in which times on the wire lie, in nanoseconds since 1970.
_FIRST_NS, _LAST_NS = -62_135_596_800 * 10**9, 253_402_300_799 * 10**9
#: Of samples and threads nobody has more.
_MANY = 100_000
#: Microseconds that a call of a correct kernel takes at the least, a nanosecond, and at the most,
#: nearly three hours.
_LEAST_US, _MOST_US = 1e-3, 1e10
#: Characters of a target's names, and how many features, caches and rates one has at the most:
#: targets are listed all together, and their names are part of answers.
_NAME, _FACTS = 200, 1000
#: Levels of JSON; what is nested deeper cannot be hashed or read everywhere.
_LEVELS = 100


class FieldError(UsageError):
    """A field of a request that cannot be used; ``field`` is its path, as ``target.facts.arch``."""

    def __init__(self, field: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field


@contextmanager
def within(field: str) -> Iterator[None]:
    """What a field's parts raise names them from the outside in."""
    try:
        yield
    except FieldError as error:
        error.field = f"{field}.{error.field}" if error.field else field
        raise


def check_hash(value: str, field: str) -> str:
    """A hash as it came. Raises FieldError for what is none."""
    if not _HASH.fullmatch(value):
        raise FieldError(field, "a hash is 64 lower-case hexadecimal digits")
    return value


def target_to(target: Target) -> pb.Target:
    """A target with its rates."""
    return pb.Target(
        kind=target.kind,
        arch=target.arch,
        cpu=target.cpu,
        features=target.features,
        threads=target.threads,
        cache_bytes=target.cache_bytes,
        vector_bytes=target.vector_bytes,
        peak_flops=target.peak_flops,
        bandwidth=target.bandwidth,
    )


def target_from(message: pb.Target) -> Target:
    """A target from its facts. Raises FieldError where one is missing or no such fact."""
    for name in ("kind", "arch", "cpu"):
        if not getattr(message, name):
            raise FieldError(name, f"the target has no {name}")
    if message.kind != "cpu":
        raise FieldError("kind", f"no kind of target is called {message.kind!r}", hint="use cpu")
    for name in ("features", "cache_bytes", "peak_flops"):
        if len(getattr(message, name)) > _FACTS:
            raise FieldError(name, f"no target has more than {_FACTS}")
    for name, text in [("arch", message.arch), ("cpu", message.cpu),
                       *(("features", one) for one in message.features),
                       *(("peak_flops", one) for one in message.peak_flops)]:  # fmt: skip
        if len(text) > _NAME:
            raise FieldError(name, f"a name has up to {_NAME} characters, and this {len(text)}")
    if not 1 <= message.threads <= _MANY:
        raise FieldError("threads", f"a kernel cannot run on {message.threads} threads")
    if not 1 <= message.vector_bytes <= 4096:
        raise FieldError("vector_bytes", f"no vector has {message.vector_bytes} bytes")
    rates = {"bandwidth": message.bandwidth, **message.peak_flops}
    for name, rate in rates.items():
        if not (math.isfinite(rate) and rate >= 0):
            raise FieldError(f"rate of {name}", f"{rate} is no rate")
    return Target(
        kind=message.kind,
        arch=message.arch,
        cpu=message.cpu,
        features=tuple(sorted(message.features)),
        threads=message.threads,
        cache_bytes=tuple(message.cache_bytes),
        vector_bytes=message.vector_bytes,
        peak_flops=dict(message.peak_flops),
        bandwidth=message.bandwidth,
    )


def schedule_to(schedule: Schedule) -> pb.Schedule:
    """A schedule; its hash is that of backend and text."""
    return pb.Schedule(backend=schedule.backend, text=schedule.text)


def schedule_from(message: pb.Schedule) -> Schedule:
    """A schedule whose text is JSON. Raises FieldError for what is none."""
    if not message.backend:
        raise FieldError("backend", "the schedule names no backend", hint="use tvm or iree")
    _json(message.text, "text")
    return Schedule(message.backend, message.text)


def _json(text: str, field: str) -> Any:
    """A value that has a hash: Python reads, and would write, numbers that JSON has not."""
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise FieldError(field, f"this is no JSON: {error}") from error
    if _deeper(value, _LEVELS):
        raise FieldError(field, f"this JSON is nested deeper than {_LEVELS} levels")
    return value


def _deeper(value: Any, levels: int) -> bool:
    """Whether a value has more levels of objects and lists in each other."""
    inner = [value]
    for _ in range(levels + 1):
        inner = [
            part
            for one in inner
            if isinstance(one, dict | list)
            for part in (one.values() if isinstance(one, dict) else one)
        ]
    return any(isinstance(one, dict | list) for one in inner)


def _object(text: str, field: str) -> Mapping[str, Any]:
    value = _json(text, field) if text else {}
    if not isinstance(value, dict):
        raise FieldError(field, "this is no JSON object")
    return value


def outcome_to(outcome: Outcome) -> pb.Outcome:
    """The number of an outcome."""
    number: pb.Outcome = getattr(pb, f"OUTCOME_{outcome.name}")
    return number


def outcome_from(value: int) -> Outcome:
    """Raises FieldError for a number that is none, and for an outcome that was left out."""
    names = {pb.Outcome.Value(f"OUTCOME_{each.name}"): each for each in Outcome}
    if value not in names:
        raise FieldError("outcome", f"no outcome has the number {value}")
    return names[value]


def policy_to(policy: TimingPolicy) -> pb.TimingPolicy:
    """A policy, field by field."""
    return pb.TimingPolicy(**{name: getattr(policy, name) for name in _POLICY})


def policy_from(message: pb.TimingPolicy) -> TimingPolicy:
    """Raises FieldError for a limit that is no number."""
    values = {name: getattr(message, name) for name in _POLICY}
    for name, value in values.items():
        if not math.isfinite(value):
            raise FieldError(name, f"{value} is no number")
    return TimingPolicy(**values)


def measurement_to(measurement: Measurement) -> pb.Measurement:
    """All of a measurement; its workload and target by their hashes."""
    time = Timestamp()
    # Exactly: a time that changes on its way would make two records of one measurement.
    nanoseconds = round(Fraction(measurement.timestamp) * 10**9)
    # Of a time past the calendar, which only a file can have brought, its end.
    time.FromNanoseconds(min(max(nanoseconds, _FIRST_NS), _LAST_NS))
    environment = measurement.environment
    return pb.Measurement(
        id=measurement.id,
        workload=measurement.workload,
        target=measurement.target,
        schedule=schedule_to(measurement.schedule),
        environment=pb.Environment(
            versions=environment.versions, machine_json=_dumps(environment.machine)
        ),
        policy=policy_to(measurement.policy),
        outcome=outcome_to(measurement.outcome),
        samples_us=measurement.samples_us,
        time=time,
        error=printable(measurement.error),
        build_seconds=measurement.build_seconds,
        run_seconds=measurement.run_seconds,
        max_error=measurement.max_error,
        extra_json=_dumps(measurement.extra),
    )


def _dumps(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), separators=(",", ":"))


def measurement_from(message: pb.Measurement) -> Measurement:
    """Raises FieldError for a measurement that no store takes."""
    if not 1 <= len(message.id) <= 128:
        raise FieldError("id", "a measurement has an id of 1 to 128 characters: a UUID")
    if len(message.samples_us) > _MANY:
        raise FieldError("samples_us", f"{len(message.samples_us)} samples are too many")
    with within("schedule"):
        schedule = schedule_from(message.schedule)
    with within("policy"):
        policy = policy_from(message.policy)
    samples, outcome = tuple(message.samples_us), outcome_from(message.outcome)
    _check_samples(samples, outcome)
    for name in ("build_seconds", "run_seconds"):
        if not math.isfinite(getattr(message, name)):
            raise FieldError(name, f"{getattr(message, name)} is no number of seconds")
    with within("environment"):
        machine = _object(message.environment.machine_json, "machine_json")
    return Measurement(
        id=message.id,
        workload=check_hash(message.workload, "workload"),
        schedule=schedule,
        target=check_hash(message.target, "target"),
        environment=Environment(dict(message.environment.versions), machine),
        policy=policy,
        outcome=outcome,
        samples_us=samples,
        timestamp=_time(message.time),
        error=message.error,
        build_seconds=message.build_seconds,
        run_seconds=message.run_seconds,
        max_error=message.max_error if message.HasField("max_error") else None,
        extra=_object(message.extra_json, "extra_json"),
    )


def recorded_from(message: pb.Measurement) -> Measurement:
    """A measurement for a store that others read, who may be given its schedule as the best.

    Raises FieldError as ``measurement_from`` does, and for what is no schedule of its backend.
    """
    measurement = measurement_from(message)
    try:
        check_shape(measurement.schedule)
    except UsageError as error:
        raise FieldError("schedule.text", error.message, hint=error.hint) from error
    return measurement


def _time(message: Timestamp) -> float:
    """Seconds since 1970; what is past the calendar could not be sent again."""
    try:
        nanoseconds = message.ToNanoseconds()
        Timestamp().FromNanoseconds(nanoseconds)
    except ValueError as error:
        raise FieldError("time", f"this is no time: {error}") from error
    return nanoseconds / 10**9


def _check_samples(samples: tuple[float, ...], outcome: Outcome) -> None:
    if not all(map(math.isfinite, samples)):
        raise FieldError("samples_us", "a sample is not finite")
    if outcome is Outcome.OK and not samples:
        raise FieldError("samples_us", "a correct kernel was timed, and there is no sample")
    try:
        check_samples(samples, outcome)
    except ValueError as error:
        raise FieldError("samples_us", str(error)) from error
    for place, sample in enumerate(samples):
        if outcome is Outcome.OK and not _LEAST_US <= sample <= _MOST_US:
            raise FieldError(
                "samples_us",
                f"sample {place} is {sample:g} microseconds, and no call of a kernel takes under "
                f"{_LEAST_US:g} or over {_MOST_US:g}",
                hint="samples are microseconds a call",
            )


_PREDICT = (
    "workload", "function", "target", "backend", "model", "latency_us", "low_us", "high_us",
    "roofline_us", "flops", "bytes", "intensity", "measured_us",
)  # fmt: skip


def predict_to(result: PredictResult, target_hash: str) -> pb.PredictResponse:
    """A prediction; ``target_hash`` is what the result itself does not have."""
    untuned = result.untuned
    return pb.PredictResponse(
        **{name: getattr(result, name) for name in _PREDICT},
        untuned=None if untuned is None else pb.Untuned(**untuned.to_json()),
        notes=result.notes,
        target_hash=target_hash,
    )


def predict_from(message: pb.PredictResponse) -> PredictResult:
    """A prediction, as ``costmodel.predict`` gives it."""
    values = {name: getattr(message, name) for name in _PREDICT}
    if not message.HasField("measured_us"):
        values["measured_us"] = None
    untuned = None
    if message.HasField("untuned"):
        untuned = Untuned(**{name: getattr(message.untuned, name) for name in _UNTUNED})
    return PredictResult(**values, untuned=untuned, notes=tuple(message.notes))


def rank_from(message: pb.RankResponse, seconds: float) -> RankResult:
    """A ranking whose schedules the server drew; ``seconds`` is what the call took."""
    return RankResult(
        workload=message.workload,
        function=message.function,
        target=message.target,
        backend=message.backend,
        model=message.model,
        seconds=seconds,
        notes=tuple(message.notes),
        schedules=tuple(
            RankedSchedule(
                rank=each.rank,
                backend=each.schedule.backend,
                schedule_hash=each.schedule_hash,
                predicted_us=each.predicted_us,
                low_us=each.low_us,
                high_us=each.high_us,
                measured_us=each.measured_us if each.HasField("measured_us") else None,
                schedule=json.loads(each.schedule.text),
            )
            for each in message.schedules
        ),
    )


_TUNED = ("baseline_us", "best_us", "noise_us", "speedup", "gflops", "roofline_fraction",
          "trials", "measured", "cached", "seconds", "model")  # fmt: skip


def tune_result_to(
    result: TuneResult, winner: Schedule | None, artifacts: Mapping[str, str]
) -> pb.TuneResult:
    """``winner`` is the schedule of the result; ``artifacts`` are names of files, by kind."""
    return pb.TuneResult(
        **{name: getattr(result, name) for name in _TUNED},
        failed=result.failed,
        schedule=None if winner is None else schedule_to(winner),
        notes=result.notes,
        problems=result.problems,
        artifacts=artifacts,
    )
