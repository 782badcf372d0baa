"""What a tuning run is asked to do, and what it may take."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from costmodel.records import Measurement, Target, Workload
from costmodel.store.entries import FeaturesEntry

__all__ = ["Keep", "RunLimits", "RunSpec"]

_GIB = 1 << 30


@dataclass(frozen=True)
class RunLimits:
    """What runs may take, all together and each.

    ``trials`` and ``seconds`` bound what a request may ask for. At most ``concurrent`` runs measure
    here at once, and ``leased`` let clients measure, which takes little; ``queued`` may wait. A
    process of a run may write ``memory_bytes`` of memory, and its files have up to ``file_bytes``,
    all of them together ``disk_bytes``. After its time, or when it is cancelled, a run has
    ``grace_s`` seconds to conclude. Of those that have ended the last ``kept`` are known, as far as
    their files take no more than ``kept_bytes``.
    """

    trials: int = 4096
    seconds: float = 6 * 3600.0
    concurrent: int = 1
    leased: int = 8
    queued: int = 64
    memory_bytes: int = 16 * _GIB
    file_bytes: int = 4 * _GIB
    disk_bytes: int = 16 * _GIB
    grace_s: float = 60.0
    kept: int = 500
    kept_bytes: int = 8 * _GIB


@dataclass(frozen=True)
class RunSpec:
    """A request to tune that has been checked.

    ``source`` is the kernel as the scoring processes take it: ``{"mlir", "function", "file"}`` or
    ``{"known": fields of a workload}``; ``workload`` is what was read of it. ``seconds`` is None
    for no budget of time.
    """

    source: Mapping[str, Any]
    workload: Workload
    target: Target
    backend: str
    trials: int
    seconds: float | None
    seed: int
    request_id: str
    leased: bool


class Keep(Protocol):
    """Puts what was measured into the server's store; ``costmodel.oracle.writer.Writer.keep``."""

    def __call__(
        self,
        workloads: Sequence[Workload] = (),
        targets: Sequence[Target] = (),
        measurements: Sequence[Measurement] = (),
        features: Sequence[FeaturesEntry] = (),
    ) -> Awaitable[int]:
        """How many measurements were new. All are on disk when it returns."""
        ...
