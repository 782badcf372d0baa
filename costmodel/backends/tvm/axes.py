"""Which axes of a reduction can run along a vector or fill a register tile, and in which sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from costmodel.backends.tvm.access import Access, accesses
from costmodel.backends.tvm.program import Block
from costmodel.backends.tvm.retile import can_pad, packable
from costmodel.backends.tvm.rewrites import combiner, lane_axes

__all__ = [
    "ACCUMULATORS",
    "Machine",
    "bits_of",
    "is_contraction",
    "lane_extent",
    "row_axes",
    "size_options",
    "tile_options",
    "vector_axes",
]

#: Vector registers that accumulators may take; the rest hold operands.
ACCUMULATORS = 28


@dataclass(frozen=True)
class Machine:
    """What the knobs need to know of the target."""

    vector_bytes: int
    threads: int
    #: Dot-product instructions that the target has, by the narrow type: "bf16", "i8".
    dots: frozenset[str] = frozenset()

    def lanes(self, dtype: str) -> int:
        return max(2, self.vector_bytes * 8 // max(8, bits_of(dtype)))


def bits_of(dtype: str) -> int:
    """Bits of an element of TVM's type; 8 where its name has no number, as of bool."""
    return int("".join(c for c in dtype.removeprefix("bfloat") if c.isdigit()) or "8")


def is_contraction(block: Block) -> bool:
    """A reduction that reads some operand element for several points of the result."""
    if not block.reductions:
        return False
    spatial = [p for p, it in enumerate(block.iters) if not it.reduction and it.extent > 1]
    return (
        any(not access.uses(p) for access in accesses(block) for p in spatial)
        and len(accesses(block)) > 1
    )


@lru_cache(maxsize=1024)
def vector_axes(block: Block, machine: Machine) -> list[str]:
    """Axes that can run along a vector, best first: ``s<position>``, or ``r`` for lanes."""
    listed = accesses(block)
    width = machine.lanes(str(block.buffer.dtype))
    scored: list[tuple[float, str]] = []
    for p, it in enumerate(block.iters):
        if it.reduction or it.extent < 4:
            continue
        scored.append((_spatial_score(block, listed, p, width), f"s{p}"))
    if _has_lanes(block, width):
        scored.append((0.5 if is_contraction(block) else -1.0, "r"))
    scored.sort()
    good = [name for score, name in scored if score < 3.0]
    return good or [name for _, name in scored]


def _spatial_score(block: Block, listed: Sequence[Access], p: int, width: int) -> float:
    """Lower is better: what packing, strides and odd sizes would cost."""
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


@lru_cache(maxsize=1024)
def lane_extent(block: Block) -> int:
    """Points of the reduction that memory holds contiguously; 1 where it holds none."""
    count = lane_axes(block)
    return prod(it.extent for it in block.iters[len(block.iters) - count :]) if count else 1


@lru_cache(maxsize=1024)
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
        sizes += [
            v * width for v in (2, 1, 3, 4) if extent % (v * width) and v * width < 2 * extent
        ]
    if not sizes or (extent % width and not may_pad):
        sizes += [d for d in range(min(extent, 4 * width), 3, -1) if extent % d == 0][:4]
    return sizes or [extent]


@lru_cache(maxsize=1024)
def size_options(block: Block, position: int, width: int) -> list[int]:
    """Sizes of the vector tile along the axis at ``position``, the guess first."""
    return _vector_options(block.iters[position].extent, width, can_pad(block, position))


@lru_cache(maxsize=1024)
def row_axes(block: Block, vector: int) -> list[int]:
    """Up to two axes to tile beside the vector: those whose tiles reuse the vector's loads."""
    listed = accesses(block)
    moved = [access for access in listed if access.uses(vector)]

    def reuse(q: int) -> int:
        return sum(not access.uses(q) for access in moved)

    others = [
        q for q, it in enumerate(block.iters) if not it.reduction and q != vector and it.extent > 1
    ]
    return sorted(others, key=lambda q: (-reuse(q), -q))[:2]
