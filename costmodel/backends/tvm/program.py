"""A TensorIR function as a flat list of structured blocks, to rewrite before it is scheduled.

MetaSchedule's primitives only split a reduction exactly and only pad plain einsums; the rewrites
in ``rewrites.py`` need neither. They work on these blocks and build a fresh ``PrimFunc`` from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import tvm
from tvm import s_tir, tirx
from tvm.ir.prim import expr as prim
from tvm_ffi import structural_equal

from costmodel.backends.tvm.trees import Expr, rebuilt, with_own_bindings

__all__ = [
    "Block",
    "Iter",
    "Program",
    "children",
    "fresh_iter",
    "load_indices",
    "loads",
    "substitute",
    "variables_of",
]


@dataclass(frozen=True)
class Iter:
    """One block iterator: its variable, its extent, and whether it reduces."""

    var: Any
    extent: int
    reduction: bool


@dataclass(frozen=True, eq=False)
class Block:
    """One structured block that stores one value a point: ``buffer[indices] = value``.

    ``init`` is the value stored before the reduction starts; None for a block that only maps.
    """

    name: str
    iters: tuple[Iter, ...]
    buffer: Any
    indices: tuple[Expr, ...]
    value: Expr
    init: Expr | None
    #: Condition over the iterators' variables under which the point exists; None for always.
    predicate: Expr | None = None
    #: How many leading iterators run in the loops of the block before this one.
    shared: int = 0
    #: TVM's annotations; a block that has some (the data of a constant) is left as it is.
    annotations: Any = None

    @property
    def spatial(self) -> tuple[Iter, ...]:
        return tuple(it for it in self.iters if not it.reduction)

    @property
    def reductions(self) -> tuple[Iter, ...]:
        return tuple(it for it in self.iters if it.reduction)

    @cached_property
    def loads(self) -> tuple[Any, ...]:
        """Every load of the value and of the initial value."""
        return (*loads(self.value), *self.init_loads)

    @cached_property
    def init_loads(self) -> tuple[Any, ...]:
        """Every load of the initial value."""
        return () if self.init is None else tuple(loads(self.init))

    def reads(self, buffer: Any) -> bool:
        """Whether it loads from a buffer."""
        return any(source.same_as(buffer) for source in self._sources)

    @cached_property
    def _sources(self) -> tuple[Any, ...]:
        """The buffers that it loads from, each once."""
        return tuple(buffer for buffer, _ in _by_buffer(self.loads))

    def with_own_bindings(self, taken: set[Any]) -> Block:
        """This block; no other, that it copies or is a copy of, binds the same variables."""
        if not _binds(self.value):
            return self
        return replace(self, value=with_own_bindings(self.value, taken))


@dataclass(frozen=True, eq=False)
class Program:
    """Parameters, intermediate buffers and blocks of a function, in order of execution."""

    params: tuple[Any, ...]
    buffers: tuple[Any, ...]
    blocks: tuple[Block, ...]
    attrs: Any

    @staticmethod
    def of(func: tirx.PrimFunc) -> Program | None:
        """None where a block of the function has several stores, or a nest is not plain."""
        root = func.body.block
        body = root.body
        nests = list(body.seq) if isinstance(body, tirx.SeqStmt) else [body]
        blocks = [_block_of(nest) for nest in nests]
        known = [block for block in blocks if block is not None]
        if len(known) != len(blocks):
            return None
        return Program(tuple(func.params), tuple(root.alloc_buffers), tuple(known), func.attrs)

    def function(self) -> tirx.PrimFunc:
        """The TensorIR function: one loop nest a block under one root block."""
        nests = []
        taken: set[Any] = set()
        blocks = [block.with_own_bindings(taken) for block in self.blocks]
        for number, block in enumerate(blocks):
            if not block.shared:
                follower = blocks[number + 1] if number + 1 < len(blocks) else None
                shares = follower is not None and follower.shared
                nests.append(_nest(block, follower if shares else None))
        body = nests[0] if len(nests) == 1 else tirx.SeqStmt(nests)
        root = s_tir.stmt.SBlock([], [], [], "root", body, alloc_buffers=list(self.buffers))
        realize = s_tir.stmt.SBlockRealize([], True, root)
        return tirx.PrimFunc(list(self.params), realize, attrs=self.attrs)


def fresh_iter(name: str, extent: int, *, reduction: bool = False) -> Iter:
    """An iterator from 0 to ``extent`` with a variable of its own."""
    return Iter(tirx.Var(name, "int32"), extent, reduction)


def _block_of(nest: Any) -> Block | None:
    depth, stmt = [], nest
    while isinstance(stmt, tirx.For):
        depth.append(stmt)
        stmt = stmt.body
    if not isinstance(stmt, s_tir.stmt.SBlockRealize):
        return None
    block = stmt.block
    plain = isinstance(block.body, tirx.BufferStore) and not block.alloc_buffers
    plain = plain and bool(stmt.predicate)
    if not plain or len(stmt.iter_values) != len(depth):
        return None
    init = None
    if block.init is not None:
        if not isinstance(block.init, tirx.BufferStore):
            return None
        init = block.init.value
    iters = tuple(
        Iter(it.var, int(it.dom.extent), int(it.iter_type) == 2) for it in block.iter_vars
    )
    store = block.body
    notes = dict(block.annotations.items()) or None
    at = tuple(store.indices)
    return Block(block.name_hint, iters, store.buffer, at, store.value, init, annotations=notes)


def _nest(block: Block, follower: Block | None) -> Any:
    """The block's loops; those that ``follower`` shares hold its loops after the block's own."""
    shared = follower.shared if follower is not None else 0
    loops = [tirx.Var(f"l_{it.var.name}", "int32") for it in block.iters]
    stmt = _loops(block, loops, shared)
    if follower is not None:
        own = [tirx.Var(f"l_{it.var.name}", "int32") for it in follower.iters[shared:]]
        stmt = tirx.SeqStmt([stmt, _loops(follower, [*loops[:shared], *own], shared)])
    return _wrap(stmt, loops[:shared], block.iters[:shared])


def _loops(block: Block, loops: Sequence[Any], skip: int) -> Any:
    realize = s_tir.stmt.SBlockRealize(list(loops), True, _sblock(block))
    return _wrap(realize, loops[skip:], block.iters[skip:])


def _wrap(stmt: Any, loops: Sequence[Any], iters: Sequence[Iter]) -> Any:
    for var, it in reversed(list(zip(loops, iters, strict=True))):
        stmt = tirx.For(var, 0, it.extent, tirx.ForKind.SERIAL, stmt)
    return stmt


def _sblock(block: Block) -> Any:
    iter_vars = [
        tirx.IterVar(tvm.ir.Range(0, it.extent), it.var, 2 if it.reduction else 0)
        for it in block.iters
    ]
    store: Any = tirx.BufferStore(block.buffer, block.value, list(block.indices))
    if block.predicate is not None:
        # In the body, not on the realize: compute_at and rfactor drop a realize's predicate.
        store = tirx.IfThenElse(block.predicate, store, None)
    init = None
    if block.init is not None:
        init = tirx.BufferStore(block.buffer, block.init, list(block.indices))
    exprs = [block.value] if block.init is None else [block.init, block.value]
    reads = [
        _region(buffer, indices)
        for buffer, indices in load_indices(*exprs)
        if not buffer.same_as(block.buffer)
    ]
    own = _region(block.buffer, [block.indices])
    return s_tir.stmt.SBlock(
        iter_vars, reads, [own], block.name, store, init=init, annotations=block.annotations
    )


def _region(buffer: Any, accesses: Sequence[Sequence[Expr]]) -> Any:
    """The least box that one can name cheaply around all ``accesses``."""
    ranges = []
    for dim, extent in enumerate(buffer.shape):
        column = [access[dim] for access in accesses]
        ranges.append(_range(column, extent))
    return tirx.BufferRegion(buffer, ranges)


def _range(column: Sequence[Expr], extent: Expr) -> Any:
    first = column[0]
    if isinstance(first, prim.Ramp) and len(column) == 1:
        return tvm.ir.Range.from_min_extent(first.base, first.lanes)
    data_dependent = any(next(loads(index), None) is not None for index in column)
    if not data_dependent and all(structural_equal(first, index) for index in column[1:]):
        return tvm.ir.Range.from_min_extent(first, 1)
    if not data_dependent and all(isinstance(index, prim.IntImm) for index in column):
        low, high = (f(int(index) for index in column) for f in (min, max))
        return tvm.ir.Range.from_min_extent(low, high - low + 1)
    return tvm.ir.Range.from_min_extent(0, extent)


def children(expr: Expr) -> tuple[Expr, ...]:
    """The expressions that ``expr`` is made of, in order."""
    kind = type(expr)
    parts = _KNOWN_PARTS.get(kind)
    if parts is None:
        parts = _KNOWN_PARTS[kind] = _parts(kind)
    if parts in _LISTS:
        return tuple(getattr(expr, parts[0]))
    return tuple(getattr(expr, part) for part in parts)


#: Attributes that are lists of expressions.
_LISTS = (("args",), ("indices",))
#: By class of expression: to ask each expression by ``isinstance`` takes ten times as long.
_KNOWN_PARTS: dict[Any, tuple[str, ...]] = {}


def _parts(kind: type) -> tuple[str, ...]:
    """The attributes of a class of expressions that are expressions, or one that is a list."""
    known: tuple[tuple[type, tuple[str, ...]], ...] = (
        (prim.Select, ("condition", "true_value", "false_value")),
        (prim.Cast, ("value",)),
        (prim.Broadcast, ("value",)),
        (prim.Ramp, ("base", "stride")),
        (prim.Not, ("a",)),
        (prim.Let, ("value", "body")),
        (tvm.ir.Call, ("args",)),
        (tvm.ir.expr.TensorLoad, ("indices",)),
    )
    for one, parts in known:
        if issubclass(kind, one):
            return parts
    return ("a", "b") if hasattr(kind, "a") and hasattr(kind, "b") else ()


def loads(expr: Expr) -> Iterator[Any]:
    """Every buffer load in ``expr``, those inside indices included."""
    if isinstance(expr, tvm.ir.expr.TensorLoad):
        yield expr
    for child in children(expr):
        yield from loads(child)


def _binds(expr: Expr) -> bool:
    return isinstance(expr, prim.Let) or any(map(_binds, children(expr)))


def variables_of(expr: Expr) -> Iterator[Any]:
    """Every variable in ``expr``, with repetitions."""
    if isinstance(expr, tvm.ir.Var):
        yield expr
    for child in children(expr):
        yield from variables_of(child)


def load_indices(*exprs: Expr) -> list[tuple[Any, list[tuple[Expr, ...]]]]:
    """The buffers that ``exprs`` load from, in order, each with all the indices of its loads."""
    return _by_buffer(load for expr in exprs for load in loads(expr))


def _by_buffer(listed: Iterable[Any]) -> list[tuple[Any, list[tuple[Expr, ...]]]]:
    """The buffers of loads, in order, each with all the indices."""
    found: list[tuple[Any, list[tuple[Expr, ...]]]] = []
    for load in listed:
        for buffer, accesses in found:
            if buffer.same_as(load.source):
                accesses.append(tuple(load.indices))
                break
        else:
            found.append((load.source, [tuple(load.indices)]))
    return found


def substitute(
    expr: Expr,
    variables: Mapping[Any, Expr],
    rewrite_load: Callable[[Any], Expr | None] | None = None,
    rewrite_call: Callable[[Any], Expr | None] | None = None,
) -> Expr:
    """``expr`` with variables replaced.

    ``rewrite_load`` may replace a load and ``rewrite_call`` a call, or return None.
    """

    def go(node: Expr) -> Expr:
        if isinstance(node, tvm.ir.Var):
            return variables.get(node, node)
        other = None
        if isinstance(node, tvm.ir.expr.TensorLoad) and rewrite_load:
            other = rewrite_load(node)
        elif isinstance(node, tvm.ir.Call) and rewrite_call:
            other = rewrite_call(node)
        return rebuilt(node, go) if other is None else other

    return go(expr)
