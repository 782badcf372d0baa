"""Give a reduction block a register tile.

Some spatial axes are cut into tiles, padded where they do not divide; operands may be packed into
panels that are then read contiguously (Goto and van de Geijn, "Anatomy of High-Performance Matrix
Multiplication", section 4); the accumulators become a buffer whose last axis is the vector, so
that one tile of it fits the vector registers. The block's only elementwise consumer is rewritten
to the same tiles and stores the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import tvm
from tvm import tirx
from tvm.ir.prim import expr as prim

from costmodel.backends.tvm.access import Access, access_of, accesses
from costmodel.backends.tvm.program import (
    Block,
    Iter,
    Program,
    children,
    fresh_iter,
    loads,
    substitute,
    variables_of,
)
from costmodel.backends.tvm.rewrites import consumers, is_elementwise, is_param, scratch, swap

__all__ = [
    "Cut",
    "can_pad",
    "epilogue_of",
    "outer_iters",
    "packable",
    "retile",
    "store_tiles",
]


_REUSE = 8
_CHOICE = tvm.ir.Op.get("prim.if_then_else")


@dataclass(frozen=True)
class Cut:
    """An axis as outer tiles times ``size`` points; ``position`` is its place in the block."""

    position: int
    axis: Iter
    size: int

    @cached_property
    def outer(self) -> Iter:
        return fresh_iter(f"{self.axis.var.name}_o", -(-self.axis.extent // self.size))

    @cached_property
    def inner(self) -> Iter:
        return fresh_iter(f"{self.axis.var.name}_i", self.size)

    @property
    def padded(self) -> bool:
        return self.axis.extent % self.size != 0

    def fresh(self) -> Cut:
        """The same cut with iterators of its own."""
        return Cut(self.position, self.axis, self.size)

    @property
    def index(self) -> Any:
        """The axis's point, from the tile and the place in it."""
        return self.outer.var * self.size + self.inner.var


def packable(access: Access, block: Block) -> bool:
    """Whether copying what the load reads into a panel costs little against the block's work.

    The panel is indexed by the iterators that move the load, so windows are unrolled as im2col
    does; each of its elements must then be read at least ``_REUSE`` times.
    """
    unused = [it.extent for p, it in enumerate(block.iters) if not access.uses(p)]
    return bool(access.moved_by) and prod(unused) >= _REUSE


def can_pad(block: Block, position: int) -> bool:
    """Whether the axis can be padded: every load that it moves can be packed."""
    listed = accesses(block)
    return all(packable(a, block) for a in listed if a.uses(position))


def epilogue_of(program: Program, block: Block) -> Block | None:
    """The block's only consumer, where it maps the block's points one to one."""
    readers = consumers(program, block)
    if is_param(program, block.buffer) or len(readers) != 1 or not is_elementwise(readers[0]):
        return None
    reader = readers[0]
    reads = [load for load in loads(reader.value) if load.source.same_as(block.buffer)]
    if len(reader.iters) != len(block.spatial):
        return None
    for load in reads:
        if _axis_map(block, reader, load) is None:
            return None
    first = _axis_map(block, reader, reads[0])
    same = all(_axis_map(block, reader, load) == first for load in reads[1:])
    return reader if same else None


def _axis_map(block: Block, reader: Block, load: Any) -> dict[int, int] | None:
    """From the block's iterator positions to the reader's, where ``load`` reads point to point."""
    found: dict[int, int] = {}
    for stored, read in zip(block.indices, load.indices, strict=True):
        if not isinstance(stored, tvm.ir.Var):
            continue
        at = [p for p, it in enumerate(block.iters) if it.var.same_as(stored)]
        to = [p for p, it in enumerate(reader.iters) if it.var.same_as(read)]
        if len(at) != 1 or len(to) != 1:
            return None
        if block.iters[at[0]].extent != reader.iters[to[0]].extent:
            return None
        found[at[0]] = to[0]
    complete = len(found) == len(block.spatial) and len(set(found.values())) == len(found)
    return found if complete else None


@dataclass(frozen=True)
class _Operand:
    """A load in a block's value, and the conditions under which it may be read.

    ``whole`` is what a copy of it stands for that is zero where a condition fails.
    """

    load: Any
    conditions: tuple[Any, ...]
    whole: Any

    def uses(self, block: Block) -> list[int]:
        """Positions of the iterators that the load and its conditions mention."""
        found = [var for expr in (self.load, *self.conditions) for var in variables_of(expr)]
        return [p for p, it in enumerate(block.iters) if any(it.var.same_as(var) for var in found)]


