"""A workload's schedules side by side, and its best latency over time."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from costmodel.records import Measurement, Outcome, Schedule

__all__ = ["Compared", "Step", "baseline", "compare", "is_default", "steps"]

#: The compiler whose default counts as untuned, as in ``costmodel tune``.
_UNTUNED = "iree"


@dataclass(frozen=True)
class Compared:
    """What is known of one schedule by one toolchain and timing policy; times in microseconds.

    ``median_us`` is over all samples, None for a schedule that does not count: one that ever gave
    a wrong result, or whose latest measurement is a failure (``outcome`` says how).
    ``quarters_us`` are the first and third quartile.
    """

    schedule: Schedule
    versions: Mapping[str, str]
    toolchain: str
    policy: str
    measurements: int
    outcome: Outcome
    samples_us: tuple[float, ...]
    median_us: float | None
    quarters_us: tuple[float, float] | None
    last: float

    @property
    def spread(self) -> float | None:
        """Half the distance of the quartiles, as a share of the median."""
        if self.median_us is None or self.quarters_us is None:
            return None
        low, high = self.quarters_us
        return (high - low) / 2 / self.median_us

    @property
    def default(self) -> bool:
        """Whether this is what a compiler does untuned."""
        return is_default(self.schedule)

    @property
    def toolchain_name(self) -> str:
        """The versions, as a person reads them."""
        return ", ".join(f"{name} {version}" for name, version in sorted(self.versions.items()))


def is_default(schedule: Schedule) -> bool:
    """Whether a schedule is the untuned default of its backend, as all of ours write it."""
    try:
        found = json.loads(schedule.text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("kind") == "default"


def compare(measurements: Sequence[Measurement]) -> list[Compared]:
    """Schedules of one workload on one target, fastest first and those that do not count last."""
    groups: dict[tuple[str, str, str], list[Measurement]] = defaultdict(list)
    for one in measurements:
        groups[one.schedule.hash, one.environment.toolchain, one.policy.hash].append(one)
    found = [_compared(group) for group in groups.values()]
    return sorted(found, key=lambda each: (each.median_us is None, each.median_us or -each.last))


def _compared(group: Sequence[Measurement]) -> Compared:
    # Of measurements at one time any failure counts, as in the store's own `best`.
    ordered = sorted(group, key=lambda one: (one.timestamp, not one.ok))
    last, outcomes = ordered[-1], {one.outcome for one in group}
    samples = tuple(sample for one in ordered if one.ok for sample in one.samples_us)
    outcome = Outcome.WRONG_RESULT if Outcome.WRONG_RESULT in outcomes else last.outcome
    counts = bool(samples) and outcome is Outcome.OK
    low_high = None
    if counts and len(samples) > 1:
        low, _, high = quantiles(samples, n=4, method="inclusive")
        low_high = (low, high)
    return Compared(
        schedule=last.schedule,
        versions={str(k): str(v) for k, v in last.environment.versions.items()},
        toolchain=last.environment.toolchain,
        policy=last.policy.hash,
        measurements=len(group),
        outcome=outcome,
        samples_us=samples,
        median_us=median(samples) if counts else None,
        quarters_us=low_high,
        last=last.timestamp,
    )


def baseline(compared: Sequence[Compared]) -> Compared | None:
    """The untuned default to compare with: IREE's, else another compiler's; the newest of it."""
    defaults = [one for one in compared if one.default and one.median_us is not None]
    return max(defaults, key=lambda one: (one.schedule.backend == _UNTUNED, one.last), default=None)


@dataclass(frozen=True)
class Step:
    """One measurement in time: its latency (us, None for a failure) and the best until then."""

    time: float
    latency_us: float | None
    best_us: float | None
    backend: str


def steps(measurements: Sequence[Measurement]) -> list[Step]:
    """The running minimum of medians; schedules that were ever wrong do not lower it."""
    wrong = {one.schedule.hash for one in measurements if one.outcome is Outcome.WRONG_RESULT}
    best: float | None = None
    found = []
    for one in measurements:
        latency = one.latency_us if one.ok and one.samples_us else None
        if latency is not None and one.schedule.hash not in wrong:
            best = latency if best is None else min(best, latency)
        found.append(Step(one.timestamp, latency, best, one.schedule.backend))
    return found
