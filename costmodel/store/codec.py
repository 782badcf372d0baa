"""Records as plain JSON values and back: what the tables and the exchange files share.

Whole and floating numbers keep their kind, since a record's hash covers its JSON text.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costmodel.records import (
    Environment,
    Measurement,
    Outcome,
    Schedule,
    Target,
    TensorType,
    TimingPolicy,
    Workload,
)

__all__ = [
    "DecodeError",
    "assemble",
    "check_samples",
    "decoding",
    "dumps",
    "environment_from_json",
    "measurement_from_json",
    "measurement_to_json",
    "pack_features",
    "printable",
    "real",
    "target_from_json",
    "target_to_json",
    "text",
    "types_from_json",
    "types_to_json",
    "unpack_features",
    "workload_from_json",
]


class DecodeError(ValueError):
    """A row or a line that is not the record that it should be; the message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def printable(value: str) -> str:
    """Text with what is no text in it escaped."""
    return value.encode("utf-8", "backslashreplace").decode()


@contextmanager
def decoding(what: str) -> Iterator[None]:
    """Turn whatever a malformed ``what`` causes into a DecodeError that names it."""
    try:
        yield
    except DecodeError:
        raise
    except KeyError as error:
        raise DecodeError(f"{what}: {error} is missing") from error
    except RecursionError as error:
        raise DecodeError(f"{what}: nested too deeply") from error
    except (TypeError, ValueError, OverflowError, AttributeError, zlib.error) as error:
        raise DecodeError(f"{what}: {error}") from error


def dumps(value: object) -> str:
    """Compact JSON in ASCII, so that no text can be refused by a file or a database."""
    return json.dumps(value, separators=(",", ":"))


def text(value: object) -> str:
    """``value`` if it is a string that can be stored; raises TypeError or ValueError."""
    if not isinstance(value, str):
        raise TypeError(f"expected a string, found {type(value).__name__}")
    value.encode()  # a lone surrogate cannot be stored
    return value


