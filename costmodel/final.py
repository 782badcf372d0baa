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
from types import MappingProxyType
from typing import Any

from costmodel.measure.comparison import Comparison, Failure
from costmodel.measure.measurer import Measurer
from costmodel.measure.timing import is_win
from costmodel.records import Measurement, Outcome, Schedule
from costmodel.run import Run

__all__ = ["Final", "hold_final", "recall_final"]

#: The fastest candidates that are timed again.
_FINALISTS = 4
#: What is so many times slower than the best is not timed again: it would take up all the time.
_HOPELESS = 10.0
#: Relative difference of one library's latency between processes (where its memory lies).
_PROCESS_NOISE = 0.05
#: Seconds that the final may take, and the rounds that it must and may have.
_SECONDS, _LEAST_ROUNDS, _MOST_ROUNDS = 3.0, 5, 40
#: Noise above which the final is held once more, since the machine was disturbed.
_DISTURBED = 0.15
#: Seconds that a kernel's turn takes beside its sample, and what a sample lasts at the least.
_TURN_S, _SAMPLE_S = 0.01, 0.0005


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
        """The fastest; the untuned default, where nothing beats that by more than the noise.

        Timing the same library in two processes differs more than twice in one, whose noise
        ``noise`` is: the default stays unless it is beaten by that, too.
        """
        fastest = min(self.samples_us, key=lambda schedule: median(self.samples_us[schedule]))
        baseline = self.samples_us.get(default)
        if baseline and not is_win(
            self.samples_us[fastest], baseline, max(self.noise, _PROCESS_NOISE)
        ):
            return default
        return fastest


def hold_final(
    run: Run,
    measurer: Measurer,
    among: Sequence[Schedule] | None = None,
    *,
    seconds: float | None = None,
) -> Final | None:
    """Time the finalists and keep the samples; None if there is nothing correct to time.

    They are the fastest of all, or ``among`` some, in each case with the untuned default. About
    ``seconds`` are spent, by default a few.

    The untuned default takes part unless it is far slower. A finalist that fails now, though it
    ran before, is out, and its failure is kept; where all do, the next fastest take their places.
    """
    failures: list[Measurement] = []
    final = None
    while final is None and (entries := _finalists(run, among)):
        rounds = _rounds(run, entries, seconds or _SECONDS)
        comparison = measurer.compare(entries, rounds=rounds)
        if comparison.samples_us and comparison.noise > _DISTURBED:
            again = measurer.compare(entries, rounds=rounds)
            comparison = min(comparison, again, key=lambda one: one.noise)
        failures += _rule_out(run, measurer, entries, comparison.failed)
        if comparison.samples_us:
            final = _final(comparison, entries)
            run.keep(_measurements(run, measurer, final))
    # Where nothing at all ran, the machine may be to blame, and other runs are not told.
    if any(one.ok for one in run.measured):
        run.keep(failures)
    return final


def _finalists(run: Run, among: Sequence[Schedule] | None) -> list[Schedule]:
    """The fastest, the fastest of each further backend, and the untuned default."""
    limit = _HOPELESS * (run.tally.best_us or math.inf)
    ranked = [
        schedule
        for schedule, us in run.tally.ranked()
        if us < limit and (among is None or schedule in among)
    ]
    entries = ranked[:_FINALISTS]
    for part in run.session.backend.parts:
        own = (schedule for schedule in ranked if schedule.backend == part.name)
        if not any(entry.backend == part.name for entry in entries):
            entries += [schedule for schedule in (next(own, None),) if schedule is not None]
    if run.default not in entries and run.tally.latency_us(run.default) < limit:
        entries.append(run.default)
    return entries


def _rounds(run: Run, entries: Sequence[Schedule], limit: float) -> int:
    """As many as fit the time, with a second copy of the first and the reference in each."""
    runs = [run.tally.latency_us(schedule) * 1e-6 for schedule in entries]
    seconds = [_TURN_S + one + max(one, _SAMPLE_S) for one in [*runs, runs[0], runs[0]]]
    return max(_LEAST_ROUNDS, min(_MOST_ROUNDS, int(limit / sum(seconds))))


def _rule_out(
    run: Run, measurer: Measurer, entries: Iterable[Schedule], failed: Mapping[str, Failure]
) -> Iterator[Measurement]:
    """Have the failed count as such from now on, and measurements that say so to other runs."""
    for schedule in entries:
        if schedule.hash in failed:
            failure = failed[schedule.hash]
            run.tally.rule_out(schedule)
            run.notes.append(f"a finalist failed when it was timed again: {failure.message}")
            yield _measurement(
                run, measurer, schedule, outcome=failure.outcome, error=failure.message
            )


def _final(comparison: Comparison, entries: Iterable[Schedule]) -> Final:
    samples = comparison.samples_us
    return Final(
        {one: samples[one.hash] for one in entries if one.hash in samples},
        comparison.noise,
        median(comparison.reference_us) if comparison.reference_us else None,
    )


def _measurements(run: Run, measurer: Measurer, final: Final) -> Iterator[Measurement]:
    group = str(uuid.uuid4())
    facts = {"id": group, "noise": final.noise, "reference_us": final.reference_us}
    for schedule, samples in final.samples_us.items():
        yield _measurement(
            run, measurer, schedule, samples_us=tuple(samples), extra={"final": facts}
        )


def _measurement(
    run: Run,
    measurer: Measurer,
    schedule: Schedule,
    *,
    outcome: Outcome = Outcome.OK,
    samples_us: tuple[float, ...] = (),
    error: str = "",
    extra: Mapping[str, Any] = MappingProxyType({}),
) -> Measurement:
    session = run.session
    return Measurement(
        id=str(uuid.uuid4()),
        workload=session.workload.hash,
        schedule=schedule,
        target=session.target.hash,
        environment=measurer.environment(schedule),
        policy=session.policy,
        outcome=outcome,
        samples_us=samples_us,
        timestamp=time.time(),
        error=error,
        extra=dict(extra),
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
