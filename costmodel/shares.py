"""What each backend of a run reached, for the report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from costmodel.final import Final
from costmodel.records import Schedule
from costmodel.results import BackendResult
from costmodel.run import Run

__all__ = ["by_backend"]


def by_backend(run: Run, final: Final | None) -> Iterator[BackendResult]:
    """One result for each backend that has schedules of this workload, in the space's order."""

    def latency_us(schedule: Schedule) -> float:
        timed = final.latency_us(schedule) if final is not None else math.inf
        return timed if math.isfinite(timed) else run.tally.latency_us(schedule)

    for name, space in run.session.space.parts.items():
        default = latency_us(space.default())
        own = [schedule for schedule, _ in run.tally.ranked() if schedule.backend == name]
        timed = [s for s in own if final is not None and s in final.samples_us]
        best = min(timed or own[:1], key=latency_us, default=None)
        trials = [trial for trial in run.trials if trial.backend == name]
        yield BackendResult(
            backend=name,
            default_us=default if math.isfinite(default) else None,
            best_us=None if best is None else latency_us(best),
            schedule_hash=None if best is None else best.hash,
            measured=len(trials),
            cached=sum(of[0].schedule.backend == name for of in run.known.values()),
            failed=Counter(str(trial.outcome) for trial in trials if not trial.ok),
        )
