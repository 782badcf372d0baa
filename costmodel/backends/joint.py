"""Several backends as one: every schedule goes to the backend that it belongs to."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from costmodel.backends.base import (
    Backend,
    Features,
    Groups,
    LoadedKernel,
    SearchSpace,
    part_of,
    sets_aside,
)
from costmodel.errors import BackendError, UnsupportedError
from costmodel.records import Schedule, Target, Workload

__all__ = ["JointBackend", "JointSpace"]


@dataclass(frozen=True)
class JointBackend:
    """Implements ``Backend`` over ``parts``, of which the first gives the untuned default.

    ``libraries`` says by a library's first bytes whose it is; what matches none is the first's.
    """

    name: str
    parts: tuple[Backend, ...]
    libraries: Mapping[bytes, str]

    @property
    def worker_modules(self) -> tuple[str, ...]:
        """Modules that workers import before they are forked, of all parts."""
        return tuple(
            module for part in self.parts for module in getattr(part, "worker_modules", ())
        )

    def versions(self) -> Mapping[str, str]:
        return {name: value for part in self.parts for name, value in part.versions().items()}

    def space(self, workload: Workload, target: Target) -> SearchSpace:
        """The parts' spaces; a part that cannot schedule the workload is left out.

        Raises UnsupportedError if none can.
        """
        spaces: dict[str, SearchSpace] = {}
        refused: list[UnsupportedError] = []
        for part in self.parts:
            try:
                spaces[part.name] = part.space(workload, target)
            except UnsupportedError as error:
                refused.append(error)
        if not spaces:
            raise refused[0]
        return JointSpace(spaces)

    def build(self, workload: Workload, schedule: Schedule, target: Target, library: Path) -> None:
        part_of(self, schedule).build(workload, schedule, target, library)

    def load(self, library: Path, workload: Workload, target: Target) -> LoadedKernel:
        with library.open("rb") as file:
            start = file.read(max(map(len, self.libraries), default=0))
        names = [name for magic, name in self.libraries.items() if start.startswith(magic)]
        for part in self.parts:
            if part.name in names or (not names and part is self.parts[0]):
                return part.load(library, workload, target)
        raise BackendError(f"{library.name} is a library of none of the backends")

    def describe(self, workload: Workload, schedule: Schedule, target: Target) -> str:
        return part_of(self, schedule).describe(workload, schedule, target)

    def file_names(self, schedule: Schedule) -> Mapping[str, str]:
        return part_of(self, schedule).file_names(schedule)

    def companions(
        self, workload: Workload, schedule: Schedule, target: Target
    ) -> Mapping[str, tuple[str, str]]:
        return part_of(self, schedule).companions(workload, schedule, target)


class JointSpace:
    """Implements ``SearchSpace`` over the spaces of several backends, by their names."""

    def __init__(self, parts: Mapping[str, SearchSpace]) -> None:
        self.parts = dict(parts)

    @property
    def feature_set(self) -> str:
        return "+".join(space.feature_set for space in self.parts.values())

    def default(self) -> Schedule:
        return next(iter(self.parts.values())).default()

    def guesses(self) -> list[Schedule]:
        """Those of all in turns; the defaults of the others come first."""
        first, *others = self.parts.values()
        columns = [first.guesses(), *([each.default(), *each.guesses()] for each in others)]
        longest = max(map(len, columns))
        return [column[row] for row in range(longest) for column in columns if row < len(column)]

    def sample(self, count: int, rng: random.Random) -> list[Schedule]:
        """As many of each as the rest allows; those that have fewer leave room for the others.

        Who comes first is drawn, since of an odd number the last one gets more.
        """
        spaces = rng.sample(list(self.parts.values()), len(self.parts))
        found: list[Schedule] = []
        for left, space in zip(range(len(spaces), 0, -1), spaces, strict=True):
            found += space.sample((count - len(found)) // left, rng)
        return found

    def mutate(self, schedule: Schedule, rng: random.Random) -> Schedule | None:
        space = self.parts.get(schedule.backend)
        return None if space is None else space.mutate(schedule, rng)

    def accepts(self, schedule: Schedule) -> bool:
        space = self.parts.get(schedule.backend)
        return space is not None and space.accepts(schedule)

    def groups(self, schedule: Schedule) -> Groups:
        if schedule.backend not in self.parts:
            raise BackendError(f"no part of this backend is called {schedule.backend!r}")
        return self.parts[schedule.backend].groups(schedule)

    def sets_aside(self, schedule: Schedule) -> bool:
        """Also schedules of a part that cannot schedule this workload, or not with its script."""
        space = self.parts.get(schedule.backend)
        return space is None or sets_aside(space, schedule)

    def features(self, schedules: Sequence[Schedule]) -> list[Features]:
        """Each by its own space, hence of that one's width."""
        found: dict[str, Features] = {}
        for name in {schedule.backend for schedule in schedules}:
            if name not in self.parts:
                raise BackendError(f"no part of this backend is called {name!r}")
            own = [schedule for schedule in schedules if schedule.backend == name]
            rows = self.parts[name].features(own)
            found |= {s.hash: row for s, row in zip(own, rows, strict=True)}
        return [found[schedule.hash] for schedule in schedules]
