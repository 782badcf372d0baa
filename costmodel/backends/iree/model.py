"""IREE's backend for whole models: the model as one workload, and its dispatches as others.

Flags of the compiler hold for a whole module, tilings for one operation. So a model's space has the
flags, and tilings of any operation; a dispatch's space has tilings under the model's flags.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from costmodel.backends.base import Features, Groups, SearchSpace
from costmodel.backends.iree.backend import IREEBackend
from costmodel.backends.iree.features import feature_set, features_of
from costmodel.backends.iree.flags import are_known, flag_options, presets
from costmodel.backends.iree.groups import find_groups
from costmodel.backends.iree.roots import configured_tilings
from costmodel.backends.iree.schedules import Settings, default_schedule, parse_schedule
from costmodel.backends.iree.space import IREESpace
from costmodel.backends.iree.tilings import mutated_tiling, random_tiling
from costmodel.errors import BackendError, UsageError
from costmodel.ir import parse, walk
from costmodel.ir.structured import is_structured
from costmodel.records import Schedule, Target, Workload

__all__ = ["DispatchBackend", "DispatchSpace", "ModelBackend", "ModelSpace"]


class ModelBackend(IREEBackend):
    """The backend whose workloads are models."""

    takes_models = True

    def space(self, workload: Workload, target: Target) -> SearchSpace:
        from costmodel.ir import check_tunable

        check_tunable(workload)
        return ModelSpace(workload, target)

    def file_names(self, schedule: Schedule) -> Mapping[str, str]:
        return {"library": "model.vmfb", "ir": "model.mlir"}

    def companions(
        self, workload: Workload, schedule: Schedule, target: Target
    ) -> Mapping[str, tuple[str, str]]:
        files = super().companions(workload, schedule, target)
        return {**files, "snippet": ("run_model.py", files["snippet"][1])}


class ModelSpace:
    """Implements ``SearchSpace`` without search: sets of flags, and what dispatches make of it."""

    def __init__(self, workload: Workload, target: Target) -> None:
        self._text = workload.text
        self._options = flag_options(workload.text, target)
        self._feature_set = feature_set(target)
        self._known: dict[Schedule, frozenset[str]] = {}

    @property
    def feature_set(self) -> str:
        return self._feature_set

    @property
    def parts(self) -> Mapping[str, SearchSpace]:
        return {"iree": self}

    def default(self) -> Schedule:
        return default_schedule()

    def guesses(self) -> list[Schedule]:
        return [Settings(flags=flags).schedule() for flags in presets(self._options)]

    def sample(self, count: int, rng: random.Random) -> list[Schedule]:
        return []

    def mutate(self, schedule: Schedule, rng: random.Random) -> Schedule | None:
        return None

    def accepts(self, schedule: Schedule) -> bool:
        try:
            settings = parse_schedule(schedule)
        except UsageError:
            return False
        known = are_known(settings.flags, self._options)
        if not known or not (settings.roots.keys() | settings.cuts) <= self._structured:
            return False
        return not settings.matched or settings.matched.keys() <= self._matchers(settings)

    def sets_aside(self, schedule: Schedule) -> bool:
        """Schedules whose matchers do not show any more are of another state of the compiler."""
        try:
            return bool(parse_schedule(schedule))
        except UsageError:
            return False

    def _matchers(self, settings: Settings) -> frozenset[str]:
        """Matchers of what the compiler makes of the model under the settings' flags and cuts.

        What a store offers goes into a tuning spec only if it is one of them.
        """
        plain = settings.tiled({})
        if plain.schedule() not in self._known:
            try:
                found = configured_tilings(self._text, plain)
            except BackendError:
                found = {}
            matchers = frozenset(key for key in found if isinstance(key, str))
            self._known[plain.schedule()] = matchers
        return self._known[plain.schedule()]

    @cached_property
    def _structured(self) -> frozenset[int]:
        module = parse.parse_trusted(self._text)
        ops = enumerate(walk.operations(module.operation))
        return frozenset(place for place, op in ops if is_structured(op))

    def groups(self, schedule: Schedule) -> Groups:
        return find_groups(self._text, parse_schedule(schedule))

    def features(self, schedules: Sequence[Schedule]) -> list[Features]:
        settings = [parse_schedule(schedule) for schedule in schedules]
        return [features_of([], {}, Settings(one.flags), 0.0, 0.0)
                for one in settings]  # fmt: skip


@dataclass(frozen=True)
class DispatchBackend(IREEBackend):
    """The backend whose workloads are dispatches of one model, compiled with its ``flags``."""

    flags: Mapping[str, str]

    def space(self, workload: Workload, target: Target) -> SearchSpace:
        from costmodel.ir import check_tunable

        check_tunable(workload)
        return DispatchSpace(workload, target, self.flags)


class DispatchSpace(IREESpace):
    """The tilings of a workload's roots under flags that are given."""

    def __init__(self, workload: Workload, target: Target, flags: Mapping[str, str]) -> None:
        super().__init__(workload, target)
        self._flags = dict(flags)

    def default(self) -> Schedule:
        return Settings(self._flags).schedule()

    def guesses(self) -> list[Schedule]:
        tilings = self._tiling_guesses()
        return list(dict.fromkeys(replace(one, flags=self._flags).schedule() for one in tilings))

    def accepts(self, schedule: Schedule) -> bool:
        if not super().accepts(schedule):
            return False
        settings = parse_schedule(schedule)
        return dict(settings.flags) == self._flags and not settings.cuts

    def sets_aside(self, schedule: Schedule) -> bool:
        """Schedules of other flags, or with cuts, are those of the same function as a kernel."""
        return super().accepts(schedule) or super().sets_aside(schedule)

    def mutate(self, schedule: Schedule, rng: random.Random) -> Schedule | None:
        if not self.roots:
            return None
        settings, root = parse_schedule(schedule), rng.choice(self.roots)
        now = settings.tilings.get(root.key, root.tiling)
        tiling = mutated_tiling(root, now, self._vector_bytes, rng)
        if tiling is None:
            return None
        child = settings.tiled({**settings.tilings, root.key: tiling}).schedule()
        return None if child.hash == schedule.hash else child

    def _random(self, rng: random.Random) -> Settings:
        drawn = {root.key: random_tiling(root, self._vector_bytes, rng) for root in self.roots}
        kept = {key: tiling for key, tiling in drawn.items() if rng.random() < 0.8}
        return Settings(self._flags).tiled(kept or drawn)
