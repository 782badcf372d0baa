"""Runs, derived: the store keeps measurements, and not which command made them.

A run is what was measured of one workload on one target without a pause longer than ``GAP_S``.
``tune`` never pauses that long between two trials; two runs of it that follow each other more
quickly count as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from costmodel.dashboard.reading import Part

__all__ = ["GAP_S", "Run", "find_runs", "starts"]

#: Seconds; building and running one trial may take half a minute by the default time-outs.
GAP_S = 600.0


@dataclass(frozen=True)
class Run:
    """Measurements made together; ``before_us`` is the least latency of all earlier ones (us)."""

    part: Part
    before_us: float | None

    @property
    def gain(self) -> float | None:
        """How many times faster than all before it."""
        if self.part.best_us is None or self.before_us is None:
            return None
        return self.before_us / self.part.best_us


def find_runs(parts: Iterable[Part]) -> list[Run]:
    """Every run, the one that began last first; ``parts`` in the order of time."""
    best: dict[tuple[str, str], float] = {}
    found = []
    for part in parts:
        key = (part.workload, part.target)
        found.append(Run(part, best.get(key)))
        if part.best_us is not None:
            best[key] = min(part.best_us, best.get(key, part.best_us))
    return found[::-1]


def starts(times: Sequence[float]) -> list[int]:
    """Places in ascending ``times`` (seconds) at which a run begins."""
    return [
        place for place, time in enumerate(times) if place == 0 or time - times[place - 1] > GAP_S
    ]
