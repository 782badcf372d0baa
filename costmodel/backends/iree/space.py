"""IREE's schedules of a workload: flags of the compiler, tilings of root operations, cuts."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from costmodel.backends.base import Features, Groups, SearchSpace
from costmodel.backends.iree.features import feature_set, features_of
from costmodel.backends.iree.flags import are_known, flag_options, presets, roots_stay
from costmodel.backends.iree.groups import find_groups
from costmodel.backends.iree.probe import effective_options
from costmodel.backends.iree.roots import Root, find_cuts, find_roots
from costmodel.backends.iree.schedules import Settings, Tiling, default_schedule, parse_schedule
from costmodel.backends.iree.script_schedules import is_script, parse_script
from costmodel.backends.iree.tilings import (
    guessed_tilings,
    mutated_tiling,
    random_tiling,
    valid_tiling,
)
from costmodel.errors import BackendError, UsageError
from costmodel.ir import Analysis, analyze
from costmodel.records import Schedule, Target, Workload

__all__ = ["IREESpace"]

#: How likely in a random schedule a flag is passed, a root tiled anew, a kernel ended early.
_FLAG_SHARE, _ROOT_SHARE, _CUT_SHARE = 0.15, 0.8, 0.15
#: Draws in a row without a new schedule after which a space counts as drawn out.
_MISSES = 48


class IREESpace:
    """Implements ``SearchSpace``."""

    def __init__(self, workload: Workload, target: Target) -> None:
        self._workload = workload
        self._options = flag_options(workload.text, target)
        self._vector_bytes = target.vector_bytes or 16
        self._feature_set = feature_set(target)
        self._groups: dict[tuple[tuple[str, ...], frozenset[int]], Groups] = {}

    @property
    def feature_set(self) -> str:
        return self._feature_set

    @property
    def parts(self) -> Mapping[str, SearchSpace]:
        return {"iree": self}

    @cached_property
    def roots(self) -> tuple[Root, ...]:
        """The operations that can be tiled; the compiler is asked once.

        None where the compiler refuses the program: the default then is a trial that fails.
        """
        try:
            return find_roots(self._workload.text)
        except BackendError:
            return ()

    @cached_property
    def cuts(self) -> dict[int, int]:
        """Operations with which a kernel may end, and the bytes that then go through memory."""
        return find_cuts(self._workload.text)

    @cached_property
    def _drawn(self) -> dict[str, tuple[str, ...]]:
        """The flags that are worth a trial; the compiler is asked once."""
        return effective_options(self._workload.text, self._options)

    @cached_property
    def _by_key(self) -> dict[int | str, Root]:
        return {root.key: root for root in self.roots}

    def default(self) -> Schedule:
        return default_schedule()

    def guesses(self) -> list[Schedule]:
        """Known sets of flags and, root by root, what an expert would try, taken in turns."""
        by_flags = [Settings(flags=flags) for flags in presets(self._drawn)]
        by_cuts = [Settings(cuts=frozenset([place])) for place in self.cuts]
        if len(self.cuts) > 1:
            by_cuts.insert(0, Settings(cuts=frozenset(self.cuts)))
        by_tiles = self._tiling_guesses()
        turns: list[Settings] = []
        for place in range(max(len(by_flags), len(by_tiles), len(by_cuts))):
            for column in (by_flags, by_tiles, by_cuts):
                turns += column[place : place + 1]
        made = {schedule.hash: schedule for one in turns if (schedule := one.schedule())}
        return list(made.values())

    def _tiling_guesses(self) -> list[Settings]:
        columns = [guessed_tilings(root, self._vector_bytes) for root in self.roots]
        return [
            Settings().tiled(
                {r.key: c[i] for r, c in zip(self.roots, columns, strict=True) if i < len(c)}
            )
            for i in range(max(map(len, columns), default=0))
        ]

    def sample(self, count: int, rng: random.Random) -> list[Schedule]:
        """Up to ``count`` schedules, each once; fewer where many draws give nothing new."""
        found: dict[str, Schedule] = {}
        misses = 0
        while len(found) < count and misses < _MISSES:
            schedule = self._random(rng).schedule()
            misses = misses + 1 if schedule.hash in found else 0
            found.setdefault(schedule.hash, schedule)
        return list(found.values())

    def mutate(self, schedule: Schedule, rng: random.Random) -> Schedule | None:
        settings = parse_schedule(schedule)
        draw = rng.random()
        if self.cuts and draw < 0.15:
            other: Settings | None = self._other_cut(settings, rng)
        elif not self.roots or draw < 0.4:
            other = self._other_flag(settings, rng)
        else:
            other = self._other_root(settings, rng)
        child = None if other is None else other.schedule()
        return None if child is None or child.hash == schedule.hash else child

    def accepts(self, schedule: Schedule) -> bool:
        try:
            settings = parse_schedule(schedule)
        except UsageError:
            return False
        return (
            are_known(settings.flags, self._options)
            and settings.cuts <= self.cuts.keys()
            and all(
                key in self._by_key and valid_tiling(self._by_key[key], tiling, self._vector_bytes)
                for key, tiling in settings.tilings.items()
            )
        )

    def groups(self, schedule: Schedule) -> Groups:
        """Structured operations, ``name@position``, by the dispatch that IREE forms of them."""
        if not self.accepts(schedule):
            raise UsageError(f"not a schedule of this workload: {schedule.text[:200]}")
        settings = parse_schedule(schedule)
        key = (tuple(settings.arguments), settings.cuts)
        if key not in self._groups:
            self._groups[key] = find_groups(self._workload.text, settings)
        return self._groups[key]

    def sets_aside(self, schedule: Schedule) -> bool:
        """Transform scripts for the same workload are good schedules, of other spaces."""
        try:
            return is_script(schedule) and bool(parse_script(schedule))
        except UsageError:
            return False

    def features(self, schedules: Sequence[Schedule]) -> list[Features]:
        analysis = self._analysis
        found = []
        for schedule in schedules:
            if not self.accepts(schedule):
                raise UsageError(f"not a schedule of this workload: {schedule.text[:200]}")
            settings = parse_schedule(schedule)
            found.append(
                features_of(self.roots, self.cuts, settings, analysis.flops, analysis.bytes)
            )
        return found

    @cached_property
    def _analysis(self) -> Analysis:
        return analyze(self._workload)

    def _random(self, rng: random.Random) -> Settings:
        flags = {
            name: rng.choice(values)
            for name, values in self._drawn.items()
            if rng.random() < _FLAG_SHARE
        }
        tilings: dict[int | str, Tiling] = {}
        if roots_stay(flags):
            for root in self.roots:
                if rng.random() < _ROOT_SHARE:
                    tilings[root.key] = random_tiling(root, self._vector_bytes, rng)
        cuts = frozenset(place for place in self.cuts if rng.random() < _CUT_SHARE)
        return Settings(flags, cuts=cuts).tiled(tilings)

    def _other_cut(self, settings: Settings, rng: random.Random) -> Settings:
        """One kernel ended there, or no longer."""
        place = rng.choice(list(self.cuts))
        return replace(settings, cuts=settings.cuts ^ {place})

    def _other_flag(self, settings: Settings, rng: random.Random) -> Settings | None:
        if not self._drawn:
            return None
        name = rng.choice(list(self._drawn))
        flags = dict(settings.flags)
        if name in flags and rng.random() < 0.5:
            del flags[name]
        else:
            flags[name] = rng.choice(self._drawn[name])
        changed = replace(settings, flags=flags)
        return changed if roots_stay(flags) else changed.tiled({})

    def _other_root(self, settings: Settings, rng: random.Random) -> Settings | None:
        """One root's tiling changed, or given up for IREE's own."""
        if not roots_stay(settings.flags):
            return self._other_flag(settings, rng)
        root = rng.choice(self.roots)
        tilings = settings.tilings
        if root.key in tilings and rng.random() < 0.1:
            del tilings[root.key]
            return settings.tiled(tilings)
        now = tilings.get(root.key, root.tiling)
        tiling = mutated_tiling(root, now, self._vector_bytes, rng)
        return None if tiling is None else settings.tiled({**tilings, root.key: tiling})
