"""From knobs to a schedule: rewrite the program, then tile, place, vectorize and parallelize.

Three kinds of nests come out. A *tile* nest is a reduction with register tiles whose store runs at
the end of each tile. A *group* is a block with the light producers that run inside its rows
(softmax and normalizations become one pass over each row). Everything else is a *map*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import tvm
from tvm import s_tir
from tvm.s_tir.schedule.schedule import ScheduleError

from costmodel.backends.tvm.access import access_of
from costmodel.backends.tvm.axes import Machine
from costmodel.backends.tvm.dots import Dot, dot_tiles
from costmodel.backends.tvm.knobs import InvalidKnobsError, Knobs, Option, inlined, knobs_of
from costmodel.backends.tvm.program import Block, Program
from costmodel.backends.tvm.register_tiles import (
    block_factors,
    chosen_dot,
    dot_tile,
    has_epilogue,
    is_parallel,
    is_tiled,
    lane_count,
    packed,
    register_tile,
    unroll_factor,
    vector_axis,
)
from costmodel.backends.tvm.retile import retile
from costmodel.backends.tvm.rewrites import consumers, lanes

__all__ = ["schedule", "schedule_noting"]


#: What the blocks are called that ``rewrites.lanes`` splits off a reduction.
_LANE_PARTS = ("_lanes", "_fold", "_tail")


@dataclass(frozen=True)
class _Tile:
    """A tiled reduction: how many of the core's loops are outer and inner, and its store block."""

    core: str
    store: str
    outer: int
    inner: int
    panels: tuple[str, ...]
    #: Whether the innermost loop runs along a vector; a loop over whole registers is unrolled.
    vectorized: bool = True


def schedule(program: Program, knobs: Knobs, machine: Machine) -> s_tir.Schedule:
    """The scheduled program. A knob that is missing takes its first option.

    Raises InvalidKnobsError where options exclude each other.
    """
    return schedule_noting(program, knobs, machine)[0]


def schedule_noting(
    program: Program,
    knobs: Knobs,
    machine: Machine,
    options: Mapping[str, tuple[Option, ...]] | None = None,
) -> tuple[s_tir.Schedule, dict[str, Option]]:
    """The scheduled program, and the knobs that had a say in it.

    ``options`` are the program's knobs, for callers that have them already.
    """
    if options is None:
        options = knobs_of(program, machine)
    noted = _Noting({name: values[0] for name, values in options.items()} | dict(knobs))
    sch = _schedule(program, noted, machine)
    return sch, {name: noted[name] for name in sorted(noted.asked & options.keys())}


class _Noting(dict[str, Option]):
    """Knobs that remember which of them were asked for."""

    def __init__(self, knobs: Knobs) -> None:
        super().__init__(knobs)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)


def _schedule(program: Program, knobs: Knobs, machine: Machine) -> s_tir.Schedule:
    program = inlined(program, knobs)
    program, tiles, laned = _rewrite(program, knobs, machine)
    sch = s_tir.Schedule(
        tvm.IRModule({"main": program.function()}), debug_mask="none", error_render_level="fast"
    )
    placed: set[str] = set()
    try:
        for block in reversed(program.blocks):
            if block.name in placed:
                continue
            tile = next((t for t in tiles if block.name in (t.store, t.core)), None)
            if tile is not None and tile.store == block.name:
                _tile_nest(sch, program, tile, knobs, machine)
                placed |= {tile.store, tile.core}
            elif any(block.name in t.panels for t in tiles):
                _panel(sch, block, knobs, machine)
                placed.add(block.name)
            else:
                placed |= _group(sch, program, block, tiles, laned, placed, knobs, machine)
    except ScheduleError as error:
        raise InvalidKnobsError(str(error)[:200]) from error
    return sch


def _rewrite(
    program: Program, knobs: Knobs, machine: Machine
) -> tuple[Program, list[_Tile], set[str]]:
    tiles: list[_Tile] = []
    laned: set[str] = set()
    for name in [block.name for block in program.blocks if block.reductions]:
        block = _named(program, name)
        if not is_tiled(block, machine):
            continue
        dot = chosen_dot(block, knobs, machine)
        if dot is not None:
            program, tile = _dot(program, block, dot, knobs)
            tiles.append(tile)
            continue
        vector = vector_axis(block, knobs, machine)
        if vector is None:
            count = lane_count(block, knobs, machine)
            program = lanes(program, block, count, min(count, 16))
            laned.add(name)
            continue
        program, tile = _retile(program, block, vector, knobs, machine)
        tiles.append(tile)
    return program, tiles, laned


def _retile(
    program: Program, block: Block, vector: int, knobs: Knobs, machine: Machine
) -> tuple[Program, _Tile]:
    sizes = register_tile(block, vector, knobs, machine)
    pack = packed(block, vector, knobs)
    epilogue = has_epilogue(block.name, knobs)
    new = retile(program, block, sizes, vector, pack, epilogue=epilogue)
    return new, _tile_of(program, new, block, len(sizes))


