"""Rewrites of a program's blocks that need no schedule.

``inline`` puts elementwise producers into their consumers. ``lanes`` splits a reduction over
contiguous memory into vector lanes, whatever its length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Any

import tvm
from tvm import tirx
from tvm.ir.prim import expr as prim
from tvm_ffi import structural_equal

from costmodel.backends.tvm.access import accesses
from costmodel.backends.tvm.lowering.floats import isnan
from costmodel.backends.tvm.program import Block, Iter, Program, fresh_iter, loads, substitute
from costmodel.backends.tvm.trees import named

__all__ = [
    "Reducer",
    "combiner",
    "consumers",
    "inline",
    "is_elementwise",
    "is_param",
    "lane_axes",
    "lanes",
    "producers",
    "scratch",
    "swap",
]


def consumers(program: Program, block: Block) -> list[Block]:
    """The other blocks that read what ``block`` stores."""
    return [other for other in program.blocks if other is not block and other.reads(block.buffer)]


def producers(program: Program, block: Block) -> list[Block]:
    """The other blocks that store what ``block`` reads."""
    return [other for other in program.blocks if other is not block and block.reads(other.buffer)]


def is_param(program: Program, buffer: Any) -> bool:
    """Whether the caller owns the buffer."""
    return any(buffer.same_as(param) for param in program.params)


def is_elementwise(block: Block) -> bool:
    """Whether the block maps points to points and stores at exactly its own iterators."""
    if block.reductions or block.predicate is not None or block.annotations:
        return False
    names = [it.var for it in block.iters]
    used = [index for index in block.indices if isinstance(index, tvm.ir.Var)]
    constants = [index for index in block.indices if isinstance(index, prim.IntImm)]
    return (
        len(used) + len(constants) == len(block.indices)
        and len(used) == len(names)
        and all(any(index.same_as(var) for index in used) for var in names)
    )


def inline(program: Program, block: Block) -> Program:
    """Compute ``block`` (elementwise, not a result) where it is read, and drop its buffer."""

    def value_at(load: Any) -> Any | None:
        if not load.source.same_as(block.buffer):
            return None
        indices = [substitute(index, {}, value_at) for index in load.indices]
        binding = {
            index: at
            for index, at in zip(block.indices, indices, strict=True)
            if isinstance(index, tvm.ir.Var)
        }
        return substitute(block.value, binding)

    def rewritten(other: Block) -> Block:
        init = None if other.init is None else substitute(other.init, {}, value_at)
        return replace(other, value=substitute(other.value, {}, value_at), init=init)

    blocks = tuple(rewritten(other) for other in program.blocks if other is not block)
    buffers = tuple(b for b in program.buffers if not b.same_as(block.buffer))
    return replace(program, blocks=blocks, buffers=buffers)


@dataclass(frozen=True)
class Reducer:
    """An associative reduction: ``combine(total, value)``, and the term that a block reduces.

    ``zero`` is the value that a fresh lane starts from; ``repeats`` says that starting every lane
    from the block's own initial value changes nothing (maximum and minimum).
    """

    combine: Callable[[Any, Any], Any]
    term: Any
    zero: Any
    repeats: bool


@lru_cache(maxsize=1024)
def combiner(block: Block) -> Reducer | None:
    """The block's reducer, where its update is one that may be split and reordered."""

    def is_own(node: Any) -> bool:
        return isinstance(node, tvm.ir.expr.TensorLoad) and bool(node.source.same_as(block.buffer))

    def reads_own(node: Any) -> bool:
        return any(is_own(load) for load in loads(node))

    value, dtype = block.value, str(block.buffer.dtype)
    guard = chosen = None
    if isinstance(value, prim.Select):
        # select(isnan(x), y, max(own, term)), where x and y are own or term: NaN comes through
        # (maximum) or does not count (maximumNumber).
        guard, chosen, value = value.condition, value.true_value, value.false_value
        if not isinstance(value, prim.Max | prim.Min):
            return None
    kind = type(value)
    if kind not in (prim.Add, prim.Mul, prim.Max, prim.Min):
        return None
    first = is_own(value.a)
    own, term = (value.a, value.b) if first else (value.b, value.a)
    if not is_own(own) or reads_own(term) or block.init is None:
        return None
    if guard is not None and not (
        any(structural_equal(guard, isnan(x)) for x in (own, term))
        and any(structural_equal(chosen, y) for y in (own, term))
    ):
        return None
    asks_own = guard is not None and reads_own(guard)
    takes_own = chosen is not None and reads_own(chosen)

    def join(total: Any, other: Any) -> Any:
        return kind(total, other) if first else kind(other, total)

    def combine(total: Any, other: Any) -> Any:
        if guard is None:
            return join(total, other)
        # Both stand more than once: named, a tree of these stays linear in size.
        (a, name_a), (b, name_b) = _named(total, "total"), _named(other, "other")
        asked, taken = a if asks_own else b, a if takes_own else b
        return name_a(name_b(prim.Select(isnan(asked), taken, join(a, b))))

    repeats = kind in (prim.Max, prim.Min)
    zero = block.init if repeats else tirx.const(0 if kind is prim.Add else 1, dtype)
    return Reducer(combine, term, zero, repeats)


