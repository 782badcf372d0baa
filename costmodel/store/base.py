"""The contract of a measurement store; ``tests/store/contract.py`` holds every store to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from costmodel.records import Measurement, Schedule, Target, Workload

__all__ = ["MeasurementStore"]


class MeasurementStore(Protocol):
    """Every Measurement ever made, queried by key. Rows are added and never overwritten."""

    def add_workload(self, workload: Workload) -> None:
        """Remember a workload's text; adding it again does nothing."""
        ...

    def workload(self, hash: str) -> Workload | None: ...

    def workloads(self) -> Iterator[Workload]: ...

    def add_target(self, target: Target) -> None:
        """Remember a target's facts; the measured rates of a known target are refreshed."""
        ...

    def target(self, hash: str) -> Target | None: ...

    def add(self, measurements: Iterable[Measurement]) -> int:
        """Add measurements in one transaction; those whose ``id`` is known are left out.

        Returns the number added. Raises StoreFullError, or StoreError and its kinds.
        """
        ...

    def measurements(
        self,
        *,
        workload: str | None = None,
        target: str | None = None,
        backend: str | None = None,
        toolchain: str | None = None,
        policy: str | None = None,
    ) -> Iterator[Measurement]:
        """Those that match every given field, oldest first. A bad row is a miss with a warning."""
        ...

    def best(
        self, *, workload: str, target: str, backend: str | None = None,
        toolchain: str | None = None, policy: str | None = None,
    ) -> Measurement | None:  # fmt: skip
        """The fastest correct measurement, by the median over all samples of its key.

        A key that ever was wrong, or whose latest measurement is a failure, is out.
        """
        ...

    def add_features(
        self, feature_set: str, workload: str, rows: Sequence[tuple[Schedule, NDArray[np.float32]]]
    ) -> None:
        """Keep the features of schedules, so that a warm start need not replay them."""
        ...

    def features(
        self, feature_set: str, *, workload: str | None = None
    ) -> Iterator[tuple[str, str, NDArray[np.float32]]]:
        """Workload hash, schedule hash, float32 array of shape (stores, width)."""
        ...

    def stats(self) -> Mapping[str, Any]:
        """Counts by workload, target, backend and outcome; size in bytes; schema version."""
        ...

    def verify(self) -> list[str]:
        """Every damage found, one sentence each; empty for a sound store."""
        ...

    def close(self) -> None: ...
