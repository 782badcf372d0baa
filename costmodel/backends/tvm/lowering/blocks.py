"""Structured blocks: a loop nest around one SBlock, built node by node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tvm import ir, tirx
from tvm.s_tir import SBlock, SBlockRealize

from costmodel.backends.tvm.lowering.types import Expr

__all__ = ["Axis", "Store", "nest", "store_all"]

#: Tells ``script.Complete`` to derive both reads and writes of a block from its body.
_DETECT_ACCESS = {"tirx.script_parsing_detect_access": tirx.IntImm("int32", 3)}


@dataclass(frozen=True)
class Axis:
    """One loop: its extent, and whether it runs over a reduction."""

    name: str
    extent: int
    reduction: bool = False


@dataclass(frozen=True)
class Store:
    """One element written: ``buffer[indices] = value``."""

    buffer: Any
    indices: Sequence[Expr]
    value: Expr

    def statement(self) -> Any:
        """The BufferStore node."""
        return tirx.BufferStore(self.buffer, self.value, list(self.indices))


def store_all(stores: Sequence[Store]) -> Any:
    """One statement for several stores whose values are all computed before any is written."""
    if len(stores) == 1:
        return stores[0].statement()
    bindings, writes = [], []
    for store in stores:
        name = f"v_{store.buffer.name}"
        var = ir.Var(name, ir.PrimType(str(store.value.ty.dtype)))
        bindings.append(tirx.Bind(var, store.value))
        writes.append(Store(store.buffer, store.indices, var).statement())
    return tirx.SeqStmt(bindings + writes)


def nest(
    name: str,
    axes: Sequence[Axis],
    body: Callable[[list[Expr]], Any],
    init: Callable[[list[Expr]], Any] | None = None,
    annotations: Mapping[str, Any] | None = None,
) -> Any:
    """Loops over ``axes``, outermost first, around a block of that name.

    ``body`` and ``init`` make a statement from the block's iteration variables. Without an axis
    the block gets one of extent 1, since schedules expect every block to have a variable.
    """
    loops = [ir.Var(axis.name, ir.PrimType("int32")) for axis in axes]
    bindings: list[Expr] = list(loops)
    shown = list(axes)
    if not shown:
        shown, bindings = [Axis("u", 1)], [tirx.IntImm("int32", 0)]
    iter_vars = [_iter_var(axis) for axis in shown]
    variables = [iter_var.var for iter_var in iter_vars][: len(axes)]
    block = SBlock(
        iter_vars,
        [],
        [],
        name,
        body(variables),
        init(variables) if init else None,
        annotations={**_DETECT_ACCESS, **(annotations or {})},
    )
    statement: Any = SBlockRealize(bindings, True, block)
    for axis, loop in reversed(list(zip(axes, loops, strict=True))):
        statement = tirx.For(loop, 0, axis.extent, tirx.ForKind.SERIAL, statement)
    return statement


def _iter_var(axis: Axis) -> Any:
    kind = tirx.IterVar.CommReduce if axis.reduction else tirx.IterVar.DataPar
    variable = ir.Var(f"v_{axis.name}", ir.PrimType("int32"))
    return tirx.IterVar(ir.Range(0, axis.extent), variable, kind)
