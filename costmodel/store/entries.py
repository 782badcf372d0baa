"""What a store holds and exchanges, one value a piece: for merging, exporting and rescuing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from costmodel.records import Measurement, Schedule, Target, Workload

__all__ = ["Document", "Entry", "FeaturesEntry", "TargetEntry", "WorkloadEntry"]


@dataclass(frozen=True)
class WorkloadEntry:
    """A workload, and when (seconds since the epoch) it was first seen."""

    workload: Workload
    added: float


@dataclass(frozen=True)
class TargetEntry:
    """A target, and when (seconds since the epoch) its rates were measured."""

    target: Target
    updated: float


@dataclass(frozen=True)
class Document:
    """A file of another tool's results, without the results: they are measurements.

    ``header`` is the file's JSON with ``results`` emptied; ``kernel`` and ``device`` are the
    names that its measurements' workload and target were given.
    """

    id: str
    name: str
    kernel: str
    device: str
    header: str
    added: float


@dataclass(frozen=True)
class FeaturesEntry:
    """The features of one schedule of a workload; ``array`` is float32, (stores, width)."""

    feature_set: str
    workload: str
    schedule: Schedule
    array: NDArray[np.float32] = field(compare=False)


Entry = WorkloadEntry | TargetEntry | Document | Measurement | FeaturesEntry
