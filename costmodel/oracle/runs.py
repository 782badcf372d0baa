"""Tuning runs: begun, watched, cancelled, listed, and kept past the end of whoever asked.

SIGNATURES ONLY, so that the server can be written against them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from costmodel.oracle.limits import Keep, RunLimits, RunSpec
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.records import Measurement, Target

__all__ = ["Runs"]


class Runs:
    """Belongs to one event loop. ``await open()`` before anything else, ``await close()`` after.

    ``state`` is a folder of its own for the runs; ``store`` is the server's, which is only read
    (``keep`` writes to it); ``own`` is the machine that the server runs on, with its rates.
    """

    def __init__(
        self,
        state: Path,
        store: Path,
        own: Target,
        keep: Keep,
        limits: RunLimits,
        *,
        weights: Path | None = None,
        confined: bool = True,
    ) -> None: ...

    async def open(self) -> None:
        """Take over what an earlier server left behind, and begin what was waiting.

        Raises UsageError where another server uses the folder, or the kernel cannot confine.
        """

    async def close(self) -> None:
        """End the runs within their grace time; what they measured is kept, leases return."""

    async def start(self, spec: RunSpec, client: str) -> pb.TuneOperation:
        """Raises FieldError for limits exceeded, OverloadedError where too many wait."""
        raise NotImplementedError

    def get(self, name: str) -> pb.TuneOperation:
        """Raises FieldError, NotFoundError."""
        raise NotImplementedError

    def watch(self, name: str, skip: int) -> AsyncIterator[pb.TuneEvent]:
        """Raises FieldError, NotFoundError (at once, not at the first event)."""
        raise NotImplementedError

    async def cancel(self, name: str) -> pb.TuneOperation:
        """Ask a run to end; it may still be running when this returns."""
        raise NotImplementedError

    def list(self, page_size: int, page_token: str) -> pb.ListTunesResponse:
        """Newest first. Raises FieldError for a token that is none."""
        raise NotImplementedError

    def download(self, name: str, kinds: Sequence[str]) -> AsyncIterator[pb.ArtifactChunk]:
        """Raises FieldError for a kind that the run has not, NotFoundError (both at once)."""
        raise NotImplementedError

    async def lease(
        self, target: str, count: int, wait_s: float, term_s: float
    ) -> list[pb.LeasedCandidate]:
        """Candidates to measure for the target of a hash; empty where none came in time."""
        raise NotImplementedError

    async def complete(self, lease: str, measurement: Measurement | None) -> bool:
        """Whether a run still waited for it. Raises FieldError for what is another's measurement."""
        raise NotImplementedError