def _operands(block: Block) -> list[_Operand]:
    """In the order of ``accesses``."""
    found = _operands_in(block.value, (), None)
    return [one for one in found if not one.load.source.same_as(block.buffer)]


def _operands_in(expr: Any, conditions: tuple[Any, ...], whole: Any) -> Iterator[_Operand]:
    if isinstance(expr, tvm.ir.expr.TensorLoad):
        yield _Operand(expr, conditions, expr if whole is None else whole)
    if not _is_choice(expr):
        for child in children(expr):
            yield from _operands_in(child, conditions, None)
        return
    condition, value, other = expr.args
    is_zero = isinstance(other, prim.IntImm | prim.FloatImm) and other.value == 0
    if whole is None:
        whole = expr
    yield from _operands_in(condition, conditions, None)
    yield from _operands_in(value, (*conditions, condition), whole if is_zero else None)
    yield from _operands_in(other, (*conditions, tirx.Not(condition)), None)


def _is_choice(expr: Any) -> bool:
    """Whether ``expr`` is an ``if_then_else``, which evaluates only the side that it takes."""
    return isinstance(expr, tvm.ir.Call) and expr.op.same_as(_CHOICE)


def retile(
    program: Program,
    block: Block,
    tiles: Mapping[int, int],
    vector: int,
    pack: frozenset[int] = frozenset(),
    *,
    epilogue: bool = True,
) -> Program:
    """Cut the axes at the positions of ``tiles``; the tile of ``vector`` is innermost.

    Without ``epilogue`` the consumer stays a block of its own, which reads the stored result.

    ``pack`` lists the loads (by their order in the block's value) to copy into panels; a load
    that a padded axis moves is always packed.
    """
    cuts = [Cut(p, block.iters[p], size) for p, size in tiles.items() if p != vector and size > 1]
    cuts.append(Cut(vector, block.iters[vector], tiles[vector]))
    padded = [cut.position for cut in cuts if cut.padded]
    new, buffers, packed = [], [], []
    for number, operand in enumerate(_operands(block)):
        access = access_of(block, operand.load.source, operand.load.indices)
        if number in pack or any(access.uses(p) for p in padded):
            panel, copy, at = _pack(block, operand, cuts, number)
            new.append(copy)
            buffers.append(panel)
            packed.append((operand.whole, tirx.BufferLoad(panel, at)))
    outer = outer_iters(block, cuts)
    inner = [cut.inner for cut in cuts]
    at = [it.var for it in (*outer, *inner)]
    shape = [it.extent for it in (*outer, *inner)]
    tile = scratch(f"{block.name}_tile", shape, str(block.buffer.dtype))

    def packed_at(expr: Any) -> Any | None:
        return next((panel for old, panel in packed if old.same_as(expr)), None)

    def load_at(load: Any) -> Any | None:
        is_own = load.source.same_as(block.buffer)
        return tirx.BufferLoad(tile, at) if is_own else packed_at(load)

    binding = {cut.axis.var: cut.index for cut in cuts}
    value = substitute(block.value, binding, load_at, packed_at)
    init = None if block.init is None else substitute(block.init, binding)
    inside = _inside(cuts)
    if inside is not None and block.init_loads:
        # The points that pad a tile have no initial value.
        init = tirx.if_then_else(inside, init, tirx.const(0, str(block.buffer.dtype)))
    iters = (*outer, *inner, *block.reductions)
    new.append(Block(block.name, iters, tile, tuple(at), value, init))
    buffers.append(tile)
    return store_tiles(program, block, cuts, tile, new, buffers, epilogue=epilogue)


def _inside(cuts: list[Cut]) -> Any | None:
    """Whether a point lies in the axes and not in what pads their tiles; None for always."""
    bounds = [cut.index < cut.axis.extent for cut in cuts if cut.padded]
    return tirx.all(*bounds) if len(bounds) > 1 else (bounds[0] if bounds else None)


def outer_iters(block: Block, cuts: list[Cut]) -> list[Iter]:
    """The block's spatial iterators, cut ones by their outer part."""
    by_position = {cut.position: cut.outer for cut in cuts}
    return [by_position.get(p, it) for p, it in enumerate(block.iters) if not it.reduction]


