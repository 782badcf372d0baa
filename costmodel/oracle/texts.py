"""What the server remembers of texts: which workload each one is, and what was predicted of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from costmodel.oracle.proto import oracle_pb2 as pb

__all__ = ["Texts", "text_key"]

_KEPT = 20_000


@dataclass(frozen=True)
class _Read:
    """What a text is: its workload's hash, and whether the text says more than that."""

    hash: str
    scripted: bool


def text_key(workload: pb.Workload) -> str:
    """One key a text, function and name of the file."""
    parts = (workload.mlir, workload.function, workload.file_name)
    lengths = ",".join(str(len(part)) for part in parts)
    return hashlib.sha256("\0".join((lengths, *parts)).encode("utf-8", "replace")).hexdigest()


class Texts:
    """Texts that were read, and predictions by text, target and backend; all in memory."""

    def __init__(self) -> None:
        self._read: LRUCache[str, _Read] = LRUCache(_KEPT)
        self._predicted: LRUCache[tuple[str, str, str], pb.PredictResponse] = LRUCache(_KEPT)

    def learn(self, key: str, described: Mapping[str, Any]) -> None:
        """Remember what a scoring process said of a text."""
        self._read[key] = _Read(described["hash"], described["script"] is not None)

    def hash_of(self, key: str) -> str | None:
        """The hash of a text's workload, if it has been read."""
        read = self._read.get(key)
        return None if read is None else read.hash

    def prediction(self, key: str, target: str, backend: str) -> pb.PredictResponse | None:
        """What was predicted, without what has been measured."""
        return self._predicted.get((key, target, backend))

    def keep_prediction(
        self, key: str, target: str, backend: str, response: pb.PredictResponse
    ) -> None:
        """Remember a prediction; what was measured is asked of the store each time."""
        kept = pb.PredictResponse()
        kept.CopyFrom(response)
        kept.ClearField("measured_us")
        self._predicted[key, target, backend] = kept
