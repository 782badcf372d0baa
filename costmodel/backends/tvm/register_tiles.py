"""How a template tiles a reduction: the tile in vector registers, and blocks of such tiles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import gcd

from costmodel.backends.tvm.access import accesses
from costmodel.backends.tvm.axes import (
    ACCUMULATORS,
    Machine,
    lane_extent,
    row_axes,
    size_options,
    tile_options,
    vector_axes,
)
from costmodel.backends.tvm.dots import Dot, dot_of
from costmodel.backends.tvm.knobs import Knobs
from costmodel.backends.tvm.program import Block
from costmodel.backends.tvm.retile import packable

__all__ = [
    "block_factors",
    "chosen_dot",
    "dot_tile",
    "has_epilogue",
    "is_parallel",
    "is_tiled",
    "lane_count",
    "packed",
    "register_tile",
    "unroll_factor",
    "vector_axis",
]


@lru_cache(maxsize=1024)
def is_tiled(block: Block, machine: Machine) -> bool:
    """Whether the template tiles this reduction, or gives it lanes."""
    plain = all(any(i.same_as(it.var) for i in block.indices) for it in block.spatial)
    return plain and bool(vector_axes(block, machine))


def chosen_dot(block: Block, knobs: Knobs, machine: Machine) -> Dot | None:
    """The dot product that the reduction is computed by, if one of the machine's is chosen."""
    dot = dot_of(block, machine.dots)
    return dot if dot is not None and knobs.get(f"{block.name}.dot", 1) == 1 else None


def dot_tile(block: Block, knobs: Knobs) -> tuple[int, int]:
    """Rows and vectors of a dot product's tile."""
    vectors = int(knobs.get(f"{block.name}.dot_vectors", 2))
    rows = int(knobs.get(f"{block.name}.dot_rows", 1))
    return min(rows, ACCUMULATORS // vectors), vectors


def vector_axis(block: Block, knobs: Knobs, machine: Machine) -> int | None:
    """The position of the axis that runs along a vector, None for lanes of the reduction."""
    axis = str(knobs.get(f"{block.name}.vec", vector_axes(block, machine)[0]))
    return None if axis == "r" else int(axis[1:])


def lane_count(block: Block, knobs: Knobs, machine: Machine) -> int:
    """How many partial results a reduction keeps side by side."""
    count = int(knobs.get(f"{block.name}.lanes", 2 * _width(block, machine)))
    while count > lane_extent(block):
        count //= 2
    return count


def register_tile(block: Block, vector: int, knobs: Knobs, machine: Machine) -> dict[int, int]:
    """Sizes of the register tile by axis, the vector's first; axes of size 1 are left out."""
    width = _width(block, machine)
    default = size_options(block, vector, width)[0]
    sizes = {vector: int(knobs.get(f"{block.name}.size_s{vector}", default))}
    room = ACCUMULATORS // -(-sizes[vector] // width)
    for number, position in enumerate(row_axes(block, vector)):
        size = int(knobs.get(f"{block.name}.rows{number}_s{vector}", 1))
        size = _at_most(block, position, size, room)
        if size > 1:
            sizes[position] = size
            room //= size
    return sizes


def packed(block: Block, vector: int, knobs: Knobs) -> frozenset[int]:
    """Which loads are copied into panels first: those that the vector needs so, and chosen ones."""
    needed = _needed_panels(block, vector)
    return frozenset(
        number
        for number in range(len(accesses(block)))
        if knobs.get(f"{block.name}.pack{number}", 0) == 1 or number in needed
    )


@lru_cache(maxsize=1024)
def _needed_panels(block: Block, vector: int) -> frozenset[int]:
    return frozenset(
        number
        for number, access in enumerate(accesses(block))
        if access.stride(vector) not in (0, 1) and packable(access, block)
    )


def block_factors(name: str, extents: Sequence[int], knobs: Knobs) -> list[int]:
    """How many tiles a block has along each of the loops over tiles, of these extents."""
    big = sorted(range(len(extents)), key=lambda place: -extents[place])[:2]
    factors = [1] * len(extents)
    for place, which in zip(big, "ab", strict=False):
        factors[place] = gcd(int(knobs.get(f"{name}.block_{which}", 1)), extents[place])
    return factors


def unroll_factor(name: str, extent: int, knobs: Knobs) -> int:
    """How many steps of the innermost reduction, of this extent, stand one after the other."""
    return gcd(int(knobs.get(f"{name}.unroll", 1)), extent)


def has_epilogue(name: str, knobs: Knobs) -> bool:
    """Whether what reads a tiled reduction is computed as its tiles are written."""
    return knobs.get(f"{name}.epilogue", 1) == 1


def is_parallel(name: str, knobs: Knobs) -> bool:
    """Whether threads share the block's outer loops."""
    return knobs.get(f"{name}.parallel", 1) == 1


@lru_cache(maxsize=1024)
def _width(block: Block, machine: Machine) -> int:
    return machine.lanes(str(block.buffer.dtype))


def _at_most(block: Block, position: int, size: int, room: int) -> int:
    """The largest tile that is allowed on the axis, fits the registers and is no larger."""
    options = tile_options(block, position)
    return max((t for t in options if t <= min(size, room)), default=1)
