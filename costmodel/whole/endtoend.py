"""Measuring a model from end to end: sets of flags first, what its dispatches won last."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from costmodel.backends.iree.flags import roots_stay
from costmodel.backends.iree.roots import configured_tilings
from costmodel.backends.iree.schedules import Settings, parse_schedule
from costmodel.errors import BackendError
from costmodel.final import Final, hold_final
from costmodel.measure.measurer import Measurer
from costmodel.measure.timing import is_win
from costmodel.records import Schedule
from costmodel.results import Source
from costmodel.run import Run
from costmodel.tuning import Budget
from costmodel.whole.split import Part, combined

__all__ = ["Assembly", "Flags", "choose_flags", "measure", "obeyed"]

#: One trial in so many of the budget goes to sets of flags.
_FLAG_SHARE = 6
#: Dispatches whose tilings are tried without, where all together win less than each alone.
_DOUBTED = 6
#: Of what the tilings won alone; with less end to end, some of them lose.
_EXPECTED = 0.5
_NOISE = 0.03
#: Seconds that finding a loser takes.
_DOUBT_S = 2.0
#: Seconds that a final takes: a model runs longer than a kernel, and its noise is averaged out.
_FINAL_S = 8.0


@dataclass(frozen=True)
class Flags:
    """The fastest set of flags, and the fastest under which operations keep their tilings."""

    best: Mapping[str, str]
    base: Mapping[str, str]


def measure(
    run: Run, measurer: Measurer, schedules: Sequence[Schedule], source: Source, *, most: int
) -> None:
    """Measure the schedules that nothing is known of, and keep what comes of it.

    ``most`` is how many trials the run may come to; what does not fit is left out.
    """
    seen = {schedule.hash for schedule, _ in run.tally.results()}
    missing = [one for one in dict.fromkeys(schedules) if one.hash not in seen]
    missing = missing[: max(0, most - len(run.trials))]
    try:
        for measurement in measurer.measure(missing) if missing else ():
            run.keep([measurement])
            run.report(measurement, None, source)
    finally:
        run.keep(measurer.finished())
        run.save()


def choose_flags(run: Run, measurer: Measurer, budget: Budget) -> Flags:
    """Time some sets of flags in turns with the default; it stays unless it is clearly beaten."""
    measure(run, measurer, [run.default], "default", most=budget.trials)
    guesses = run.session.space.guesses()[: budget.trials // _FLAG_SHARE]
    for guess in guesses:
        if budget.over:
            break
        measure(run, measurer, [guess], "guess", most=budget.trials)
    for joined in _joined(run, guesses):
        if not budget.over:
            measure(run, measurer, [joined], "guess", most=budget.trials)
            guesses.append(joined)
    final = hold_final(run, measurer, [run.default, *guesses], seconds=_FINAL_S)
    if final is None:
        return Flags({}, {})
    staying = [one for one in final.samples_us if roots_stay(parse_schedule(one).flags)]
    kept = Final({one: final.samples_us[one] for one in staying}, final.noise, None)
    best = parse_schedule(final.winner(run.default)).flags
    base = parse_schedule(kept.winner(run.default)).flags if staying else {}
    return Flags(best, base)


def _joined(run: Run, guesses: Sequence[Schedule]) -> list[Schedule]:
    """The best sets together: the first with the second, and with the third."""
    limit = run.tally.latency_us(run.default)
    ranked = [one for one, us in run.tally.ranked() if one in guesses and us < limit]
    sets = [parse_schedule(one).flags for one in ranked[:3]]
    joined = [Settings({**other, **sets[0]}).schedule() for other in sets[1:]]
    return [one for one in dict.fromkeys(joined) if one not in guesses]


def obeyed(run: Run, flags: Mapping[str, str], won: Sequence[tuple[Part, Settings]]) -> list[bool]:
    """For each dispatch, whether the compiler tiles it in the model as it was tiled alone.

    Equal dispatches are one to the compiler, so that one instance stands for all.
    """
    settings = combined(flags, won)
    try:
        found = configured_tilings(run.session.workload.text, settings)
    except BackendError:  # a tiling that only compiles alone: measuring will find it out
        return [True for _ in won]
    return [
        any(found.get(key) == tiling for key, tiling in part.in_model(one).items())
        for part, one in won
    ]


@dataclass(frozen=True)
class Assembly:
    """Putting a model together again from what its dispatches won, within a budget.

    ``most`` is how many trials the run may come to, those that it has had included.
    """

    run: Run
    measurer: Measurer
    flags: Flags
    budget: Budget
    most: int

    def final(self, won: Sequence[tuple[Part, Settings]], gain_us: float) -> Final | None:
        """Time default, flags, tilings and both in turns.

        ``won`` are the dispatches' tilings, those with the least gain first, and ``gain_us`` is
        what they should win together. Those with which the model is wrong (IREE compiles some
        tilings rightly alone and wrongly beside others) are left out; where much of the gain is
        missing, also those that lose in the model, one by one.
        """
        run, base = self.run, self.flags.base
        plain = [run.default, Settings(self.flags.best).schedule(), Settings(base).schedule()]
        self._measure(plain, "guess")
        kept = self._sound(list(won))
        made = [combined(base, kept).schedule()] if kept else []
        if kept and not self.budget.over and self._shows(kept):
            made.append(combined({}, kept).schedule())
        self._measure(made, "model")
        if kept and not self.budget.over:
            before = run.tally.latency_us(Settings(base).schedule())
            after = run.tally.latency_us(combined(base, kept).schedule())
            if before - after < _EXPECTED * gain_us:
                made.append(self._without_losers(kept))
        return hold_final(run, self.measurer, [*plain, *made], seconds=_FINAL_S)

    def _measure(self, schedules: Sequence[Schedule], source: Source) -> None:
        measure(self.run, self.measurer, schedules, source, most=self.most)

    def _shows(self, won: Sequence[tuple[Part, Settings]]) -> bool:
        """Whether tilings found under the base flags are obeyed under none, too."""
        return all(obeyed(self.run, {}, won))

    def _sound(self, won: list[tuple[Part, Settings]]) -> list[tuple[Part, Settings]]:
        """Those with which the model compiles and is right, found by halving.

        All together are measured even when the time is over: they are what the run has found.
        """
        if not won or self._latency_us(won) < math.inf:
            return won
        if len(won) == 1 or self.budget.over:
            return []
        middle = len(won) // 2
        halves = [self._sound(half) for half in (won[:middle], won[middle:])]
        together = halves[0] + halves[1]
        return together if self._latency_us(together) < math.inf else max(halves, key=len)

    def _latency_us(self, won: Sequence[tuple[Part, Settings]]) -> float:
        schedule = combined(self.flags.base, won).schedule()
        self._measure([schedule], "model")
        return self.run.tally.latency_us(schedule)

    def _without_losers(self, won: list[tuple[Part, Settings]]) -> Schedule:
        base = self.flags.base
        for one in won[:_DOUBTED]:
            if self.budget.over:
                break
            less = [other for other in won if other is not one]
            without, having = combined(base, less).schedule(), combined(base, won).schedule()
            self._measure([without], "model")
            if self._is_faster(without, having):
                won = less
        return combined(base, won).schedule()

    def _is_faster(self, first: Schedule, second: Schedule) -> bool:
        """Whether the first is faster by more than noise; both are timed in turns, and kept."""
        if not math.isfinite(self.run.tally.latency_us(first)):
            return False
        final = hold_final(self.run, self.measurer, [first, second], seconds=_DOUBT_S)
        if final is None or first not in final.samples_us or second not in final.samples_us:
            return final is not None and first in final.samples_us
        noise = max(final.noise, _NOISE)
        return is_win(final.samples_us[first], final.samples_us[second], noise)