def store_tiles(
    program: Program, block: Block, cuts: list[Cut], tile: Any, new: list[Block],
    buffers: list[Any], *, epilogue: bool = True,
) -> Program:  # fmt: skip
    """Write the tiles where the result belongs; with ``epilogue`` through the consumer, if any."""
    fresh = [cut.fresh() for cut in cuts]
    spatial = {p: fresh_iter(it.var.name, it.extent) for p, it in enumerate(block.iters)}
    outer_of = {cut.position: cut.outer for cut in fresh}
    outer = [outer_of.get(p, spatial[p]) for p, it in enumerate(block.iters) if not it.reduction]
    iters = (*outer, *(cut.inner for cut in fresh))
    at = [it.var for it in iters]
    index = {p: spatial[p].var for p, it in enumerate(block.iters) if not it.reduction}
    index |= {cut.position: cut.index for cut in fresh}
    predicate = _inside(fresh)
    reader = epilogue_of(program, block) if epilogue else None
    if reader is None:
        binding = {block.iters[p].var: var for p, var in index.items()}
        where = tuple(substitute(i, binding) for i in block.indices)
        value = tirx.BufferLoad(tile, at)
        copy = Block(
            f"{block.name}_store", iters, block.buffer, where, value, None, predicate, len(outer)
        )
        return swap(program, block, [*new, copy], buffers)
    reads = next(load for load in loads(reader.value) if load.source.same_as(block.buffer))
    axes = _axis_map(block, reader, reads)
    assert axes is not None
    binding = {reader.iters[to].var: index[p] for p, to in axes.items()}

    def load_at(load: Any) -> Any | None:
        return tirx.BufferLoad(tile, at) if load.source.same_as(block.buffer) else None

    rewritten = replace(
        reader,
        iters=iters,
        indices=tuple(substitute(i, binding) for i in reader.indices),
        value=substitute(reader.value, binding, load_at),
        predicate=predicate,
        shared=len(outer),
    )
    # The tiles move to where they are stored, after whatever else the consumer reads.
    program = swap(program, block, [], buffers)
    program = swap(program, reader, [*new, rewritten], [])
    kept = tuple(b for b in program.buffers if not b.same_as(block.buffer))
    return replace(program, buffers=kept)


def _pack(
    block: Block, operand: _Operand, cuts: list[Cut], number: int
) -> tuple[Any, Block, list[Any]]:
    """A panel buffer for a load, the block that fills it, and the indices to read it at.

    Layout: axes that are not cut and do not reduce, outer tiles, reductions, inner tiles. It is
    zero where a tile is padded and where the load must not be read.
    """
    load, used = operand.load, operand.uses(block)
    moving = [cut for cut in cuts if cut.position in used]
    own = [cut.fresh() for cut in moving]
    positions = {cut.position for cut in moving}
    batch = [p for p in used if p not in positions and not block.iters[p].reduction]
    steps = [p for p in used if block.iters[p].reduction]
    fresh = {
        p: fresh_iter(block.iters[p].var.name, block.iters[p].extent) for p in (*batch, *steps)
    }
    iters = (
        *(fresh[p] for p in batch), *(cut.outer for cut in own),
        *(fresh[p] for p in steps), *(cut.inner for cut in own),
    )  # fmt: skip
    at = [
        *(block.iters[p].var for p in batch), *(cut.outer.var for cut in moving),
        *(block.iters[p].var for p in steps), *(cut.inner.var for cut in moving),
    ]  # fmt: skip
    name = f"{block.name}_panel{number}"
    dtype = str(load.source.dtype)
    panel = scratch(name, [it.extent for it in iters], dtype)
    binding = {block.iters[p].var: it.var for p, it in fresh.items()}
    binding |= {cut.axis.var: mine.index for cut, mine in zip(moving, own, strict=True)}
    value = substitute(load, binding)
    inside = _inside(own)
    conditions = [substitute(condition, binding) for condition in operand.conditions]
    known = conditions if inside is None else [inside, *conditions]
    if known:
        readable = tirx.all(*known) if len(known) > 1 else known[0]
        value = tirx.if_then_else(readable, value, tirx.const(0, dtype))
    copy = Block(name, iters, panel, tuple(it.var for it in iters), value, None)
    return panel, copy, at
