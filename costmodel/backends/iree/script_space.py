"""The space of a workload with a transform script: IREE's default, and the script's decisions.

A schedule says what counts and nothing else: what a region leaves open is open only where the
region is chosen, so two schedules never stand for one program by their texts alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from math import log2, prod

import numpy as np

from costmodel.backends.base import Features, Groups, SearchSpace
from costmodel.backends.iree.features import feature_set
from costmodel.backends.iree.groups import find_groups
from costmodel.backends.iree.schedules import Settings, default_schedule, parse_schedule
from costmodel.backends.iree.script_schedules import (
    ScriptSettings,
    is_script,
    parse_script,
    value_of,
)
from costmodel.backends.iree.scripted import transformed
from costmodel.errors import UsageError
from costmodel.ir import Analysis, active, analyze
from costmodel.records import Decision, Schedule, Script, Target, Workload, digest

__all__ = ["ScriptSpace"]

#: Spaces with no more combinations are listed, so that none is missed.
_LISTED = 4096
#: Each has the text of its script.
_LISTED_BYTES = 64 << 20
#: Draws in a row without a new schedule after which a larger space counts as drawn out.
_MISSES = 256
#: Seconds that a script may run in this process's child, for what is said of a schedule.
_TRANSFORM_S = 60.0
#: Options of a knob beyond these share a column with others.
_COLUMNS = 16


class ScriptSpace:
    """Implements ``SearchSpace``."""

    def __init__(self, workload: Workload, script: Script, target: Target) -> None:
        self._workload = workload
        self._script = script
        self._feature_set = f"script-{feature_set(target)}/{digest(script.text)[:16]}"

    @property
    def feature_set(self) -> str:
        return self._feature_set

    @property
    def parts(self) -> Mapping[str, SearchSpace]:
        return {"iree": self}

    def default(self) -> Schedule:
        """IREE as it comes, without the script."""
        return default_schedule()

    def guesses(self) -> list[Schedule]:
        """The script as it is written: what it selects itself, else first options."""
        return [self._schedule({each.name: each.selected or 0 for each in self._decisions})]

    def sample(self, count: int, rng: random.Random) -> list[Schedule]:
        """Up to ``count`` schedules, each once; all there are where they are few."""
        if self._is_small:
            return rng.sample(self._all, min(count, len(self._all)))
        found: dict[str, Schedule] = {}
        misses = 0
        while len(found) < count and misses < _MISSES:
            schedule = self._schedule(self._random(rng))
            misses = misses + 1 if schedule.hash in found else 0
            found.setdefault(schedule.hash, schedule)
        return list(found.values())

    def mutate(self, schedule: Schedule, rng: random.Random) -> Schedule | None:
        """One decision made otherwise; what that opens up is drawn, and all is for the default."""
        choices = self._random(rng)
        if schedule == self.default():
            return self._schedule(choices)
        now = self._numbers(schedule)
        if now is None:
            return None
        open_ = [each for each in self._decisions if each.name in now and len(each.options) > 1]
        if not open_:
            return None
        changed = rng.choice(open_)
        others = [n for n in range(len(changed.options)) if n != now[changed.name]]
        near = [n for n in others if abs(n - now[changed.name]) == 1]
        chosen = rng.choice(near if near and rng.random() < 0.5 else others)
        return self._schedule(choices | now | {changed.name: chosen})

    def accepts(self, schedule: Schedule) -> bool:
        return schedule == self.default() or self._numbers(schedule) is not None

    def groups(self, schedule: Schedule) -> Groups:
        """By the positions of operations in what the script makes of the function."""
        if not self.accepts(schedule):
            raise UsageError(f"not a schedule of this script: {schedule.text[:200]}")
        if schedule == self.default():
            return find_groups(self._workload.text, Settings())
        return find_groups(transformed(parse_script(schedule), timeout_s=_TRANSFORM_S), Settings())

    def sets_aside(self, schedule: Schedule) -> bool:
        """Schedules without this script, or with another one, are good ones of other spaces."""
        return not self.accepts(schedule) and _is_other(schedule, self._script.text)

    def features(self, schedules: Sequence[Schedule]) -> list[Features]:
        return [self._features(schedule) for schedule in schedules]

    @property
    def _decisions(self) -> tuple[Decision, ...]:
        return self._script.decisions

    @property
    def _is_small(self) -> bool:
        count = prod(len(each.options) for each in self._decisions)
        return count <= min(_LISTED, _LISTED_BYTES // (1 + len(self._script.text)))

    @cached_property
    def _all(self) -> list[Schedule]:
        """Every schedule of a small space, each once."""
        names = [each.name for each in self._decisions]
        ways = product(*(range(len(each.options)) for each in self._decisions))
        made = (self._schedule(dict(zip(names, way, strict=True))) for way in ways)
        return list({schedule.hash: schedule for schedule in made}.values())

    @cached_property
    def _analysis(self) -> Analysis:
        return analyze(self._workload)

    def _random(self, rng: random.Random) -> dict[str, int]:
        return {each.name: rng.randrange(len(each.options)) for each in self._decisions}

    def _schedule(self, choices: dict[str, int]) -> Schedule:
        counting = active(self._decisions, choices)
        options = {each.name: each.options for each in self._decisions}
        texts = {name: options[name][number] for name, number in counting.items()}
        return ScriptSettings(self._script.text, self._script.function, texts).schedule()

    def _numbers(self, schedule: Schedule) -> dict[str, int] | None:
        """The options that a schedule chooses, by name; None for one that is not of this space."""
        try:
            settings = parse_script(schedule)
        except UsageError:
            return None
        options = {each.name: each.options for each in self._decisions}
        numbers = dict.fromkeys(options, 0)
        for name, text in settings.choices.items():
            if text not in options.get(name, ()):
                return None
            numbers[name] = options[name].index(text)
        if self._schedule(numbers) != schedule:  # another script, or knobs that do not count
            return None
        return {name: numbers[name] for name in settings.choices}

    def _features(self, schedule: Schedule) -> Features:
        numbers = {} if schedule == self.default() else self._numbers(schedule)
        if numbers is None:
            raise UsageError(f"not a schedule of this script: {schedule.text[:200]}")
        row = [float(schedule == self.default())]
        row += [log2(1 + self._analysis.flops), log2(1 + self._analysis.bytes)]
        for decision in self._decisions:
            row += _columns(decision, numbers.get(decision.name))
        return np.array([row], dtype=np.float32)


def _columns(decision: Decision, number: int | None) -> Iterator[float]:
    """Whether a decision counts, its value where that is a number, and which option it is."""
    yield float(number is not None)
    value = None if number is None else value_of(decision.options[number])
    yield log2(value) if isinstance(value, int) and value > 0 else -1.0
    yield -1.0 if number is None else float(number)
    for column in range(min(_COLUMNS, len(decision.options))):
        yield float(number is not None and number % _COLUMNS == column)


def _is_other(schedule: Schedule, text: str) -> bool:
    """Whether it is a schedule of this backend, and not of the script ``text``."""
    try:
        if is_script(schedule):
            return parse_script(schedule).script != text
        parse_schedule(schedule)
    except UsageError:
        return False
    return True
