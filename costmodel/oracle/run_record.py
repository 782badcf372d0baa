"""One tuning run as the server holds it, and how it becomes a file and a run again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError as MessageError
from google.protobuf.timestamp_pb2 import Timestamp

from costmodel.oracle.events import Events
from costmodel.oracle.limits import RunSpec
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.run_files import RunFiles
from costmodel.oracle.run_process import RunProcess
from costmodel.records import digest
from costmodel.store.codec import (
    DecodeError,
    decoding,
    target_from_json,
    target_to_json,
    types_to_json,
    workload_from_json,
)

__all__ = ["ENDED", "RunRecord", "now", "same_request", "spec_from_json", "spec_to_json"]

_FORMAT = 1

#: States that no run leaves.
ENDED = (pb.TUNE_STATE_DONE, pb.TUNE_STATE_FAILED, pb.TUNE_STATE_CANCELLED)


@dataclass(eq=False)
class RunRecord:
    """A run. ``operation`` is what clients are told of it.

    ``spec`` is there until it has ended. ``collected`` says that all its measurements are in the
    server's store, ``process_id`` and ``process_began`` are of its process.
    """

    id: str
    operation: pb.TuneOperation
    request: str
    files: RunFiles
    events: Events
    spec: RunSpec | None = None
    collected: bool = False
    process_id: int = 0
    process_began: float = 0.0
    process: RunProcess | None = None
    #: Why it was asked to end, if it was; "" for a client that cancelled it.
    ending: str | None = None
    #: Bytes that its files take, once that was looked at after its end.
    size: int | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more happens in it."""
        return self.operation.state in ENDED

    @property
    def created_ns(self) -> int:
        """When it was asked for, in nanoseconds since the epoch."""
        return self.operation.created.ToNanoseconds()

    def save(self) -> None:
        """Write it down. Raises OSError."""
        self.files.save({
            "format": _FORMAT,
            "operation": self.operation.SerializeToString().hex(),
            "request": self.request,
            "spec": None if self.spec is None or self.ended else spec_to_json(self.spec),
            "collected": self.collected,
            "process": [self.process_id, self.process_began],
        })  # fmt: skip

    @classmethod
    def load(cls, files: RunFiles) -> RunRecord | None:
        """What was written down; None where that is none of this version's."""
        saved = files.load()
        if saved is None or saved.get("format") != _FORMAT:
            return None
        try:
            with decoding("a run"):
                id, began = saved["process"]
                return cls(
                    id=files.path.name,
                    operation=pb.TuneOperation.FromString(bytes.fromhex(saved["operation"])),
                    request=saved["request"],
                    files=files,
                    events=Events(files.events),
                    spec=None if saved["spec"] is None else spec_from_json(saved["spec"]),
                    collected=saved["collected"],
                    process_id=id,
                    process_began=began,
                )
        except (DecodeError, MessageError):
            return None


def spec_to_json(spec: RunSpec) -> dict[str, Any]:
    """A request, so that it can wait past the end of the server."""
    return {
        "source": dict(spec.source),
        "workload": {
            "hash": spec.workload.hash,
            "text": spec.workload.text,
            "function": spec.workload.function,
            "inputs": types_to_json(spec.workload.inputs),
            "outputs": types_to_json(spec.workload.outputs),
        },
        "target": [spec.target.hash, *target_to_json(spec.target)],
        "backend": spec.backend,
        "trials": spec.trials,
        "seconds": spec.seconds,
        "seed": spec.seed,
        "request_id": spec.request_id,
        "leased": spec.leased,
    }


def spec_from_json(fields: Mapping[str, Any]) -> RunSpec:
    """Raises what ``decoding`` makes a DecodeError."""
    values = dict(fields)
    workload = values.pop("workload")
    return RunSpec(
        workload=workload_from_json(workload["hash"], workload),
        target=target_from_json(*values.pop("target")),
        **values,
    )


def same_request(spec: RunSpec) -> str:
    """A digest of all that a request asks for."""
    return digest([
        spec.workload.hash, spec.target.hash, spec.backend, spec.trials, spec.seconds, spec.seed,
        spec.leased,
    ])  # fmt: skip


def now() -> Timestamp:
    """The time, as messages have it."""
    stamp = Timestamp()
    stamp.FromNanoseconds(time.time_ns())
    return stamp
