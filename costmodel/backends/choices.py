"""Schedules in one form for learned models, whatever the backend: choices made at sites.

A site is a loop nest that a backend schedules: a block of TensorIR, an operation that IREE tiles.
A schedule is a list of choices, each a word with a value, about a site and one of its axes. Both
are read from texts, without making a program, so that thousands of schedules a second can be
scored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Axis", "Choice", "Site"]


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


@dataclass(frozen=True)
class Site:
    """A loop nest that is scheduled; ``axes`` outermost first.

    ``place`` is the position of its operation in the canonical text, where the backend knows it.
    Of one point, ``loads`` are the tensors that are read, ``operations`` the arithmetic ones and
    ``calls`` those of functions as exp.
    """

    name: str
    axes: tuple[Axis, ...]
    element_bytes: int
    place: int | None = None
    loads: int = 0
    operations: int = 0
    calls: int = 0

    @property
    def points(self) -> int:
        return math.prod(axis.extent for axis in self.axes)


class Choice(NamedTuple):
    """One decision: its word and its value (NaN for none), about a site and one of its axes.

    ``site`` and ``axis`` are places in the lists of sites and axes, -1 for none. Where a choice has
    several numbers, the word ends with ``/`` and which of them, so that the order of choices says
    nothing.
    """

    word: str
    value: float = math.nan
    site: int = -1
    axis: int = -1