def _dot(program: Program, block: Block, dot: Dot, knobs: Knobs) -> tuple[Program, _Tile]:
    rows, vectors = dot_tile(block, knobs)
    epilogue = has_epilogue(block.name, knobs)
    new, inner = dot_tiles(program, block, dot, rows, vectors, epilogue=epilogue)
    return new, replace(_tile_of(program, new, block, inner), vectorized=False)


def _tile_of(program: Program, new: Program, block: Block, inner: int) -> _Tile:
    """What became of ``block`` in the rewritten program."""
    before = {b.name for b in program.blocks}
    names = {b.name: b for b in program.blocks}
    added = [b.name for b in new.blocks if b.name not in before]
    panels = tuple(n for n in added if "_panel" in n or n.endswith("_offset"))
    store = next((n for n in added if n.endswith("_store")), None)
    if store is None:
        store = next(b.name for b in new.blocks if b.name in names and b is not names[b.name]
                     and b.name != block.name)  # fmt: skip
    return _Tile(block.name, store, len(block.spatial), inner, panels)


def _named(program: Program, name: str) -> Block:
    return next(block for block in program.blocks if block.name == name)


def _panel(sch: Any, block: Block, knobs: Knobs, machine: Machine) -> None:
    """Fill a panel, or sum what the accumulators of a tile start from."""
    handle = sch.get_sblock(block.name, "main")
    loops = sch.get_loops(handle)
    if not block.reductions:
        _finish(sch, block, loops, knobs, machine, block.name.rsplit("_panel", 1)[0])
        return
    split = len(block.spatial)
    *outer, register = loops[:split]
    sch.parallel(sch.fuse(*outer) if len(outer) > 1 else outer[0])
    sch.reorder(*loops[split:], register)
    sch.unroll(register)
    sch.unroll(sch.get_loops(sch.decompose_reduction(handle, loops[split]))[-1])


def _tile_nest(sch: Any, program: Program, tile: _Tile, knobs: Knobs, machine: Machine) -> None:
    core = sch.get_sblock(tile.core, "main")
    loops = sch.get_loops(core)
    outer, inner = loops[: tile.outer], loops[tile.outer : tile.outer + tile.inner]
    steps = loops[tile.outer + tile.inner :]
    first, second = [], []
    factors = block_factors(tile.core, [_extent(sch, loop) for loop in outer], knobs)
    for loop, factor in zip(outer, factors, strict=True):
        if factor > 1:
            a, b = sch.split(loop, [None, factor])
            first.append(a)
            second.append(b)
        else:
            first.append(loop)
    if knobs.get(f"{tile.core}.order", 0) == 1:
        first.reverse()
        second.reverse()
    unroll = unroll_factor(tile.core, _extent(sch, steps[-1]), knobs)
    if unroll > 1:
        steps = [*steps[:-1], *sch.split(steps[-1], [None, unroll])]
    sch.reorder(*first, *second)
    sch.reorder(*steps, *inner)
    rows = sch.fuse(*first) if len(first) > 1 else first[0]
    store = sch.get_sblock(tile.store, "main")
    if is_parallel(tile.core, knobs):
        sch.parallel(rows)
    for loop in inner[:-1]:
        sch.unroll(loop)
    innermost = sch.vectorize if tile.vectorized else sch.unroll
    innermost(inner[-1])
    if unroll > 1:
        sch.unroll(steps[-1])
    init = sch.decompose_reduction(core, steps[0])
    made = sch.get_loops(init)
    for loop in made[-tile.inner : -1] if tile.inner > 1 else []:
        sch.unroll(loop)
    innermost(made[-1])
    sch.set_scope(core, 0, "local")
    _tile_store(sch, program, tile, store)


def _tile_store(sch: Any, program: Program, tile: _Tile, store: Any) -> None:
    """Order and vectorize the loops that write a finished tile."""
    block = _named(program, tile.store)
    written = access_of(block, block.buffer, block.indices)
    count = tile.inner
    loops = sch.get_loops(store)[-count:]
    strides = [written.stride(len(block.iters) - count + i) for i in range(count)]
    best = next((i for i, stride in enumerate(strides) if stride == 1), None)
    if best is None:
        return
    order = [loop for i, loop in enumerate(loops) if i != best] + [loops[best]]
    sch.reorder(*order)
    for loop in order[:-1]:
        sch.unroll(loop)
    if best == count - 1 or _extent(sch, order[-1]) in (4, 8, 16, 32, 64):
        sch.vectorize(order[-1])


def _extent(sch: Any, loop: Any) -> int:
    return int(sch.get(loop).extent)


def _finish(
    sch: Any, block: Block, loops: list[Any], knobs: Knobs, machine: Machine, owner: str
) -> None:
    """Vectorize the innermost loop of a map and run the outer ones in parallel."""
    size = machine.lanes(str(block.buffer.dtype)) * int(knobs.get(f"{owner}.vectors", 2))
    *outer, last = loops
    extent = _extent(sch, last)
    if extent > size:
        split = sch.split(last, [None, size])
        outer = [*outer, split[0]]
        sch.vectorize(split[1])
    elif extent > 1 and (extent >= 4 or not outer):
        sch.vectorize(last)
    if outer and is_parallel(owner, knobs):
        rows = outer[:-1] if extent > size else outer
        enough = prod(_extent(sch, loop) for loop in rows) >= 4 * machine.threads
        chosen = rows if enough else outer
        sch.parallel(sch.fuse(*chosen) if len(chosen) > 1 else chosen[0])


