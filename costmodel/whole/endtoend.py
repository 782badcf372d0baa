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

__all__ = ["Flags", "assemble", "choose_flags", "measure", "obeyed"]

#: One trial in so many of the budget goes to sets of flags.
_FLAG_SHARE = 6
#: Dispatches whose tilings are tried without, where all together win less than each alone.
_DOUBTED = 6
#: Of what the tilings won alone; with less end to end, some of them lose.
_EXPECTED = 0.5
_ROUNDS, _NOISE = 15, 0.03
#: Seconds that a final takes: a model runs longer than a kernel, and its noise is averaged out.
_FINAL_S = 8.0


@dataclass(frozen=True)
class Flags:
    """The fastest set of flags, and the fastest under which operations keep their tilings."""

    best: Mapping[str, str]
    base: Mapping[str, str]


def measure(run: Run, measurer: Measurer, schedules: Sequence[Schedule], source: Source) -> None:
    """Measure the schedules that nothing is known of, and keep what comes of it."""
    seen = {schedule.hash for schedule, _ in run.tally.results()}
    missing = [one for one in dict.fromkeys(schedules) if one.hash not in seen]
    try:
        for measurement in measurer.measure(missing) if missing else ():
            run.keep([measurement])
            run.report(measurement, None, source)
    finally:
        run.keep(measurer.finished())
        run.save()


def choose_flags(run: Run, measurer: Measurer, budget: Budget) -> Flags:
    """Time some sets of flags in turns with the default; it stays unless it is clearly beaten."""
    measure(run, measurer, [run.default], "default")
    guesses = run.session.space.guesses()[: budget.trials // _FLAG_SHARE]
    for guess in guesses:
        if budget.over:
            break
        measure(run, measurer, [guess], "guess")
    for joined in _joined(run, guesses):
        if not budget.over:
            measure(run, measurer, [joined], "guess")
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


def assemble(
    run: Run,
    measurer: Measurer,
    flags: Flags,
    won: Sequence[tuple[Part, Settings]],
    gain_us: float,
    budget: Budget,
) -> Final | None:
    """Time default, flags, tilings and both in turns.

    ``won`` are the dispatches' tilings, those with the least gain first, and ``gain_us`` is what
    they should win together. Those with which the model is wrong (IREE compiles some tilings
    rightly alone and wrongly beside others) are left out; where much of the gain is missing, also
    those that lose in the model, one by one.
    """
    won = _sound(run, measurer, flags.base, list(won), budget)
    plain = [run.default, Settings(flags.best).schedule(), Settings(flags.base).schedule()]
    measure(run, measurer, plain, "guess")
    made = [combined({}, won).schedule(), combined(flags.base, won).schedule()] if won else []
    measure(run, measurer, made, "model")
    if won and not budget.over:
        before = run.tally.latency_us(Settings(flags.base).schedule())
        after = run.tally.latency_us(combined(flags.base, won).schedule())
        if before - after < _EXPECTED * gain_us:
            made.append(_without_losers(run, measurer, flags.base, list(won), budget))
    return hold_final(run, measurer, [*plain, *made], seconds=_FINAL_S)


def _sound(
    run: Run,
    measurer: Measurer,
    flags: Mapping[str, str],
    won: list[tuple[Part, Settings]],
    budget: Budget,
) -> list[tuple[Part, Settings]]:
    """Those with which the model compiles and is right, found by halving."""
    if not won or budget.over:
        return []
    schedule = combined(flags, won).schedule()
    measure(run, measurer, [schedule], "model")
    if math.isfinite(run.tally.latency_us(schedule)):
        return won
    if len(won) == 1:
        return []
    middle = len(won) // 2
    halves = [_sound(run, measurer, flags, half, budget) for half in (won[:middle], won[middle:])]
    together = halves[0] + halves[1]
    schedule = combined(flags, together).schedule()
    measure(run, measurer, [schedule], "model")
    right = math.isfinite(run.tally.latency_us(schedule))
    return together if right else max(halves, key=len)


def _without_losers(
    run: Run,
    measurer: Measurer,
    flags: Mapping[str, str],
    won: list[tuple[Part, Settings]],
    budget: Budget,
) -> Schedule:
    for one in won[:_DOUBTED]:
        if budget.over:
            break
        less = [other for other in won if other is not one]
        without, having = combined(flags, less).schedule(), combined(flags, won).schedule()
        measure(run, measurer, [without], "model")
        if _is_faster(measurer, without, having):
            won = less
    return combined(flags, won).schedule()


def _is_faster(measurer: Measurer, first: Schedule, second: Schedule) -> bool:
    """Whether the first is faster by more than noise, or the second cannot be run at all."""
    comparison = measurer.compare([first, second], rounds=_ROUNDS)
    samples = comparison.samples_us
    if first.hash not in samples or second.hash not in samples:
        return first.hash in samples
    noise = max(comparison.noise, _NOISE)
    return is_win(samples[first.hash], samples[second.hash], noise)
