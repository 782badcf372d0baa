"""Our own measurements as T4 documents, readable by Kernel Tuner's tools and back by us.

Each result has the fields of the format and, under ``costmodel``, the whole record, so that
importing the document gives the same measurements again and doubles none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from costmodel.errors import InputError
from costmodel.records import Measurement, Outcome, SourceLocation
from costmodel.store.codec import DecodeError, decoding
from costmodel.store.entries import Entry, TargetEntry, WorkloadEntry
from costmodel.store.lines import decode, encode
from costmodel.store.t4 import SCHEMA_VERSION

__all__ = ["KEY", "is_native", "native_document", "native_entries"]

#: Where our own records are, in the metadata and in each result.
KEY = "costmodel"

_INVALIDITY = {
    Outcome.OK: "correct",
    Outcome.INVALID_SCHEDULE: "constraints",
    Outcome.BUILD_ERROR: "compile",
    Outcome.BUILD_TIMEOUT: "timeout",
    Outcome.RUN_ERROR: "runtime",
    Outcome.RUN_TIMEOUT: "timeout",
    Outcome.CRASH: "runtime",
    Outcome.OUT_OF_MEMORY: "runtime",
    Outcome.WRONG_RESULT: "correctness",
}


def native_document(
    workload: WorkloadEntry, target: TargetEntry, measurements: Sequence[Measurement]
) -> dict[str, Any]:
    """A T4 document of one workload on one target; times in milliseconds."""
    return {
        "schema_version": SCHEMA_VERSION,
        "metadata": {
            "timeunit": "milliseconds",
            "kernel_name": workload.workload.function,
            "device_name": target.target.cpu,
            KEY: {"workload": encode(workload), "target": encode(target)},
        },
        "results": [_result(each) for each in measurements],
    }


def _result(measurement: Measurement) -> dict[str, Any]:
    ok = measurement.ok and bool(measurement.samples_us)
    value = measurement.latency_us * 1e-3 if ok else measurement.outcome.value
    return {
        "timestamp": str(datetime.fromtimestamp(measurement.timestamp, UTC)),
        "configuration": _configuration(measurement.schedule.text),
        "times": {
            "compilation": measurement.build_seconds * 1e3,
            "benchmark": measurement.run_seconds * 1e3,
            "framework": 0,
            "search_algorithm": 0,
            "validation": 0,
            "runtimes": [sample * 1e-3 for sample in measurement.samples_us],
        },
        "invalidity": _INVALIDITY[measurement.outcome],
        "correctness": 1 if measurement.ok else 0,
        "measurements": [{"name": "time", "value": value, "unit": "ms"}],
        "objectives": ["time"],
        KEY: encode(measurement),
    }


def _configuration(text: str) -> dict[str, Any]:
    """The knobs where the schedule is an object of them, else the schedule under one name."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return value if isinstance(value, dict) else {"schedule": value}


def is_native(document: Mapping[str, Any]) -> bool:
    """Whether a T4 document is one of ours."""
    metadata = document.get("metadata")
    return isinstance(metadata, dict) and isinstance(metadata.get(KEY), dict)


def native_entries(document: Mapping[str, Any], file: str) -> list[Entry]:
    """What ``native_document`` was made of; raises InputError, naming the bad result."""
    where = "metadata"
    try:
        with decoding(where):
            own = document["metadata"][KEY]
            entries: list[Entry] = [decode(own["workload"]), decode(own["target"])]
        for index, result in enumerate(document["results"]):
            where = f"results[{index}]"
            with decoding(where):
                entries.append(decode(result[KEY]))
    except DecodeError as error:
        raise InputError(
            f"{where}: {error}", location=SourceLocation(file),
            hint="the file was changed after its export; nothing of it was imported",
        ) from error  # fmt: skip
    return entries
