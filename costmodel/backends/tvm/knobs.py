"""The knobs of a program: what can be decided about each block, and between which options.

A knob is named ``block.what``. Options are listed with the untuned guess first, so that the first
option of every knob together is the schedule one would write by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from costmodel.backends.tvm.access import accesses
from costmodel.backends.tvm.axes import (
    Machine,
    is_contraction,
    lane_extent,
    row_axes,
    size_options,
    tile_options,
    vector_axes,
)
from costmodel.backends.tvm.dots import dot_of
from costmodel.backends.tvm.program import Block, Program
from costmodel.backends.tvm.retile import epilogue_of, packable
from costmodel.backends.tvm.rewrites import (
    consumers,
    inline,
    is_elementwise,
    is_param,
    producers,
)

__all__ = ["InvalidKnobsError", "Knobs", "Option", "inlined", "knobs_of"]

Option = int | str
Knobs = Mapping[str, Option]

_TRANSCENDENTAL = ("exp", "tanh", "erf", "erfc", "log", "pow", "sin", "cos", "sigmoid", "atan")


class InvalidKnobsError(Exception):
    """The options exclude each other; another sample must be drawn."""


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
            _reduction_knobs(block, machine, listing)
            if epilogue_of(plain, block) is not None:
                listing.add(block, "epilogue", [1, 0])
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
    names = [f"{block.name}.inline" for block in program.blocks]
    return _inlined(program, tuple(knobs.get(name) for name in names))


@lru_cache(maxsize=64)
def _inlined(program: Program, choices: tuple[Option | None, ...]) -> Program:
    for block, choice in zip(program.blocks, choices, strict=True):
        options = _inline_options(program, block)
        if options and (options[0] if choice is None else choice) == 1:
            current = next(b for b in program.blocks if b.name == block.name)
            program = inline(program, current)
    return program


def _reduction_knobs(block: Block, machine: Machine, listing: _Listing) -> None:
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
    dot = dot_of(block, machine.dots)
    if dot is not None:
        listing.add(block, "dot", [1, 0])
        listing.add(block, "dot_vectors", [2, 1, 3, 4])
        if dot.rows is not None:
            extent = block.iters[dot.rows].extent
            rows = [t for t in (1, 2, 3, 4, 6, 7, 8, 12, 14) if t <= extent]
            listing.add(block, "dot_rows", [_guess_tile(extent, rows), *rows])
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