def _group(
    sch: Any, program: Program, root: Block, tiles: list[_Tile], laned: set[str],
    placed: set[str], knobs: Knobs, machine: Machine,
) -> set[str]:  # fmt: skip
    """Schedule ``root`` with the light producers that can run inside its rows."""
    tiled = {n for t in tiles for n in (t.core, t.store, *t.panels)}
    members = _members(program, root, tiled, placed, knobs)
    rows = _row_rank(program, root, members, laned)
    handle = sch.get_sblock(root.name, "main")
    attached = _attach(sch, members, sch.get_loops(handle)[rows - 1]) if rows else []
    if not attached:
        loops = sch.get_loops(handle)
        if root.reductions:
            _plain_reduction(sch, root, loops, knobs)
        elif loops:
            _finish(sch, root, loops, knobs, machine, root.name)
        return {root.name}
    if is_parallel(root.name, knobs):
        outer = sch.get_loops(handle)[:rows]
        sch.parallel(sch.fuse(*outer) if rows > 1 else outer[0])
        rows = 1
    for block in (*attached, root):
        _row_block(sch, block, rows, knobs, machine)
    return {root.name, *(block.name for block in attached)}


def _attach(sch: Any, members: list[Block], row: Any) -> list[Block]:
    """Move into the row those members that may be computed there; the rest stay outside."""
    attached = []
    for member in members:
        # The loops of lanes are told apart by their number, so all have to stay.
        whole = member.name.endswith("_lanes")
        try:
            sch.compute_at(sch.get_sblock(member.name, "main"), row, preserve_unit_loops=whole)
        except ScheduleError:
            continue
        attached.append(member)
    for member in attached:
        # On the stack: a heap workspace would be taken and given back once a row.
        sch.set_scope(sch.get_sblock(member.name, "main"), 0, "local")
    return attached


def _members(
    program: Program, root: Block, tiled: set[str], placed: set[str], knobs: Knobs
) -> list[Block]:
    """Producers, nearest first, that only blocks of the group read and that nothing has placed.

    Unfused, a reduction keeps the blocks that it was split into: its lanes belong in its rows.
    """
    fused = knobs.get(f"{root.name}.fuse", 1) == 1
    own = {f"{root.name}{part}" for part in _LANE_PARTS}
    group, found = {root.name}, []
    for block in reversed(program.blocks):
        if block.name in group or block.name in tiled or block.name in placed:
            continue
        if not fused and block.name not in own:
            continue
        readers = consumers(program, block)
        is_result = any(block.buffer.same_as(p) for p in program.params)
        if readers and not is_result and all(reader.name in group for reader in readers):
            group.add(block.name)
            found.append(block)
    return found


def _row_rank(program: Program, root: Block, members: list[Block], laned: set[str]) -> int:
    """How many of the root's loops are rows: those that every laned reduction keeps."""
    ranks = [
        len(block.spatial)
        for block in members
        if block.name in laned or block.reductions
        if not block.name.endswith(("_lanes", "_tail"))
    ]
    if root.name in laned:
        ranks.append(len(root.spatial))
    return min([*ranks, len(root.iters)]) if ranks else 0


def _row_block(sch: Any, block: Block, rows: int, knobs: Knobs, machine: Machine) -> None:
    """Vectorize a block that runs inside the row loops."""
    handle = sch.get_sblock(block.name, "main")
    own = sch.get_loops(handle)[rows:]
    if not own:
        return
    if block.name.endswith("_lanes"):
        split = len(own) - len(block.reductions)
        sch.reorder(*own[split:], *own[:split])
        sch.vectorize(own[split - 1])
        init = sch.decompose_reduction(handle, own[split])
        sch.vectorize(sch.get_loops(init)[-1])
    elif block.name.endswith("_fold"):
        sch.vectorize(own[-1])
    elif block.name.endswith("_tail"):
        for loop in own:
            if _extent(sch, loop) <= 64:
                sch.unroll(loop)
    elif not block.reductions:
        _inner_map(sch, block, own[-1], knobs, machine)


def _inner_map(sch: Any, block: Block, last: Any, knobs: Knobs, machine: Machine) -> None:
    width = machine.lanes(str(block.buffer.dtype))
    extent = _extent(sch, last)
    size = width * int(knobs.get(f"{block.name}.vectors", 2))
    if extent > size:
        sch.vectorize(sch.split(last, [None, size])[1])
    elif extent >= 4:
        sch.vectorize(last)


def _plain_reduction(sch: Any, block: Block, loops: list[Any], knobs: Knobs) -> None:
    outer = loops[: len(block.spatial)]
    if outer and is_parallel(block.name, knobs):
        sch.parallel(sch.fuse(*outer) if len(outer) > 1 else outer[0])
