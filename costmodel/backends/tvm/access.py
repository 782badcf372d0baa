"""How a block's loads walk through memory: linear coefficients and strides per iterator."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import tvm

from costmodel.backends.tvm.program import Block, loads, variables_of

__all__ = ["Access", "access_of", "accesses"]


@dataclass(frozen=True)
class Access:
    """One load or store: per buffer dimension, the coefficient of each of the block's iterators.

    ``coefficients[dim]`` is None where the index is not linear in the iterators.
    """

    buffer: Any
    indices: tuple[Any, ...]
    coefficients: tuple[tuple[int, ...] | None, ...]
    #: Positions of the iterators that the indices mention.
    moved_by: frozenset[int]

    @property
    def linear(self) -> bool:
        return all(row is not None for row in self.coefficients)

    def uses(self, position: int) -> bool:
        """Whether the iterator at ``position`` moves this access."""
        return position in self.moved_by

    def stride(self, position: int) -> int | None:
        """Elements between neighbours along the iterator, row-major; None if not linear."""
        total, step = 0, 1
        for row, extent in zip(
            reversed(self.coefficients), reversed(list(self.buffer.shape)), strict=True
        ):
            if row is None:
                return None
            total += row[position] * step
            step *= int(extent)
        return total


def access_of(block: Block, buffer: Any, indices: Any) -> Access:
    """How ``buffer[indices]`` moves with the block's iterators."""
    variables = [it.var for it in block.iters]
    rows = tuple(_row(index, variables) for index in indices)
    used = [var for index in indices for var in variables_of(index)]
    moved = [p for p, own in enumerate(variables) if any(own.same_as(var) for var in used)]
    return Access(buffer, tuple(indices), rows, frozenset(moved))


@lru_cache(maxsize=1024)
def accesses(block: Block) -> tuple[Access, ...]:
    """The loads of a block's value, without those of its own accumulator."""
    return tuple(
        access_of(block, load.source, load.indices)
        for load in loads(block.value)
        if not load.source.same_as(block.buffer)
    )


def _row(index: Any, variables: list[Any]) -> tuple[int, ...] | None:
    if next(loads(index), None) is not None:
        return None
    if isinstance(index, int):
        return (0,) * len(variables)
    found = tvm.sym.detect_linear_equation(index, variables)
    if len(found) != len(variables) + 1:
        return None
    try:
        return tuple(int(coefficient) for coefficient in found[:-1])
    except TypeError:
        return None
