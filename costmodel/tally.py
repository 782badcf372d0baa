"""Latencies by schedule: many measurements of one thing make one number."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median

from costmodel.records import Measurement, Outcome, Schedule

__all__ = ["Tally"]


class Tally:
    """The median over all samples of each schedule, in microseconds.

    A schedule that ever gave a wrong result, whose latest measurement is a failure, or that was
    ruled out has no latency, however fast it was. All measurements must be of one workload,
    target, toolchain and policy.
    """

    def __init__(self, measurements: Iterable[Measurement] = ()) -> None:
        self._schedules: dict[str, Schedule] = {}
        self._samples: dict[str, list[float]] = {}
        self._latency: dict[str, float] = {}
        #: When the latest measurement was made, and whether it is a failure.
        self._latest: dict[str, tuple[float, bool]] = {}
        self._ruled_out: set[str] = set()
        for measurement in measurements:
            self.add(measurement)

    def __len__(self) -> int:
        """Schedules seen, failures included."""
        return len(self._schedules)

    def add(self, measurement: Measurement) -> None:
        """Take a measurement into account."""
        schedule = measurement.schedule
        self._schedules[schedule.hash] = schedule
        samples = self._samples.setdefault(schedule.hash, [])
        if measurement.ok:
            samples.extend(measurement.samples_us)
        latest = (measurement.timestamp, not measurement.ok)
        self._latest[schedule.hash] = max(latest, self._latest.get(schedule.hash, latest))
        if measurement.outcome is Outcome.WRONG_RESULT:
            self._ruled_out.add(schedule.hash)
        if schedule.hash in self._ruled_out or self._latest[schedule.hash][1] or not samples:
            self._latency.pop(schedule.hash, None)
        else:
            self._latency[schedule.hash] = median(samples)

    def rule_out(self, schedule: Schedule) -> None:
        """Have a schedule count as failed from now on."""
        self._ruled_out.add(schedule.hash)
        self._latency.pop(schedule.hash, None)

    def latency_us(self, schedule: Schedule) -> float:
        """The median; infinite for a schedule that failed or was never seen."""
        return self._latency.get(schedule.hash, math.inf)

    def samples_us(self, schedule: Schedule) -> tuple[float, ...]:
        """All samples of a schedule, whatever became of it."""
        return tuple(self._samples.get(schedule.hash, ()))

    def results(self) -> list[tuple[Schedule, float]]:
        """Every schedule seen with its latency, infinite for failures; in the order of coming."""
        return [(schedule, self.latency_us(schedule)) for schedule in self._schedules.values()]

    def ranked(self) -> list[tuple[Schedule, float]]:
        """The correct schedules, fastest first."""
        found = [(self._schedules[key], latency) for key, latency in self._latency.items()]
        return sorted(found, key=lambda item: item[1])

    @property
    def best_us(self) -> float | None:
        """The lowest latency; None before the first correct measurement."""
        return min(self._latency.values(), default=None)
