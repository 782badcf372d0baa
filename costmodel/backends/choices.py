"""Schedules in one form for learned models, whatever the backend: choices made at sites.

A site is a loop nest that a backend schedules: a block of TensorIR, an operation that IREE tiles.
A schedule is a list of choices, each a word with a value, about a site and one of its axes. Both
are read from texts, without making a scheduled program, so that thousands of schedules a second can
be scored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

from costmodel.records import Schedule

__all__ = ["Axis", "Choice", "ChoiceReader", "Operand", "Site"]


@dataclass(frozen=True)
class Axis:
    """One loop of a site, and how its operands move along it.

    ``contiguous``, ``strided`` and ``invariant`` count the loads whose neighbours along the axis
    are neighbours in memory, are further apart, and are the same. ``stores`` says the same of the
    result: 1, more, or 0; None where that cannot be told.
    """

    extent: int
    reduction: bool
    contiguous: int = 0
    strided: int = 0
    invariant: int = 0
    stores: int | None = None


class Operand(NamedTuple):
    """A tensor that a site reads or writes: bytes of an element, and how its dimensions move.

    ``dims`` has for each dimension the axes that move it and by how many elements a step.
    """

    element_bytes: int
    dims: tuple[Mapping[int, int], ...]

    def bytes(self, sizes: Sequence[int]) -> int:
        """What a tile of these sizes, one an axis, touches of it."""
        total = self.element_bytes
        for dim in self.dims:
            span = 1
            for axis, step in dim.items():
                span += abs(step) * (sizes[axis] - 1)
            total *= span
        return total


@dataclass(frozen=True)
class Site:
    """A loop nest that is scheduled; ``axes`` outermost first.

    ``place`` is the position of its operation in the canonical text, where the backend knows it.
    Of one point, ``loads`` are the tensors that are read, ``operations`` the arithmetic ones and
    ``calls`` those of functions as exp. ``operands`` are those tensors, the result last.
    """

    name: str
    axes: tuple[Axis, ...]
    element_bytes: int
    place: int | None = None
    loads: int = 0
    operations: int = 0
    calls: int = 0
    operands: tuple[Operand, ...] = ()

    @cached_property
    def points(self) -> int:
        return math.prod(self.extents)

    @cached_property
    def extents(self) -> tuple[int, ...]:
        return tuple(axis.extent for axis in self.axes)

    @cached_property
    def bytes(self) -> int:
        """What all operands take that it touches."""
        return sum(operand.bytes(self.extents) for operand in self.operands)

    @cached_property
    def stored(self) -> tuple[int, ...]:
        """The axes along which results are stored; the others reduce."""
        return tuple(place for place, axis in enumerate(self.axes) if not axis.reduction)


class Choice(NamedTuple):
    """One decision: its word and its value (NaN for none), about a site and one of its axes.

    ``site`` and ``axis`` are places in the lists of sites and axes, -1 for none. Where a choice has
    several numbers, the word ends with ``/`` and which of them, so that the order of choices says
    nothing. ``about`` has further numbers of a tile (``tiles.tile_choice``), or nothing.
    """

    word: str
    value: float = math.nan
    site: int = -1
    axis: int = -1
    about: tuple[float, ...] = ()


class ChoiceReader(Protocol):
    """Reads the schedules of one workload on one target."""

    @property
    def sites(self) -> tuple[Site, ...]:
        """What the backend schedules in it; none where that cannot be told."""
        ...

    def choices(self, schedule: Schedule) -> list[Choice]:
        """Raises UsageError for a text that is no schedule."""
        ...