def real(value: object) -> float:
    """A finite number as a float; raises TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, found {type(value).__name__}")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number, found {value}")
    return number


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, found {type(value).__name__}")
    return value


def types_to_json(types: tuple[TensorType, ...]) -> list[dict[str, Any]]:
    """Tensor types as a list of objects."""
    return [asdict(each) for each in types]


def types_from_json(value: object) -> tuple[TensorType, ...]:
    """Tensor types from what ``types_to_json`` made."""
    if not isinstance(value, list):
        raise TypeError(f"expected a list of types, found {type(value).__name__}")
    return tuple(
        TensorType(tuple(int(n) for n in item["shape"]), text(item["dtype"]), item["index_limit"])
        for item in value
    )


def workload_from_json(hash: str, fields: Mapping[str, Any]) -> Workload:
    """A workload from its fields; raises DecodeError if its text has another hash."""
    with decoding(f"workload {hash}"):
        workload = Workload(
            text(fields["text"]),
            text(fields["function"]),
            types_from_json(fields["inputs"]),
            types_from_json(fields["outputs"]),
        )
        if workload.hash != hash:
            raise ValueError("the SHA-256 of its text is not its hash")
        return workload


def target_to_json(target: Target) -> tuple[dict[str, Any], dict[str, Any]]:
    """The facts that identify a target, and its measured rates."""
    facts = asdict(target)
    rates = {name: facts.pop(name) for name in ("peak_flops", "bandwidth")}
    return facts, rates


def target_from_json(hash: str, facts: object, rates: object) -> Target:
    """A target from what ``target_to_json`` made; raises DecodeError if the hash differs."""
    with decoding(f"target {hash}"):
        known: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in _mapping(facts).items()
        }
        target = Target(**known, **_mapping(rates))
        if target.hash != hash:
            raise ValueError("its facts do not have its hash")
        return target


def measurement_to_json(measurement: Measurement) -> dict[str, Any]:
    """A measurement with its schedule, environment and policy, by hash only for the rest."""
    worst = measurement.max_error
    return {
        "id": measurement.id,
        "workload": measurement.workload,
        "schedule": asdict(measurement.schedule),
        "target": measurement.target,
        "environment": {
            "versions": dict(measurement.environment.versions),
            "machine": dict(measurement.environment.machine),
        },
        "policy": asdict(measurement.policy),
        "outcome": measurement.outcome.value,
        "samples_us": list(measurement.samples_us),
        "timestamp": measurement.timestamp,
        "error": measurement.error,
        "build_seconds": measurement.build_seconds,
        "run_seconds": measurement.run_seconds,
        # JSON has no word for infinity, and a wrong result may well be infinitely wrong.
        "max_error": worst if worst is None or math.isfinite(worst) else str(worst),
        "extra": dict(measurement.extra),
    }


def measurement_from_json(fields: Mapping[str, Any]) -> Measurement:
    """A measurement from what ``measurement_to_json`` made; raises DecodeError."""
    with decoding(f"measurement {fields.get('id', '?')}"):
        return assemble(
            fields,
            Schedule(text(fields["schedule"]["backend"]), text(fields["schedule"]["text"])),
            environment_from_json(fields["environment"]),
            TimingPolicy(**_mapping(fields["policy"])),
        )


def environment_from_json(fields: Mapping[str, Any]) -> Environment:
    """An environment from an object of its fields."""
    return Environment(_mapping(fields["versions"]), _mapping(fields["machine"]))


def assemble(
    fields: Mapping[str, Any], schedule: Schedule, environment: Environment, policy: TimingPolicy
) -> Measurement:
    """A measurement from its parts; raises what ``decoding`` turns into a DecodeError."""
    worst = fields["max_error"]
    outcome = Outcome(fields["outcome"])
    return Measurement(
        id=text(fields["id"]),
        workload=text(fields["workload"]),
        schedule=schedule,
        target=text(fields["target"]),
        environment=environment,
        policy=policy,
        outcome=outcome,
        samples_us=_samples(fields["samples_us"], outcome),
        timestamp=real(fields["timestamp"]),
        error=text(fields["error"]),
        build_seconds=real(fields["build_seconds"]),
        run_seconds=real(fields["run_seconds"]),
        max_error=None if worst is None else float(worst),
        extra=_mapping(fields["extra"]),
    )


def _samples(values: Iterable[object], outcome: Outcome) -> tuple[float, ...]:
    samples = tuple(map(real, values))
    check_samples(samples, outcome)
    return samples


def check_samples(samples: Iterable[float], outcome: Outcome) -> None:
    """Raise ValueError where a correct kernel took no time, or less: searches divide by it."""
    if outcome is Outcome.OK and any(sample <= 0 for sample in samples):
        raise ValueError("a sample of a correct kernel is not above zero")


def pack_features(array: NDArray[np.float32]) -> bytes:
    """Float32, shape (stores, width), as compressed little-endian bytes."""
    return zlib.compress(np.ascontiguousarray(array, dtype="<f4").tobytes(), 6)


def unpack_features(data: object, stores: object, width: object) -> NDArray[np.float32]:
    """Float32, shape (stores, width), from ``pack_features``; raises DecodeError."""
    with decoding("features"):
        if not (isinstance(data, bytes) and isinstance(stores, int) and isinstance(width, int)):
            raise TypeError("expected bytes with a shape of two whole numbers")
        size = 4 * stores * width
        if min(stores, width) < 0:
            raise ValueError(f"the shape ({stores}, {width}) is negative")
        # Bounded, so that a damaged or hostile row cannot fill the memory.
        raw = zlib.decompressobj().decompress(data, size + 1)
        if len(raw) != size:
            raise ValueError(f"{len(raw)} bytes for the shape ({stores}, {width})")
        return np.frombuffer(raw, dtype="<f4").astype(np.float32).reshape(stores, width)
