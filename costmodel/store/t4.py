"""The T4 auto-tuning results format, schema 1.0.0: reading it without loss, and writing it.

Source of the format: github.com/odgaard/TuningSchema (results-schema.json), as written by Kernel
Tuner (github.com/KernelTuner/kernel_tuner, file_utils.py). A document has no program text, so its
workload is an external one, named and not described, and its times are in the unit that its
metadata names (milliseconds where it names none).
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from costmodel.errors import InputError
from costmodel.records import (
    Environment,
    Measurement,
    Outcome,
    Schedule,
    SourceLocation,
    Target,
    TimingPolicy,
    Workload,
    digest,
)
from costmodel.store.codec import dumps
from costmodel.store.entries import Document, Entry, TargetEntry, WorkloadEntry

__all__ = ["EXTERNAL_POLICY", "KEY", "SCHEMA_VERSION", "Names", "is_t4", "names_of", "read_t4",
           "restore"]  # fmt: skip

SCHEMA_VERSION = "1.0.0"

#: In ``Measurement.extra``: which document a result is from, its place there, and all of it.
KEY = "t4"

#: Nothing is known of how another tool timed: zero everywhere.
EXTERNAL_POLICY = TimingPolicy(
    warmup=0, min_sample_us=0.0, min_samples=0, max_samples=0, precision=0.0, budget_s=0.0,
    build_timeout_s=0.0, run_timeout_s=0.0, memory_bytes=0,
)  # fmt: skip

_OUTCOMES = {
    "correct": Outcome.OK,
    "compile": Outcome.BUILD_ERROR,
    "runtime": Outcome.RUN_ERROR,
    "timeout": Outcome.RUN_TIMEOUT,
    "correctness": Outcome.WRONG_RESULT,
    "constraints": Outcome.INVALID_SCHEDULE,
}

#: Microseconds in one unit; "miliseconds" is how the published data sets spell it.
_UNITS = {
    "": 1e3, "ms": 1e3, "miliseconds": 1e3, "milliseconds": 1e3, "millisecond": 1e3,
    "s": 1e6, "seconds": 1e6, "second": 1e6, "us": 1.0, "microseconds": 1.0,
    "microsecond": 1.0, "ns": 1e-3, "nanoseconds": 1e-3, "nanosecond": 1e-3,
}  # fmt: skip

Names = tuple[str, str]


def is_t4(value: object) -> bool:
    """Whether a JSON value is meant to be a T4 document."""
    return isinstance(value, dict) and isinstance(value.get("results"), list)


def names_of(document: Mapping[str, Any], file: str) -> Names:
    """Kernel and device: from the metadata if it names them, else from ``KERNEL_DEVICE.json``."""
    metadata = document.get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    stem = PurePath(file).name.removesuffix(".gz").removesuffix(".json")
    stem = stem.encode("utf-8", "replace").decode()
    kernel, separator, device = stem.rpartition("_")
    if not separator:
        kernel, device = stem, ""

    def named(*keys: str) -> str | None:
        values = (known.get(key) for key in keys)
        return next((value for value in values if isinstance(value, str) and value), None)

    return (
        named("kernel_name", "kernel") or kernel or "unknown",
        named("device_name", "device") or device or "unknown",
    )


def read_t4(document: Mapping[str, Any], file: str, names: Names, added: float) -> list[Entry]:
    """Entries for a whole document; ``restore`` gives the document back from them.

    ``added`` is the time of the import, seconds since the epoch. Raises InputError, naming the
    result that is not of the format.
    """
    version = document.get("schema_version", SCHEMA_VERSION)
    if not isinstance(version, str) or version.split(".")[0] != "1":
        raise _bad(file, f"schema version {version!r} is not 1.x", "export it as T4 1.0.0")
    kernel, device = names
    id = digest(dumps([kernel, device, document]))
    header = {key: [] if key == "results" else value for key, value in document.items()}
    results = document["results"]
    scale = _unit(document, file)
    workload = _workload(kernel, results)
    target = Target("gpu", "unknown", device, (), 0, (), 0)
    environment = Environment({}, {"device": device, "source": "T4 results"})
    name = PurePath(file).name.encode("utf-8", "replace").decode()
    entries: list[Entry] = [
        WorkloadEntry(workload, added),
        TargetEntry(target, 0.0),
        Document(id, name, kernel, device, dumps(header), added),
    ]
    for index, result in enumerate(results):
        where = f"results[{index}]"
        _check(result, file, where)
        outcome = _outcome(result, file, where)
        entries.append(
            Measurement(
                id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{id}/{index}")),
                workload=workload.hash,
                schedule=Schedule("t4", json.dumps(result["configuration"], sort_keys=True)),
                target=target.hash,
                environment=environment,
                policy=EXTERNAL_POLICY,
                outcome=outcome,
                samples_us=tuple(_samples(result, scale)) if outcome is Outcome.OK else (),
                timestamp=_timestamp(result.get("timestamp")),
                error="" if outcome is Outcome.OK else _error(result),
                build_seconds=_seconds(result, scale, "compilation", "compilation_time"),
                run_seconds=_seconds(result, scale, "benchmark")
                or sum(_samples(result, scale)) * 1e-6,
                extra={KEY: {"document": id, "index": index, "result": result}},
            )
        )
    return entries


def restore(document: Document, measurements: Sequence[Measurement]) -> dict[str, Any]:
    """The document as it was imported: every value, in the order of its results and keys."""
    ordered = sorted(measurements, key=lambda each: int(each.extra[KEY]["index"]))
    whole: dict[str, Any] = json.loads(document.header)
    whole["results"] = [each.extra[KEY]["result"] for each in ordered]
    return whole


def _bad(file: str, message: str, hint: str | None = None) -> InputError:
    return InputError(
        message, location=SourceLocation(file), hint=hint or "see T4 results schema 1.0.0"
    )


def _check(result: object, file: str, where: str) -> None:
    if not isinstance(result, dict):
        raise _bad(file, f"{where} is not an object")
    for key, kind in [("configuration", dict), ("times", dict), ("invalidity", str)]:
        if not isinstance(result.get(key), kind):
            raise _bad(file, f"{where}.{key} is missing or of the wrong type")
    correctness = result.get("correctness")
    if isinstance(correctness, bool) or not isinstance(correctness, int | float):
        raise _bad(file, f"{where}.correctness is missing or not a number")


def _outcome(result: Mapping[str, Any], file: str, where: str) -> Outcome:
    outcome = _OUTCOMES.get(result["invalidity"])
    if outcome is None:
        raise _bad(
            file,
            f"{where}.invalidity is {result['invalidity']!r}",
            f"it must be one of {', '.join(_OUTCOMES)}",
        )
    wrong = outcome is Outcome.OK and not result["correctness"] > 0
    return Outcome.WRONG_RESULT if wrong else outcome


def _workload(kernel: str, results: Sequence[Any]) -> Workload:
    """An honest stand-in: it says that there is no program, only a name and its parameters."""
    parameters = sorted(
        {
            name
            for result in results
            if isinstance(result, dict) and isinstance(result.get("configuration"), dict)
            for name in result["configuration"]
        }
    )
    facts = json.dumps({"kernel": kernel, "parameters": parameters}, sort_keys=True)
    return Workload(f"external kernel, tuned elsewhere; no MLIR\n{facts}\n", kernel, (), ())


def _unit(document: Mapping[str, Any], file: str) -> float:
    metadata = document.get("metadata")
    unit = metadata.get("timeunit", "") if isinstance(metadata, dict) else ""
    scale = _UNITS.get(unit.strip().lower()) if isinstance(unit, str) else None
    if scale is None:
        raise _bad(
            file, f"metadata.timeunit is {unit!r}", f"it must be one of {', '.join(_UNITS)[2:]}"
        )
    return scale


def _numbers(values: object) -> Iterator[float]:
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300:
            yield float(value)


def _samples(result: Mapping[str, Any], scale: float) -> list[float]:
    """Microseconds: the run times, or where there are none the measurement of time.

    A time that is not above zero is none (the document itself is kept with every value).
    """
    return [sample for sample in _times(result, scale) if sample > 0]


def _times(result: Mapping[str, Any], scale: float) -> list[float]:
    runtimes = [scale * value for value in _numbers(result["times"].get("runtimes", []))]
    if runtimes:
        return runtimes
    measurements = result.get("measurements")
    for item in measurements if isinstance(measurements, list) else []:
        if isinstance(item, dict) and item.get("name") == "time":
            unit = item.get("unit") or ""
            own = _UNITS.get(unit.strip().lower(), scale) if isinstance(unit, str) else scale
            return [(own if unit else scale) * value for value in _numbers(item.get("value"))]
    return []


def _seconds(result: Mapping[str, Any], scale: float, *keys: str) -> float:
    for key in keys:
        for value in _numbers(result["times"].get(key)):
            return value * scale * 1e-6
    return 0.0


def _error(result: Mapping[str, Any]) -> str:
    """The tool's word for the failure: it stands where the measured value would."""
    measurements = result.get("measurements")
    for item in measurements if isinstance(measurements, list) else []:
        if isinstance(item, dict) and isinstance(item.get("value"), str):
            return str(item["value"])
    return str(result["invalidity"])


def _timestamp(value: object) -> float:
    """Seconds since the epoch; 0 where the document does not say in ISO 8601."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        return 0.0
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return seconds if math.isfinite(seconds) else 0.0
