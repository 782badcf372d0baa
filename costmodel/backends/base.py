"""The narrow seam under the tuner: what a compiler backend offers."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from costmodel.errors import BackendError
from costmodel.ir.origin import Origin
from costmodel.records import Schedule, Target, Workload

__all__ = [
    "Backend",
    "Features",
    "Groups",
    "LoadedKernel",
    "Release",
    "Releases",
    "SearchSpace",
    "part_of",
    "sets_aside",
]

#: One row per buffer store of the scheduled program; float32, shape (stores, width).
Features = NDArray[np.float32]

#: Names of operations, by the kernel that they are fused into.
Groups = tuple[tuple[str, ...], ...]


class SearchSpace(Protocol):
    """All schedules of one workload on one target. No I/O; deterministic for a seeded ``rng``."""

    def default(self) -> Schedule:
        """The untuned default: what the backend would do if nobody tuned."""
        ...

    def guesses(self) -> list[Schedule]:
        """What an expert would try first, best guess first; may be empty."""
        ...

    def sample(self, count: int, rng: random.Random) -> list[Schedule]:
        """Up to ``count`` random valid schedules; fewer where the space is small."""
        ...

    def mutate(self, schedule: Schedule, rng: random.Random) -> Schedule | None:
        """A valid schedule that differs from ``schedule`` in one decision, if one was found."""
        ...

    def accepts(self, schedule: Schedule) -> bool:
        """Whether a schedule from elsewhere, a shared store say, can be one of this space."""
        ...

    def groups(self, schedule: Schedule) -> Groups:
        """Which operations run as one kernel, kernel by kernel, as the compiler forms them.

        Empty where that is not known. Raises CostModelError for a schedule of another space, or
        one that the compiler refuses.
        """
        ...

    def features(self, schedules: Sequence[Schedule]) -> list[Features]:
        """Per-store features of each schedule, in order.

        Raises CostModelError for a schedule that is none of this space.
        """
        ...

    @property
    def feature_set(self) -> str:
        """Name and version of what ``features`` extracts; rows of different sets never mix."""
        ...

    @property
    def parts(self) -> Mapping[str, SearchSpace]:
        """By backend, the spaces whose schedules this one has: itself, or those that it joins.

        Schedules of one part have features of one set, which are equally wide.
        """
        ...


class Backend(Protocol):
    """Makes the space of a workload, builds and exports candidates. Stateless and picklable."""

    @property
    def name(self) -> str: ...

    @property
    def parts(self) -> tuple[Backend, ...]:
        """The backends whose schedules this one takes: itself, or those that it joins."""
        ...

    def versions(self) -> Mapping[str, str]:
        """Versions of everything whose change would change the machine code."""
        ...

    def space(self, workload: Workload, target: Target) -> SearchSpace:
        """Raises UnsupportedError, with the reason, for a workload it cannot schedule."""
        ...

    def build(self, workload: Workload, schedule: Schedule, target: Target, library: Path) -> None:
        """Compile a candidate to the shared library ``library``. Runs in a build worker.

        Raises BackendError with the compiler's message.
        """
        ...

    def load(self, library: Path, workload: Workload, target: Target) -> LoadedKernel:
        """Load what ``build`` wrote. Runs in the measuring worker."""
        ...

    def describe(self, workload: Workload, schedule: Schedule, target: Target) -> str:
        """The scheduled program as text, for the user (TensorIR text for TVM)."""
        ...

    def file_names(self, schedule: Schedule) -> Mapping[str, str]:
        """What an exported ``library`` and the ``ir`` that ``describe`` gives are called."""
        ...

    def companions(
        self, workload: Workload, schedule: Schedule, target: Target
    ) -> Mapping[str, tuple[str, str]]:
        """File name and text of what goes beside an exported library, by artifact.

        The ``snippet`` is a program that loads the library and calls it.
        """
        ...


class LoadedKernel(Protocol):
    """A compiled candidate in the measuring worker's process."""

    def prepare(self, inputs: Sequence[NDArray[Any]], outputs: Sequence[NDArray[Any]]) -> None:
        """Copy arrays into the kernel's own buffers (scalars have shape ``()``)."""
        ...

    def run(self, number: int) -> float:
        """Run ``number`` times back to back; seconds for all of them, by a monotonic clock."""
        ...

    def results(self) -> list[NDArray[Any]]:
        """Copies of the output buffers."""
        ...


def sets_aside(space: SearchSpace, schedule: Schedule) -> bool:
    """Whether a schedule that ``space`` does not accept is a good one of the same workload.

    Spaces that know of such, since the workload has several spaces, have a method of this name.
    """
    knows = getattr(space, "sets_aside", None)
    return knows is not None and bool(knows(schedule))


@dataclass(frozen=True)
class Release:
    """What a user is given: the program as text, the library compiled from it, and remarks."""

    program: str
    library: Path
    notes: tuple[str, ...] = ()


@runtime_checkable
class Releases(Protocol):
    """A backend whose programs are MLIR, so that a schedule can go into the user's own module."""

    def release(
        self,
        workload: Workload,
        schedule: Schedule,
        *,
        origin: Origin | None,
        library: Path,
        check: Callable[[Path], None],
    ) -> Release:
        """Write the schedule into the input's own text, and compile that to ``library``.

        Where the input cannot carry it, or there is none, the canonical form is taken and a note
        says why. ``check`` raises BackendError for a library that is wrong.

        Raises BackendError where the canonical form cannot be compiled either.
        """
        ...


def part_of(backend: Backend, schedule: Schedule) -> Backend:
    """The backend that a schedule belongs to. Raises BackendError if it is none of the parts."""
    for part in backend.parts:
        if part.name == schedule.backend:
            return part
    raise BackendError(f"no part of {backend.name} is called {schedule.backend!r}")
