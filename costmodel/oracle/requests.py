"""What a client asks, as messages. Files are read here: the text is sent, and the file's name."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral
from pathlib import PurePath
from typing import Any

from google.protobuf.duration_pb2 import Duration

from costmodel.errors import InputError, UsageError
from costmodel.ir import source as sources
from costmodel.oracle.convert import measurement_to, target_to
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.records import Measurement, Schedule, SourceLocation, Target, Workload
from costmodel.results import RankedSchedule

__all__ = [
    "MOST",
    "Kernel",
    "Scheduled",
    "duration",
    "kernel",
    "number",
    "record_requests",
    "schedules_of",
    "target_ref",
]

#: A schedule; one of a ranking; or the JSON object of one, with ``backend`` and ``schedule``.
Scheduled = Schedule | RankedSchedule | Mapping[str, Any]

#: Names that MLIR reads without quotes.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$.]*")
_HASH = re.compile(r"[0-9a-f]{64}")
#: What may be a hash that was cut off.
_PART = re.compile(r"[0-9a-f]{6,63}")

#: Bytes of measurements in one request: far below what any server takes.
_PIECE = 1 << 20

#: The largest number of a message, and the longest time in seconds: some 31 years.
MOST = 2**32 - 1
_LONGEST_S = 1e9


@dataclass(frozen=True)
class Kernel:
    """A kernel as it is asked about; ``name`` is what the user calls the file."""

    message: pb.Workload
    name: str

    @contextmanager
    def named(self) -> Iterator[None]:
        """Errors within it are placed in the user's file, as the user spells it."""
        try:
            yield
        except InputError as error:
            place = error.location
            if place is not None and place.file == self.message.file_name:
                error.location = SourceLocation(self.name, place.line, place.column)
            raise


def kernel(source: str | os.PathLike[str] | Workload, function: str | None = None) -> Kernel:
    """Of a path, MLIR text, the hash of a workload that the oracle knows, or a workload.

    Raises InputError for a file that cannot be read, and UsageError for anything else.
    """
    if not isinstance(source, str | os.PathLike | Workload):
        raise UsageError(
            f"a {type(source).__name__} is no kernel",
            hint="give a path, MLIR text as a str, a Workload, or the hash of one",
        )
    if isinstance(source, Workload) and source.script is not None:
        carried = source.script  # without it other schedules are the kernel's
        return Kernel(
            pb.Workload(mlir=carried.text, function=carried.function, file_name="<text>"), "<text>"
        )
    if isinstance(source, Workload):
        return Kernel(pb.Workload(mlir=_text_of(source), file_name="<text>"), "<text>")
    if isinstance(source, str) and _HASH.fullmatch(source) and not os.path.exists(source):
        return Kernel(pb.Workload(hash=source, function=function or ""), source)
    if isinstance(source, str) and _PART.fullmatch(source) and not os.path.exists(source):
        raise UsageError(
            "no such file",
            location=SourceLocation(source),
            hint="check the path; if it is a hash, give it whole: it has 64 digits",
        )
    text, name = sources.given(source)
    sources.check_text(text, name)
    return Kernel(
        # Where a file lies on this machine is nobody's business.
        pb.Workload(mlir=text, function=function or "", file_name=_printable(PurePath(name).name)),
        name,
    )


def _printable(name: str) -> str:
    """With ? for what no message holds: names of files may be any bytes."""
    return name.encode("utf-8", "replace").decode()


def _text_of(workload: Workload) -> str:
    """The canonical text, whose function is ``main``, with the name that people know it by."""
    if not _NAME.fullmatch(workload.function):
        return workload.text
    return workload.text.replace("@main(", f"@{workload.function}(", 1)


def schedules_of(given: Iterable[Scheduled]) -> list[Schedule]:
    """Schedules in their order. Raises UsageError for what is none."""
    if not isinstance(given, Iterable):
        raise _no_schedule(given)
    return [_schedule(one) for one in given]


