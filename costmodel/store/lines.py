"""JSON lines: a header with the format's version, then one self-contained record a line."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

import numpy as np

from costmodel.errors import InputError, StoreVersionError
from costmodel.records import Measurement, Schedule, SourceLocation
from costmodel.store.codec import (
    DecodeError,
    decoding,
    dumps,
    measurement_from_json,
    measurement_to_json,
    pack_features,
    real,
    target_from_json,
    target_to_json,
    text,
    types_to_json,
    unpack_features,
    workload_from_json,
)
from costmodel.store.entries import Document, Entry, FeaturesEntry, TargetEntry, WorkloadEntry

__all__ = ["FORMAT", "FORMAT_VERSION", "HEADER", "decode", "encode", "read_lines", "write_lines"]

FORMAT = "costmodel-store"
FORMAT_VERSION = 1

#: The first line of every file.
HEADER = dumps({"type": "header", "format": FORMAT, "version": FORMAT_VERSION})


def encode(entry: Entry) -> dict[str, Any]:
    """An entry as a JSON object with its ``type``."""
    match entry:
        case WorkloadEntry(workload, added):
            return {
                "type": "workload", "hash": workload.hash, "text": workload.text,
                "function": workload.function, "inputs": types_to_json(workload.inputs),
                "outputs": types_to_json(workload.outputs), "added": added,
            }  # fmt: skip
        case TargetEntry(target, updated):
            facts, rates = target_to_json(target)
            return {"type": "target", "hash": target.hash, "facts": facts, "rates": rates,
                    "updated": updated}  # fmt: skip
        case Document():
            return {
                "type": "document", "id": entry.id, "name": entry.name, "kernel": entry.kernel,
                "device": entry.device, "header": entry.header, "added": entry.added,
            }  # fmt: skip
        case Measurement():
            return {"type": "measurement", **measurement_to_json(entry)}
        case FeaturesEntry():
            return _encode_features(entry)


def _encode_features(entry: FeaturesEntry) -> dict[str, Any]:
    return {
        "type": "features",
        "feature_set": entry.feature_set,
        "workload": entry.workload,
        "schedule": {"backend": entry.schedule.backend, "text": entry.schedule.text},
        "shape": list(entry.array.shape),
        "data": base64.b64encode(pack_features(entry.array)).decode(),
    }


def decode(fields: dict[str, Any]) -> Entry:
    """An entry from what ``encode`` made; raises DecodeError."""
    kind = fields.get("type")
    with decoding(f"{kind} record"):
        match kind:
            case "workload":
                return WorkloadEntry(
                    workload_from_json(fields["hash"], fields), real(fields["added"])
                )
            case "target":
                target = target_from_json(fields["hash"], fields["facts"], fields["rates"])
                return TargetEntry(target, real(fields["updated"]))
            case "document":
                return _decode_document(fields)
            case "measurement":
                return measurement_from_json(fields)
            case "features":
                return _decode_features(fields)
    raise DecodeError(f"unknown type of record: {kind!r}")


def _decode_document(fields: dict[str, Any]) -> Document:
    names = ("id", "name", "kernel", "device", "header")
    document = Document(**{name: text(fields[name]) for name in names}, added=real(fields["added"]))
    if not isinstance(json.loads(document.header), dict):
        raise ValueError("the header is not an object")
    return document


def _decode_features(fields: dict[str, Any]) -> FeaturesEntry:
    stores, width = fields["shape"]
    array = unpack_features(base64.b64decode(fields["data"], validate=True), stores, width)
    schedule = Schedule(text(fields["schedule"]["backend"]), text(fields["schedule"]["text"]))
    return FeaturesEntry(
        text(fields["feature_set"]), text(fields["workload"]), schedule, np.asarray(array)
    )


def write_lines(entries: Iterable[Entry], stream: IO[str]) -> int:
    """Write a header and every entry; returns how many entries."""
    stream.write(HEADER + "\n")
    count = 0
    for entry in entries:
        stream.write(dumps(encode(entry)) + "\n")
        count += 1
    return count


def read_lines(
    lines: Iterable[str], name: str, check: Callable[[Entry], None] | None = None
) -> Iterator[Entry]:
    """The entries of a file named ``name``; raises InputError with the line.

    ``check`` raises DecodeError for an entry that does not fit.
    """
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    for first, (number, line) in enumerate(numbered):
        place = SourceLocation(name, number, 1)
        try:
            fields = json.loads(line)
            if not isinstance(fields, dict):
                raise DecodeError("expected a JSON object")
            if first == 0 or fields.get("type") == "header":  # files may be concatenated
                _check_header(fields, place)
                continue
            entry = decode(fields)
            if check is not None:
                check(entry)
        except json.JSONDecodeError as error:
            place = SourceLocation(name, number, error.colno)
            raise InputError(f"not JSON: {error.msg}", location=place, hint=_HINT) from error
        except (DecodeError, RecursionError) as error:
            raise InputError(str(error), location=place, hint=_HINT) from error
        yield entry


_HINT = "the file is incomplete or was changed; nothing of it was imported"


def _check_header(fields: dict[str, Any], place: SourceLocation) -> None:
    if fields.get("type") != "header" or fields.get("format") != FORMAT:
        raise InputError(
            "not a file of measurements: the first line is no costmodel header",
            location=place,
            hint="import files written by `costmodel cache export` or T4 results",
        )
    version = fields.get("version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise StoreVersionError(
            f"the file has format version {version}, and this costmodel knows {FORMAT_VERSION}",
            location=place,
            hint="update costmodel",
        )
