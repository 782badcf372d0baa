"""The final: the fastest schedules timed in turns with the untuned default, and remembered.

The samples are stored as measurements that carry what the final found out beside them, so that a
later run without trials answers with the same figures.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from costmodel.errors import BackendError, MeasureError
from costmodel.measure.comparison import Comparison
from costmodel.measure.measurer import Measurer
from costmodel.measure.timing import is_win
from costmodel.records import Measurement, Outcome, Schedule
from costmodel.run import Run

__all__ = ["Final", "hold_final", "recall_final"]

#: The fastest candidates that are timed again.
_FINALISTS = 4
#: What is so many times slower than the best is not timed again: it would take up all the time.
_HOPELESS = 10.0
#: Seconds that the final may take, and the rounds that it must and may have.
_SECONDS, _LEAST_ROUNDS, _MOST_ROUNDS = 2.0, 5, 40
#: Seconds that a kernel's turn takes beside its runs, and what a sample lasts at the least.
_TURN_S, _SAMPLE_S = 0.005, 0.0005


@dataclass(frozen=True)
class Final:
    """Samples in microseconds of each schedule, taken in turns.

    ``noise`` is relative (0.03: 3%), from timing the same thing twice; ``reference_us`` is the
    reference compiler's latency, where it was timed.
    """

    samples_us: Mapping[Schedule, Sequence[float]]
    noise: float
    reference_us: float | None

    def latency_us(self, schedule: Schedule) -> float:
        """The median; infinite for a schedule that took no part."""
        return median(self.samples_us[schedule]) if schedule in self.samples_us else math.inf

    def winner(self, default: Schedule) -> Schedule:
        """The fastest; the untuned default, where nothing beats that by more than the noise."""
        fastest = min(self.samples_us, key=lambda schedule: median(self.samples_us[schedule]))
        baseline = self.samples_us.get(default)
        if baseline and not is_win(self.samples_us[fastest], baseline, self.noise):
            return default
        return fastest


def hold_final(run: Run, measurer: Measurer) -> Final | None:
    """Time the finalists and keep the samples; None if there is nothing correct to time.

    The untuned default takes part unless it is far slower. A finalist that fails now, though it
    ran before, is out. Raises MeasureError if all do.
    """
    limit = _HOPELESS * (run.tally.best_us or math.inf)
    entries = [schedule for schedule, us in run.tally.ranked()[:_FINALISTS] if us < limit]
    if run.default not in entries and run.tally.latency_us(run.default) < limit:
        entries.append(run.default)
    out = _unbuildable(measurer, entries)
    entries = [schedule for schedule in entries if schedule not in out]
    failure: MeasureError | None = None
    while entries:
        try:
            comparison = measurer.compare(entries, rounds=_rounds(run, entries))
        except MeasureError as error:  # of the first entry, or of the machine
            failure = error
            out[entries.pop(0)] = error.message
            continue
        failed = comparison.failed
        _rule_out(run, out | {one: failed[one.hash] for one in entries if one.hash in failed})
        final = _final(comparison, entries)
        run.keep(_measurements(run, measurer, final))
        return final
    if failure is not None:
        raise failure
    return None


def _unbuildable(measurer: Measurer, entries: Iterable[Schedule]) -> dict[Schedule, str]:
    """Those that an earlier run measured and that cannot be built again, with the reason."""
    failed = {}
    for schedule in entries:
        try:
            measurer.library(schedule)
        except BackendError as error:
            failed[schedule] = error.message
    return failed


def _rounds(run: Run, entries: Sequence[Schedule]) -> int:
    """As many as fit the time, with a second copy of the first and the reference in each."""
    runs = [run.tally.latency_us(schedule) * 1e-6 for schedule in entries]
    seconds = [_TURN_S + one + max(one, _SAMPLE_S) for one in [*runs, runs[0], runs[0]]]
    return max(_LEAST_ROUNDS, min(_MOST_ROUNDS, int(_SECONDS / sum(seconds))))


def _rule_out(run: Run, out: Mapping[Schedule, str]) -> None:
    for schedule, reason in out.items():
        run.tally.rule_out(schedule)
        run.notes.append(f"a finalist failed when it was timed again: {reason}")


def _final(comparison: Comparison, entries: Iterable[Schedule]) -> Final:
    samples = comparison.samples_us
    return Final(
        {one: samples[one.hash] for one in entries if one.hash in samples},
        comparison.noise,
        median(comparison.reference_us) if comparison.reference_us else None,
    )


def _measurements(run: Run, measurer: Measurer, final: Final) -> Iterator[Measurement]:
    session, now, group = run.session, time.time(), str(uuid.uuid4())
    facts = {"id": group, "noise": final.noise, "reference_us": final.reference_us}
    for schedule, samples in final.samples_us.items():
        yield Measurement(
            id=str(uuid.uuid4()),
            workload=session.workload.hash,
            schedule=schedule,
            target=session.target.hash,
            environment=measurer.environment(schedule),
            policy=session.policy,
            outcome=Outcome.OK,
            samples_us=tuple(samples),
            timestamp=now,
            extra={"final": facts},
        )


def recall_final(known: Iterable[Measurement]) -> Final | None:
    """The latest final among stored measurements, unless something was measured since."""
    ordered = sorted(known, key=lambda one: one.timestamp)
    facts = _facts(ordered[-1]) if ordered else None
    if facts is None:
        return None
    members = [one for one in ordered if _facts(one) == facts and one.ok and one.samples_us]
    samples = {one.schedule: one.samples_us for one in members}
    return Final(samples, facts["noise"], facts["reference_us"])


def _facts(measurement: Measurement) -> dict[str, Any] | None:
    """What a final wrote beside the samples; None for anything else (a store may be anybody's)."""
    facts = measurement.extra.get("final")
    if not isinstance(facts, dict) or not isinstance(facts.get("noise"), float):
        return None
    if not isinstance(facts.get("reference_us"), float | None):
        return None
    return facts