def _schedule(given: Scheduled) -> Schedule:
    if isinstance(given, Schedule):
        return given
    fields = given.to_json() if isinstance(given, RankedSchedule) else given
    if not isinstance(fields, Mapping):
        raise _no_schedule(given)
    backend, value = fields.get("backend"), fields.get("schedule")
    if not isinstance(backend, str) or not isinstance(value, Mapping):
        raise _no_schedule(given)
    try:
        spaced, dense = (
            Schedule(backend, json.dumps(value, separators=each, allow_nan=False))
            for each in (None, (",", ":"))
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the schedule of a mapping is no JSON: {error}") from error
    # The store finds a schedule by its text, and backends write traces without spaces.
    forms = (dense, spaced) if value.get("kind") == "trace" else (spaced, dense)
    known = fields.get("schedule_hash")
    return next((one for one in forms if one.hash == known), forms[0])


def _no_schedule(given: object) -> UsageError:
    return UsageError(
        f"a {type(given).__name__} is no schedule",
        hint="give a sequence of Schedule, of RankedSchedule (`schedules` of what rank returned), "
        "or of mappings with backend and schedule",
    )


def target_ref(target: str | Target, threads: int | None = None) -> pb.TargetRef:
    """Of ``cpu`` (this machine), ``server`` (the oracle's), the hash of a known target, or facts.

    Raises UsageError for what is none of these, and for ``threads`` of another machine than this.
    """
    if target == "cpu":
        from costmodel.target import host_target

        return pb.TargetRef(facts=target_to(host_target(threads, measure=False)))
    if threads is not None:
        raise UsageError(
            f"the number of threads belongs to this machine, and the target is {_named(target)}",
            hint="leave --threads out, or register the target with that many",
        )
    if isinstance(target, Target):
        return pb.TargetRef(facts=target_to(target))
    if target == "server":
        return pb.TargetRef()
    if _HASH.fullmatch(target):
        return pb.TargetRef(hash=target)
    raise UsageError(
        f"no target is called {target!r}",
        hint="there is: cpu (this machine), server (the oracle's machine), or a target's hash",
    )


def _named(target: str | Target) -> str:
    return target.cpu if isinstance(target, Target) else target


def number(value: int, name: str, *, least: int = 0, hint: str | None = None) -> int:
    """A whole number of a message. Raises UsageError for one that is none or out of range."""
    if not isinstance(value, Integral) or not least <= value <= MOST:
        raise UsageError(
            f"{name} is {value!r}, and has to be a whole number from {least} to {MOST}", hint=hint
        )
    return value


def duration(seconds: float, name: str) -> Duration:
    """Seconds, to the nanosecond. Raises UsageError for what is no time that can be waited."""
    if not 0 <= seconds <= _LONGEST_S:  # so not for NaN either
        raise UsageError(f"{name} is {seconds}, and has to be seconds from 0 to {_LONGEST_S:g}")
    found = Duration()
    found.FromNanoseconds(round(seconds * 1e9))
    return found


def record_requests(
    measurements: Iterable[Measurement],
    workloads: Sequence[Kernel] = (),
    targets: Sequence[Target] = (),
) -> Iterator[pb.RecordRequest]:
    """Measurements in pieces that every server takes; kernels and targets come before them."""
    piece, size = pb.RecordRequest(targets=map(target_to, targets)), 0
    for each in workloads:
        if size + each.message.ByteSize() > _PIECE and size:
            yield piece
            piece, size = pb.RecordRequest(), 0
        piece.workloads.append(each.message)
        size += each.message.ByteSize()
    for measurement in measurements:
        message = measurement_to(measurement)
        if size + message.ByteSize() > _PIECE and size:
            yield piece
            piece, size = pb.RecordRequest(), 0
        piece.measurements.append(message)
        size += message.ByteSize()
    if piece.ByteSize():
        yield piece
