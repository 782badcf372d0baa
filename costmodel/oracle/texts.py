"""What the server remembers of texts: which workload each one is, and what was predicted of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from cachetools import LRUCache

from costmodel.oracle.proto import oracle_pb2 as pb

__all__ = ["Texts", "text_key"]

#: Texts, and bytes of predictions: names in them are the client's, and may be long.
_KEPT, _KEPT_BYTES = 20_000, 32 << 20
#: Of what is beside a prediction in memory.
_BESIDE = 600


def text_key(workload: pb.Workload) -> str:
    """One key a text, function and name of the file."""
    parts = (workload.mlir, workload.function, workload.file_name)
    lengths = ",".join(str(len(part)) for part in parts)
    return hashlib.sha256("\0".join((lengths, *parts)).encode("utf-8", "replace")).hexdigest()


class Texts:
    """Texts that were read, and predictions by text, target and backend; all in memory."""

    def __init__(self) -> None:
        self._hashes: LRUCache[str, str] = LRUCache(_KEPT)
        self._predicted: LRUCache[tuple[str, str, str], pb.PredictResponse] = LRUCache(
            _KEPT_BYTES, getsizeof=_size
        )

    def learn(self, key: str, described: Mapping[str, Any]) -> None:
        """Remember what a scoring process said of a text."""
        self._hashes[key] = described["hash"]

    def hash_of(self, key: str) -> str | None:
        """The hash of a text's workload, if it has been read."""
        return self._hashes.get(key)

    def prediction(self, key: str, target: str, backend: str) -> pb.PredictResponse | None:
        """What was answered last; nobody may change it, and what was measured may be old."""
        return self._predicted.get((key, target, backend))

    def keep_prediction(
        self, key: str, target: str, backend: str, response: pb.PredictResponse
    ) -> None:
        """Remember an answer."""
        if _size(response) <= self._predicted.maxsize:
            self._predicted[key, target, backend] = response


def _size(response: pb.PredictResponse) -> int:
    return _BESIDE + response.ByteSize()
