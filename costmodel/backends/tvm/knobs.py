"""The knobs of a program: what can be decided about each block, and between which options.

A knob is named ``block.what``. Options are listed with the untuned guess first, so that the first
option of every knob together is the schedule one would write by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from costmodel.backends.tvm.access import Access, accesses
from costmodel.backends.tvm.program import Block, Program
from costmodel.backends.tvm.retile import can_pad, packable
from costmodel.backends.tvm.rewrites import (
    combiner,
    consumers,
    inline,
    is_elementwise,
    is_param,
    lane_axes,
    producers,
)

__all__ = ["InvalidKnobsError", "Knobs", "Machine", "Option", "inlined", "knobs_of", "lane_extent", "row_axes", "size_options", "tile_options", "vector_axes"]

Option = int | str
Knobs = Mapping[str, Option]

#: Vector registers that accumulators may take; the rest hold operands.
ACCUMULATORS = 28
_TRANSCENDENTAL = ("exp", "tanh", "erf", "log", "pow", "sin", "cos", "sigmoid", "atan")


class InvalidKnobsError(Exception):
    """The options exclude each other; another sample must be drawn."""


@dataclass(frozen=True)
class Machine:
    """What the knobs need to know of the target: bytes of a vector register, and threads."""

    vector_bytes: int
    threads: int

    def lanes(self, dtype: str) -> int:
        bits = "".join(c for c in dtype.removeprefix("bfloat") if c.isdigit()) or "8"
        return max(2, self.vector_bytes * 8 // max(8, int(bits)))


@dataclass(frozen=True)
class _Listing:
    options: dict[str, tuple[Option, ...]] = field(default_factory=dict)

    def add(self, block: Block, what: str, options: list[Option]) -> None:
        unique = tuple(dict.fromkeys(options))
        if len(unique) > 1:
            self.options[f"{block.name}.{what}"] = unique


def knobs_of(program: Program, machine: Machine) -> dict[str, tuple[Option, ...]]:
    """Every knob of ``program`` that has more than one option."""
    listing = _Listing()
    for block in program.blocks:
        options = _inline_options(program, block)
        if options:
            listing.add(block, "inline", list(options))
    plain = inlined(program, {})
    for block in plain.blocks:
        listing.add(block, "vectors", [2, 1, 4])
        listing.add(block, "fuse", [1, 0])
        if block.reductions:
            _reduction_knobs(plain, block, machine, listing)
        listing.add(block, "parallel", [1, 0])
    return listing.options


def _expensive(block: Block) -> bool:
    text = str(block.value)
    return any(f".{name}(" in text for name in _TRANSCENDENTAL)


def _inline_options(program: Program, block: Block) -> tuple[int, ...]:
    """Which ways an elementwise block may go; the first is the guess. Empty: not inlinable."""
    if not is_elementwise(block) or is_param(program, block.buffer):
        return ()
    readers = consumers(program, block)
    if not readers:
        return ()
    reads_core = any(is_contraction(other) for other in producers(program, block))
    if any(reader.reductions for reader in readers) and reads_core:
        return (0,)
    heavy = _expensive(block)
    if any(is_contraction(reader) for reader in readers):
        return (0,) if heavy else (0, 1)
    if heavy and len(readers) > 1:
        return (0, 1)
    return (1,)


def inlined(program: Program, knobs: Knobs) -> Program:
    """``program`` with its elementwise blocks inlined as the knobs say."""
    for block in program.blocks:
        options = _inline_options(program, block)
        if not options:
            continue
        if knobs.get(f"{block.name}.inline", options[0]) == 1:
            current = next(b for b in program.blocks if b.name == block.name)
            program = inline(program, current)
    return program


def is_contraction(block: Block) -> bool:
    """A reduction that reads some operand element for several points of the result."""
    if not block.reductions:
        return False
    spatial = [p for p, it in enumerate(block.iters) if not it.reduction and it.extent > 1]
    return any(
        not access.uses(p) for access in accesses(block) for p in spatial
    ) and len(accesses(block)) > 1


def vector_axes(block: Block, machine: Machine) -> list[str]:
    """Axes that can run along a vector, best first: ``s<position>``, or ``r`` for lanes."""
    listed = accesses(block)
    width = machine.lanes(str(block.buffer.dtype))
    scored: list[tuple[float, str]] = []
    for p, it in enumerate(block.iters):
        if it.reduction or it.extent < 4:
            continue
        score = _spatial_score(block, listed, p, width)
        if score is not None:
            scored.append((score, f"s{p}"))
    if _has_lanes(block, width):
        scored.append((0.5 if is_contraction(block) else -1.0, "r"))
    scored.sort()
    good = [name for score, name in scored if score < 3.0]
    return good or [name for _, name in scored]


def _spatial_score(block: Block, listed: list[Access], p: int, width: int) -> float | None:
    """Lower is better; None where the axis cannot be a vector."""
    score = 0.0 if block.iters[p].extent >= width else 1.5
    for access in listed:
        if access.stride(p) in (0, 1):
            continue
        if packable(access, block):
            total = prod(it.extent for it in block.iters)
            copied = prod(block.iters[q].extent for q in access.moved_by)
            score += 0.4 + 20.0 * copied / total
        else:
            score += 3.0
    if block.iters[p].extent % width:
        score += 0.3
    is_last = block.indices and block.iters[p].var.same_as(block.indices[-1])
    return score - (0.1 if is_last else 0.0)


def _has_lanes(block: Block, width: int) -> bool:
    return combiner(block) is not None and lane_extent(block) >= width


def lane_extent(block: Block) -> int:
    """Points of the reduction that memory holds contiguously; 1 where it holds none."""
    count = lane_axes(block)
    return prod(it.extent for it in block.iters[len(block.iters) - count :]) if count else 1


def tile_options(block: Block, position: int) -> list[int]:
    """Sizes of a register tile along a spatial axis other than the vector, ascending."""
    extent = block.iters[position].extent
    sizes = [t for t in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16) if extent % t == 0]
    if extent > 4 and can_pad(block, position):
        sizes += [t for t in (4, 6, 8, 12) if extent % t]
    return sorted(set(sizes))


def _vector_options(extent: int, width: int, may_pad: bool) -> list[int]:
    sizes = [v * width for v in (2, 1, 3, 4) if extent % (v * width) == 0]
    if may_pad and extent >= width // 2:
        sizes += [v * width for v in (2, 1, 3, 4) if extent % (v * width) and v * width < 2 * extent]
    if not sizes or (extent % width and not may_pad):
        sizes += [d for d in range(min(extent, 4 * width), 3, -1) if extent % d == 0][:4]
    return sizes or [extent]


def size_options(block: Block, position: int, width: int) -> list[int]:
    """Sizes of the vector tile along the axis at ``position``, the guess first."""
    return _vector_options(block.iters[position].extent, width, can_pad(block, position))


def _reduction_knobs(program: Program, block: Block, machine: Machine, listing: _Listing) -> None:
    axes = vector_axes(block, machine)
    listing.add(block, "vec", list(axes[:3]))
    width = machine.lanes(str(block.buffer.dtype))
    plain = all(any(i.same_as(it.var) for i in block.indices) for it in block.spatial)
    if not plain:
        return
    for axis in axes[:3]:
        if axis == "r":
            long = lane_extent(block) >= 16 * width
            guess = 4 * width if long else 2 * width
            listing.add(block, "lanes", [guess, width, 2 * width, 4 * width, 8 * width])
            continue
        p = int(axis[1:])
        listing.add(block, f"size_{axis}", list(size_options(block, p, width)))
        for number, q in enumerate(row_axes(block, p)):
            options = tile_options(block, q)
            guess = _guess_tile(block.iters[q].extent, options) if number == 0 else 1
            listing.add(block, f"rows{number}_{axis}", [guess, *options])
    for number, access in enumerate(accesses(block)):
        if packable(access, block):
            listing.add(block, f"pack{number}", [0, 1])
    listing.add(block, "order", [0, 1])
    listing.add(block, "block_a", [1, 2, 4, 8, 16])
    listing.add(block, "block_b", [1, 2, 4, 8, 16])
    listing.add(block, "unroll", [1, 2, 4])


def _guess_tile(extent: int, options: list[int]) -> int:
    """About eight rows; padding only where no divisor of a useful size exists."""
    exact = [t for t in options if extent % t == 0 and t >= 4]
    return min(exact or options, key=lambda t: (abs(t - 8), t))


def row_axes(block: Block, vector: int) -> list[int]:
    """Up to two axes to tile beside the vector: those whose tiles reuse the vector's loads."""
    listed = accesses(block)
    moved = [access for access in listed if access.uses(vector)]

    def reuse(q: int) -> int:
        return sum(not access.uses(q) for access in moved)

    others = [
        q
        for q, it in enumerate(block.iters)
        if not it.reduction and q != vector and it.extent > 1
    ]
    return sorted(others, key=lambda q: (-reuse(q), -q))[:2]