def _named(value: Any, name: str) -> tuple[Any, Callable[[Any], Any]]:
    """A cheap expression for ``value``, and what puts its definition around a use."""
    if isinstance(value, tvm.ir.expr.TensorLoad):
        return value, lambda use: use
    stands, bindings = named(value, name)
    return stands, lambda use: prim.Let(*bindings[0], use) if bindings else use


def scratch(name: str, shape: Iterable[int], dtype: str) -> Any:
    """A fresh buffer; lowering gives it the room that its use needs, not its whole shape."""
    return tirx.decl_buffer(list(shape), dtype, name)


def swap(program: Program, old: Block, new: list[Block], buffers: list[Any]) -> Program:
    """``program`` with one block replaced by several, and the buffers that they need."""
    at = next(i for i, block in enumerate(program.blocks) if block is old)
    blocks = (*program.blocks[:at], *new, *program.blocks[at + 1 :])
    return replace(program, blocks=blocks, buffers=(*program.buffers, *buffers))


def _copy_spatial(block: Block) -> tuple[list[Iter], dict[Any, Any]]:
    fresh = [fresh_iter(it.var.name, it.extent) for it in block.spatial]
    return fresh, {old.var: new.var for old, new in zip(block.spatial, fresh, strict=True)}


def lanes(program: Program, block: Block, width: int, fold: int) -> Program:
    """Reduce the last reduction axis in ``width`` independent lanes, folded to ``fold`` and then 1.

    The axis may have any length of at least ``width``: what does not fill a row of lanes is
    reduced by a block of its own. Trailing axes that memory holds contiguously count as one.
    """
    original, block = block, _merged(block, lane_axes(block))
    reducer = combiner(block)
    assert reducer is not None
    axis = block.reductions[-1]
    main, dtype = axis.extent // width, str(block.buffer.dtype)
    partial, first = _lane_block(block, reducer, width, main, dtype)
    new, buffers = [first], [partial]
    if width > fold:
        partial, folded = _fold_block(block, reducer, partial, width, fold, dtype)
        new.append(folded)
        buffers.append(partial)
    spatial = [it.var for it in block.spatial]
    total = _tree(reducer, [tirx.BufferLoad(partial, [*spatial, i]) for i in range(fold)])
    rest = axis.extent - main * width
    if rest:
        tail = scratch(f"{block.name}_tail", [it.extent for it in block.spatial] or [1], dtype)
        new.append(_tail_block(block, reducer, main * width, tail))
        buffers.append(tail)
        total = reducer.combine(total, tirx.BufferLoad(tail, spatial or [0]))
    if not reducer.repeats and not structural_equal(block.init, reducer.zero):
        total = reducer.combine(block.init, total)
    new.append(replace(block, iters=block.spatial, value=total, init=None))
    return swap(program, original, new, buffers)


