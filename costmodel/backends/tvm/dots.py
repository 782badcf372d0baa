"""Dot-product instructions: several narrow products summed into each wide lane.

AVX-512 BF16 multiplies pairs of bf16 and adds into f32; AVX-512 VNNI multiplies fours of 8-bit
integers, one unsigned and one signed, and adds into i32. Operands are packed into 32-bit words of
neighbours along the reduction. A signed operand becomes unsigned by adding 128; what that adds to
the result, 128 times the sum of the other operand, is where the accumulators start from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import tvm
from tvm import tirx
from tvm.ir.prim import expr as prim

from costmodel.backends.tvm.access import access_of
from costmodel.backends.tvm.program import Block, Iter, Program, fresh_iter, substitute
from costmodel.backends.tvm.retile import Cut, outer_iters, store_tiles
from costmodel.backends.tvm.rewrites import combiner, scratch

__all__ = ["Dot", "dot_of", "dot_tiles"]

#: 32-bit accumulators in a vector register; the instructions exist at this width.
_LANES = 16

_BF16 = """
declare <16 x float> @llvm.x86.avx512bf16.dpbf16ps.512(<16 x float>, <32 x bfloat>, <32 x bfloat>)
define internal <16 x float> @costmodel_dot_bf16(
    <16 x float> %c, <16 x i32> %a, <16 x i32> %b) alwaysinline {
  %x = bitcast <16 x i32> %a to <32 x bfloat>
  %y = bitcast <16 x i32> %b to <32 x bfloat>
  %r = call <16 x float> @llvm.x86.avx512bf16.dpbf16ps.512(
      <16 x float> %c, <32 x bfloat> %x, <32 x bfloat> %y)
  ret <16 x float> %r
}
"""
_I8 = """
declare <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32>, <64 x i8>, <64 x i8>)
define internal <16 x i32> @costmodel_dot_i8(
    <16 x i32> %c, <16 x i32> %a, <16 x i32> %b) alwaysinline {
  %x = bitcast <16 x i32> %a to <64 x i8>
  %y = bitcast <16 x i32> %b to <64 x i8>
  %r = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(
      <16 x i32> %c, <64 x i8> %x, <64 x i8> %y)
  ret <16 x i32> %r
}
"""


@dataclass(frozen=True)
class Dot:
    """A block that is a sum of products of two narrow operands.

    ``rows`` and ``vector`` are positions of spatial iterators, each of which moves one operand
    only: ``left`` and ``right``. ``rows`` is None where the left operand has none of its own.
    """

    kind: str
    left: Any
    right: Any
    rows: int | None
    vector: int

    @property
    def group(self) -> int:
        """Products that one instruction sums into a lane."""
        return 2 if self.kind == "bf16" else 4

    @property
    def function(self) -> str:
        return f"costmodel_dot_{self.kind}"

    @property
    def llvm(self) -> str:
        return _BF16 if self.kind == "bf16" else _I8


_KINDS = {("bfloat16", "float32"): "bf16", ("int8", "int32"): "i8"}


@lru_cache(maxsize=1024)
def dot_of(block: Block, kinds: frozenset[str]) -> Dot | None:
    """The block as a dot product that one of ``kinds`` computes, or None."""
    reducer = combiner(block)
    if reducer is None or not isinstance(block.value, prim.Add) or not block.reductions:
        return None
    if not isinstance(block.init, tvm.ir.Constant) or not isinstance(reducer.term, prim.Mul):
        return None
    widened = (_widened(side) for side in (reducer.term.a, reducer.term.b))
    operands = [load for load in widened if load is not None]
    if len(operands) != 2:
        return None
    narrow = {str(load.source.dtype) for load in operands}
    kind = _KINDS.get((narrow.pop(), str(block.buffer.dtype))) if len(narrow) == 1 else None
    if kind not in kinds:
        return None
    return _oriented(block, str(kind), operands)


def _widened(side: Any) -> Any | None:
    """The load under a widening cast."""
    load = side.value if isinstance(side, prim.Cast) else None
    return load if isinstance(load, tvm.ir.expr.TensorLoad) else None


def _oriented(block: Block, kind: str, operands: list[Any]) -> Dot | None:
    """Choose which operand runs along the vector: the one that moves with the last axis."""
    moved = [access_of(block, load.source, load.indices).moved_by for load in operands]
    last = len(block.iters) - 1
    if any(last not in one for one in moved):
        return None
    spatial = [p for p, it in enumerate(block.iters) if not it.reduction]
    for left, right in ((0, 1), (1, 0)):
        own = [p for p in spatial if p in moved[right] and p not in moved[left]]
        rows = [p for p in spatial if p in moved[left] and p not in moved[right]]
        if own and own[-1] == spatial[-1] and block.iters[own[-1]].extent >= _LANES // 2:
            best = max(rows, key=lambda p: block.iters[p].extent, default=None)
            return Dot(kind, operands[left], operands[right], best, own[-1])
    return None


def dot_tiles(
    program: Program, block: Block, dot: Dot, rows: int, vectors: int, *, epilogue: bool = True
) -> tuple[Program, int]:
    """The program with the block's tiles of ``rows`` by ``vectors`` registers of accumulators.

    With ``epilogue`` its only consumer is computed as the tiles are stored. Returns it with the
    number of the core's inner loops.
    """
    cuts = [Cut(dot.vector, block.iters[dot.vector], vectors * _LANES)]
    if dot.rows is not None and rows > 1:
        cuts.insert(0, Cut(dot.rows, block.iters[dot.rows], rows))
    step = fresh_iter("word", -(-block.iters[-1].extent // dot.group), reduction=True)
    left = _words(block, dot, dot.left, cuts, 0)
    right = _words(block, dot, dot.right, cuts, 1)
    outer = outer_iters(block, cuts)
    register = fresh_iter("register", vectors)
    inner = [*(cut.inner for cut in cuts[:-1]), register]
    ramp = prim.Ramp(register.var * _LANES, 1, _LANES)
    shape = [*(it.extent for it in outer), *(cut.size for cut in cuts)]
    tile = scratch(f"{block.name}_tile", shape, str(block.buffer.dtype))
    at = [*(it.var for it in outer), *(cut.inner.var for cut in cuts[:-1]), ramp]
    steps = [*block.reductions[:-1], step]
    word = prim.Broadcast(left.load(cuts, step, None), _LANES)
    start: Any = prim.Broadcast(block.init, _LANES)
    new, buffers = [left.block, right.block], [left.buffer, right.buffer]
    if dot.kind == "i8":
        offset, made = _offset(block, dot, right, cuts, vectors)
        new.append(made)
        buffers.append(offset)
        where = [*right.batch(), cuts[-1].outer.var, ramp]
        start = start - tirx.BufferLoad(offset, where)
    value = _call(dot, tirx.BufferLoad(tile, at), word, right.load(cuts, step, ramp))
    new.append(
        Block(
            block.name,
            (*outer, *inner, *steps),
            tile,
            tuple(at),
            value,
            start,
            annotations={"pragma_import_llvm": dot.llvm},
        )
    )
    stored = store_tiles(program, block, cuts, tile, new, [*buffers, tile], epilogue=epilogue)
    return stored, len(inner)


def _call(dot: Dot, total: Any, left: Any, right: Any) -> Any:
    dtype = "float32x16" if dot.kind == "bf16" else "int32x16"
    return tirx.call_pure_extern(dtype, dot.function, total, left, right)


@dataclass(frozen=True)
class _Words:
    """An operand as 32-bit words: the buffer, the block that fills it, how to read it."""

    buffer: Any
    block: Block
    owner: Block
    batch_positions: tuple[int, ...]
    step_positions: tuple[int, ...]
    cut_positions: tuple[int, ...]

    def batch(self) -> list[Any]:
        return [self.owner.iters[p].var for p in self.batch_positions]

    def load(self, cuts: list[Cut], step: Iter, ramp: Any) -> Any:
        """Read a word, or the vector of words that ``ramp`` spans along the vector axis."""
        own = [cut for cut in cuts if cut.position in self.cut_positions]
        inner = [cut.inner.var for cut in own]
        if ramp is not None:
            inner[-1] = ramp
        steps = [self.owner.iters[p].var for p in self.step_positions]
        outer = [cut.outer.var for cut in own]
        return tirx.BufferLoad(self.buffer, [*self.batch(), *outer, *steps, step.var, *inner])


def _words(block: Block, dot: Dot, load: Any, cuts: list[Cut], number: int) -> _Words:
    moved = access_of(block, load.source, load.indices).moved_by
    last = len(block.iters) - 1
    own = [cut.fresh() for cut in cuts if cut.position in moved]
    cut_at = {cut.position for cut in own}
    batch = [p for p in sorted(moved - cut_at) if not block.iters[p].reduction]
    steps = [p for p in sorted(moved) if block.iters[p].reduction and p != last]
    fresh = {p: fresh_iter(block.iters[p].var.name, block.iters[p].extent) for p in batch + steps}
    word = fresh_iter("word", -(-block.iters[last].extent // dot.group))
    iters = (
        *(fresh[p] for p in batch), *(cut.outer for cut in own), *(fresh[p] for p in steps), word,
        *(cut.inner for cut in own),
    )  # fmt: skip
    binding = {block.iters[p].var: it.var for p, it in fresh.items()}
    binding |= {cut.axis.var: cut.index for cut in own}
    inside = [cut.index < cut.axis.extent for cut in own if cut.padded]
    value = _word(block, dot, load, binding, word, inside, flip=number == 0)
    name = f"{block.name}_panel{number}"
    buffer = scratch(name, [it.extent for it in iters], "int32")
    filled = Block(name, iters, buffer, tuple(it.var for it in iters), value, None)
    return _Words(buffer, filled, block, tuple(batch), tuple(steps), tuple(cut_at))


def _word(
    block: Block, dot: Dot, load: Any, binding: dict[Any, Any], word: Iter, inside: list[Any],
    *, flip: bool,
) -> Any:  # fmt: skip
    """Neighbours along the reduction in one word, the first in the lowest bits."""
    axis, bits = block.iters[-1], 32 // dot.group
    total: Any = None
    for part in range(dot.group):
        k = word.var * dot.group + part
        at = [substitute(index, binding | {axis.var: k}) for index in load.indices]
        narrow = tirx.reinterpret(f"uint{bits}", tirx.BufferLoad(load.source, at))
        value = tirx.Cast("int32", narrow)
        if dot.kind == "i8" and flip:
            value = tirx.bitwise_xor(value, tirx.const(0x80, "int32"))
        bounds = [*inside, *([k < axis.extent] if axis.extent % dot.group else [])]
        if bounds:
            known = tirx.all(*bounds) if len(bounds) > 1 else bounds[0]
            value = tirx.if_then_else(known, value, tirx.const(0, "int32"))
        if part:
            shifted = tirx.shift_left(value, tirx.const(bits * part, "int32"))
            value = tirx.bitwise_or(total, shifted)
        total = value
    return total


def _offset(
    block: Block, dot: Dot, right: _Words, cuts: list[Cut], vectors: int
) -> tuple[Any, Block]:
    """128 times the sum of the right operand along the reduction, for each of its columns."""
    cut = cuts[-1].fresh()
    register = fresh_iter("register", vectors)
    ramp = prim.Ramp(register.var * _LANES, 1, _LANES)
    step = fresh_iter("word", right.block.iters[-2].extent, reduction=True)
    batch = {p: fresh_iter("batch", block.iters[p].extent) for p in right.batch_positions}
    steps = {
        p: fresh_iter(block.iters[p].var.name, block.iters[p].extent, reduction=True)
        for p in right.step_positions
    }
    front = [it.var for it in batch.values()]
    name = f"{block.name}_offset"
    shape = [*(it.extent for it in batch.values()), cut.outer.extent, cut.size]
    buffer = scratch(name, shape, "int32")
    at = [*front, cut.outer.var, ramp]
    words = [*front, cut.outer.var, *(it.var for it in steps.values()), step.var, ramp]
    ones = prim.Broadcast(tirx.const(-0x7F7F7F80, "int32"), _LANES)  # four bytes of 128
    value = _call(dot, tirx.BufferLoad(buffer, at), ones, tirx.BufferLoad(right.buffer, words))
    iters = (*batch.values(), cut.outer, register, *steps.values(), step)
    zero = prim.Broadcast(tirx.const(0, "int32"), _LANES)
    notes = {"pragma_import_llvm": dot.llvm}
    return buffer, Block(name, iters, buffer, tuple(at), value, zero, annotations=notes)
