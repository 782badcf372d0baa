"""What an interleaved re-measurement shows: samples of each kernel, and the noise of the timing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from costmodel.measure.timing import noise_floor
from costmodel.records import Outcome, Schedule

__all__ = ["Comparison", "Failure"]


@dataclass(frozen=True)
class Failure:
    """What became of a schedule that could not be timed."""

    outcome: Outcome
    message: str


@dataclass(frozen=True)
class Comparison:
    """Samples of several kernels taken in turns, in microseconds a run, one a round.

    ``yardstick`` is the first of the schedules asked for that survived; ``twin_us`` are samples of
    a second copy of it, so that the two show what timing the same thing twice does. ``failed``
    has those that did not survive. Where none did there is no yardstick and no sample.
    ``reference_us`` is empty where the reference failed, or there is none.
    """

    yardstick: Schedule | None
    samples_us: Mapping[str, tuple[float, ...]]  # by the schedule's hash
    twin_us: tuple[float, ...]
    reference_us: tuple[float, ...]
    failed: Mapping[str, Failure]  # by the schedule's hash

    @property
    def noise(self) -> float:
        """Relative noise floor (0.03: 3%) from the yardstick and its twin; infinite without."""
        if self.yardstick is None:
            return math.inf
        return noise_floor(self.samples_us[self.yardstick.hash], self.twin_us)