def lane_axes(block: Block) -> int:
    """How many trailing reduction axes every load walks through contiguously, or not at all.

    With 0 the reduction cannot run in lanes.
    """
    count, step = 0, 1
    for position in reversed(range(len(block.iters))):
        if not block.iters[position].reduction:
            break
        strides = {access.stride(position) for access in accesses(block)}
        if not strides <= {0, step} or step not in strides:
            break
        if count and 0 in strides:
            break
        count, step = count + 1, step * block.iters[position].extent
        if 0 in strides:
            break
    return count


def _merged(block: Block, count: int) -> Block:
    """The block with its last ``count`` iterators, all reductions, as one."""
    if count < 2:
        return block
    kept, last = block.iters[:-count], block.iters[-count:]
    merged = fresh_iter("merged", prod(it.extent for it in last), reduction=True)
    binding, step = {}, 1
    for it in reversed(last):
        rest = tirx.floordiv(merged.var, step) if step > 1 else merged.var
        binding[it.var] = rest if it is last[0] else tirx.floormod(rest, it.extent)
        step *= it.extent
    return replace(block, iters=(*kept, merged), value=substitute(block.value, binding))


def _lane_block(
    block: Block, reducer: Reducer, width: int, main: int, dtype: str
) -> tuple[Any, Block]:
    axis, others = block.reductions[-1], block.reductions[:-1]
    spatial, binding = _copy_spatial(block)
    lane = fresh_iter("lane", width)
    outer = [fresh_iter(it.var.name, it.extent, reduction=True) for it in others]
    step = fresh_iter(axis.var.name, main, reduction=True)
    zero = substitute(reducer.zero, binding)
    binding |= {old.var: new.var for old, new in zip(others, outer, strict=True)}
    binding[axis.var] = step.var * width + lane.var
    buffer = scratch(f"{block.name}_lanes", [*(it.extent for it in spatial), width], dtype)
    at = [*(it.var for it in spatial), lane.var]
    value = reducer.combine(tirx.BufferLoad(buffer, at), substitute(reducer.term, binding))
    iters = (*spatial, lane, *outer, step)
    return buffer, Block(f"{block.name}_lanes", iters, buffer, tuple(at), value, zero)


def _fold_block(
    block: Block, reducer: Reducer, partial: Any, width: int, fold: int, dtype: str
) -> tuple[Any, Block]:
    spatial, _ = _copy_spatial(block)
    lane = fresh_iter("lane", fold)
    name = f"{block.name}_fold"
    buffer = scratch(name, [*(it.extent for it in spatial), fold], dtype)
    at = [it.var for it in spatial]
    parts = [tirx.BufferLoad(partial, [*at, lane.var + start]) for start in range(0, width, fold)]
    where = (*at, lane.var)
    return buffer, Block(name, (*spatial, lane), buffer, where, _tree(reducer, parts), None)


def _tail_block(block: Block, reducer: Reducer, start: int, tail: Any) -> Block:
    axis, others = block.reductions[-1], block.reductions[:-1]
    spatial, binding = _copy_spatial(block)
    zero = substitute(reducer.zero, binding)
    outer = [fresh_iter(it.var.name, it.extent, reduction=True) for it in others]
    binding |= {old.var: new.var for old, new in zip(others, outer, strict=True)}
    step = fresh_iter(axis.var.name, axis.extent - start, reduction=True)
    binding[axis.var] = step.var + start
    at = [it.var for it in spatial] or [tirx.const(0, "int32")]
    value = reducer.combine(tirx.BufferLoad(tail, at), substitute(reducer.term, binding))
    return Block(f"{block.name}_tail", (*spatial, *outer, step), tail, tuple(at), value, zero)


def _tree(reducer: Reducer, values: list[Any]) -> Any:
    """Combine neighbours, then their results: independent chains of logarithmic length."""
    while len(values) > 1:
        pairs = [reducer.combine(a, b) for a, b in zip(values[::2], values[1::2], strict=False)]
        values = pairs + ([values[-1]] if len(values) % 2 else [])
    return values[0]
