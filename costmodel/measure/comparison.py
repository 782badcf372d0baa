"""What an interleaved re-measurement shows: ratios with intervals, above the noise or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from costmodel.measure.timing import Ratio, is_win, noise_floor, paired_ratio
from costmodel.records import Schedule

__all__ = ["Comparison"]


@dataclass(frozen=True)
class Comparison:
    """Samples of several kernels taken in turns, in microseconds a run, one a round.

    ``yardstick`` is the first schedule asked for (the untuned default, as a rule); ``twin_us`` are
    samples of a second copy of it, so that the two show what timing the same thing twice does.
    ``failed`` maps hashes of schedules that did not survive to what happened; ``reference_us`` is
    empty where the reference was not asked for or failed.
    """

    yardstick: Schedule
    samples_us: Mapping[str, tuple[float, ...]]  # by the schedule's hash
    twin_us: tuple[float, ...]
    reference_us: tuple[float, ...]
    failed: Mapping[str, str]

    @property
    def noise(self) -> float:
        """Relative noise floor (0.03: 3%) from the yardstick and its twin."""
        return noise_floor(self.samples_us[self.yardstick.hash], self.twin_us)

    def latency_us(self, schedule: Schedule) -> float:
        """Median latency; KeyError for a schedule that failed."""
        return median(self.samples_us[schedule.hash])

    def ratio(self, schedule: Schedule) -> Ratio:
        """Latency of ``schedule`` over the yardstick's: below 1 is faster."""
        return paired_ratio(self.samples_us[schedule.hash], self.samples_us[self.yardstick.hash])

    def reference_ratio(self, schedule: Schedule) -> Ratio | None:
        """Latency of ``schedule`` over the reference compiler's; None if that was not timed."""
        if not self.reference_us:
            return None
        return paired_ratio(self.samples_us[schedule.hash], self.reference_us)

    def wins(self, schedule: Schedule) -> bool:
        """Whether ``schedule`` beats the yardstick by more than the noise."""
        if schedule.hash not in self.samples_us:
            return False
        return is_win(
            self.samples_us[schedule.hash], self.samples_us[self.yardstick.hash], self.noise
        )
