"""The search space of a workload on a CPU: templates and MetaSchedule's rules together."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property

from tvm import s_tir
from tvm_ffi import structural_hash

from costmodel.backends.base import Features, Groups, SearchSpace
from costmodel.backends.tvm.features import FeatureExtractor, feature_set
from costmodel.backends.tvm.groups import groups_of
from costmodel.backends.tvm.knobs import InvalidKnobsError, Knobs, Option, knobs_of
from costmodel.backends.tvm.metaschedule import MetaScheduleSpace
from costmodel.backends.tvm.replay import lowered, machine_of, replay, tvm_target
from costmodel.backends.tvm.template import schedule_noting
from costmodel.backends.tvm.texts import (
    default_text,
    parse,
    plain,
    template_text,
    trace_text,
)
from costmodel.errors import UsageError
from costmodel.records import Schedule, Target, Workload

__all__ = ["TVMSpace"]

#: Share of random samples drawn from MetaSchedule's rules where the templates apply too.
_RULES_SHARE = 0.2
#: MetaSchedule makes three designs a reduction, and all their combinations, before it samples.
_RULES_REDUCTIONS = 4
_TRIES = 8
#: Draws in a row without a new schedule after which a space counts as drawn out.
_MISSES = 24
_KEPT_PROGRAMS = 2048


class TVMSpace:
    """Implements ``SearchSpace``. Programs made once are kept for their features."""

    def __init__(self, workload: Workload, target: Target) -> None:
        self._workload = workload
        self._target = target
        module, self._program = lowered(workload.text)
        self._machine = machine_of(target)
        self._rules = MetaScheduleSpace(module, tvm_target(target))
        blocks = self._program.blocks if self._program is not None else ()
        many = sum(bool(block.reductions) for block in blocks) > _RULES_REDUCTIONS
        self._rules_share = 0.0 if many else _RULES_SHARE
        self._extract = FeatureExtractor(module, tvm_target(target))
        self._made: OrderedDict[str, s_tir.Schedule] = OrderedDict()

    @property
    def feature_set(self) -> str:
        return feature_set(self._target)

    @property
    def parts(self) -> Mapping[str, SearchSpace]:
        return {"tvm": self}

    @cached_property
    def options(self) -> dict[str, tuple[Option, ...]]:
        """The templates' knobs; empty where only MetaSchedule's rules apply."""
        return knobs_of(self._program, self._machine) if self._program is not None else {}

    @cached_property
    def _seen(self) -> dict[int, str]:
        """The text of each program known so far, by its structure; the default is the first."""
        default = self.default()
        self._keep(default, replay(self._workload, default, self._target))
        return {structural_hash(self._made[default.hash].mod): default.text}

    def default(self) -> Schedule:
        return Schedule("tvm", default_text())

    def guesses(self) -> list[Schedule]:
        """What one would write by hand: the first options, then one idea changed at a time."""
        rows = {name: max(map(int, v)) for name, v in self.options.items() if ".rows0_" in name}
        order = self._second_options(".order")
        ideas: list[dict[str, Option]] = [{}, {**rows}, {**order}, {**rows, **order}]
        for name, values in self.options.items():
            if name.endswith((".vec", ".inline")):
                ideas += [{name: value} for value in values[1:]]
        ideas.append(self._second_options(".pack1"))
        made = {schedule.hash: schedule for idea in ideas if (schedule := self._template(idea))}
        return list(made.values())

    def _second_options(self, suffix: str) -> dict[str, Option]:
        return {name: v[1] for name, v in self.options.items() if name.endswith(suffix)}

    def sample(self, count: int, rng: random.Random) -> list[Schedule]:
        """Up to ``count`` schedules, each once; fewer where many draws give nothing new."""
        found: dict[str, Schedule] = {}
        misses = 0
        while len(found) < count and misses < _MISSES:
            schedule = self._sample_one(rng)
            if schedule is None or schedule.hash in found:
                misses += 1
            else:
                found[schedule.hash] = schedule
                misses = 0
        return list(found.values())

    def mutate(self, schedule: Schedule, rng: random.Random) -> Schedule | None:
        child = self._mutated(schedule, rng)
        return None if child is None or child.hash == schedule.hash else child

    def _mutated(self, schedule: Schedule, rng: random.Random) -> Schedule | None:
        data = parse(schedule.text)
        if data["kind"] == "trace":
            other = self._rules.mutate(data["trace"], rng)
            return None if other is None else self._trace(other)
        knobs = data.get("knobs") or {}
        names = [name for name in knobs if name in self.options]
        for _ in range(_TRIES if names else 0):
            changed = dict(knobs)
            for name in rng.sample(names, min(len(names), rng.choice((1, 1, 2)))):
                changed[name] = _other_option(self.options[name], knobs[name], rng)
            made = self._template(changed)
            if made is not None and made.hash != schedule.hash:
                return made
        return None if names else self._sample_one(rng)

    def accepts(self, schedule: Schedule) -> bool:
        """Whether the text is one of this workload's and makes a program.

        That program counts as known: what samples and mutations make of it has this text.
        """
        try:
            self._scheduled(schedule)
        except UsageError:
            return False
        return True

    def groups(self, schedule: Schedule) -> Groups:
        """Blocks of the program by the outermost loop that they share; inlined ones have none."""
        names = [block.name for block in self._program.blocks] if self._program is not None else []
        return groups_of(self._scheduled(schedule), names)

    def features(self, schedules: Sequence[Schedule]) -> list[Features]:
        return self._extract([self._scheduled(schedule) for schedule in schedules])

    def _sample_one(self, rng: random.Random) -> Schedule | None:
        if not self.options or rng.random() < self._rules_share:
            sch = self._rules.sample(rng)
            if sch is not None or not self.options:
                return None if sch is None else self._trace(sch)
        keep = rng.choice((0.0, 0.4, 0.75))
        knobs = {
            name: values[0] if rng.random() < keep else rng.choice(values)
            for name, values in self.options.items()
        }
        return self._template(knobs)

    def _template(self, knobs: Knobs) -> Schedule | None:
        """The template's schedule; an equal program made from other knobs is given instead."""
        if self._program is None:
            return None
        try:
            sch, used = schedule_noting(self._program, knobs, self._machine, self.options)
        except InvalidKnobsError:
            return None
        return self._remember(sch, template_text(used))

    def _trace(self, sch: s_tir.Schedule) -> Schedule:
        return self._remember(sch, trace_text(plain(sch.trace.as_json())))

    def _remember(self, sch: s_tir.Schedule, text: str) -> Schedule:
        text = self._seen.setdefault(structural_hash(sch.mod), text)
        schedule = Schedule("tvm", text)
        self._keep(schedule, sch)
        return schedule

    def _keep(self, schedule: Schedule, sch: s_tir.Schedule) -> None:
        self._made[schedule.hash] = sch
        if len(self._made) > _KEPT_PROGRAMS:
            self._made.popitem(last=False)

    def _scheduled(self, schedule: Schedule) -> s_tir.Schedule:
        if schedule.hash not in self._made:
            sch = replay(self._workload, schedule, self._target)
            self._seen.setdefault(structural_hash(sch.mod), schedule.text)
            self._keep(schedule, sch)
        return self._made[schedule.hash]


def _other_option(values: tuple[Option, ...], now: Option, rng: random.Random) -> Option:
    """A neighbour in size more often than a jump."""
    others = [value for value in values if value != now]
    if not others:
        return now
    if all(isinstance(value, int) for value in values) and rng.random() < 0.5:
        ordered = sorted(values)
        at = ordered.index(now) if now in ordered else 0
        near = ordered[max(0, at - 1) : at] + ordered[at + 1 : at + 2]
        return rng.choice(near or others)
    return rng.choice(others)
