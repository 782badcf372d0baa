"""TVM's trees, taken apart and put together again: expressions, statements, names of values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tvm import ir, tirx
from tvm.ir.prim import expr as prim

__all__ = ["named", "rebuilt", "with_leaves", "with_own_bindings"]

Expr = Any  # TVM's expression classes are untyped


def rebuilt(node: Expr, go: Callable[[Expr], Expr]) -> Expr:
    """An expression of what ``go`` makes of its parts."""
    if isinstance(node, ir.expr.TensorLoad):
        return tirx.BufferLoad(node.source, [go(index) for index in node.indices])
    if isinstance(node, prim.Select):
        return prim.Select(go(node.condition), go(node.true_value), go(node.false_value))
    if isinstance(node, prim.Cast):
        return prim.Cast(node.ty, go(node.value))
    if isinstance(node, prim.Broadcast):
        return prim.Broadcast(go(node.value), node.lanes)
    if isinstance(node, prim.Ramp):
        return prim.Ramp(go(node.base), go(node.stride), node.lanes)
    if isinstance(node, prim.Shuffle):
        return prim.Shuffle([go(vector) for vector in node.vectors], list(node.indices))
    if isinstance(node, prim.Not):
        return prim.Not(go(node.a))
    if isinstance(node, prim.Let):
        return prim.Let(node.var, go(node.value), go(node.body))
    if isinstance(node, ir.Call):
        args = [go(argument) for argument in node.args]
        return ir.Call(node.op, args, node.attrs, list(node.ty_args), ret_ty=node.ty)
    if hasattr(node, "a") and hasattr(node, "b"):
        return type(node)(go(node.a), go(node.b))
    return node


def with_leaves(stmt: Any, change: Callable[[Any], Any]) -> Any:
    """A statement with what ``change`` makes of those within it that hold no other."""
    if isinstance(stmt, tirx.SeqStmt):
        return tirx.SeqStmt([with_leaves(part, change) for part in stmt.seq])
    if isinstance(stmt, tirx.For):
        return tirx.For(
            stmt.loop_var, stmt.min, stmt.extent, stmt.kind, with_leaves(stmt.body, change),
            stmt.thread_binding, stmt.annotations, stmt.step,
        )  # fmt: skip
    if isinstance(stmt, tirx.AttrStmt):
        body = with_leaves(stmt.body, change)
        return tirx.AttrStmt(stmt.node, stmt.attr_key, stmt.value, body)
    if isinstance(stmt, tirx.IfThenElse):
        other = None if stmt.else_case is None else with_leaves(stmt.else_case, change)
        return tirx.IfThenElse(stmt.condition, with_leaves(stmt.then_case, change), other)
    return change(stmt)


def named(value: Expr, name: str) -> tuple[Expr, list[tuple[Any, Expr]]]:
    """An expression that stands for ``value``, and what a Let is to bind for it.

    TVM does not widen arithmetic in bf16 within what is bound: there the value stands for itself.
    """
    if str(value.ty.dtype).startswith("bfloat16"):
        return value, []
    variable = ir.Var(name, value.ty)
    return variable, [(variable, value)]


def with_own_bindings(expr: Expr, taken: set[Any]) -> Expr:
    """The expression with other variables in place of those bound that are ``taken``, or repeat.

    ``taken`` grows by what is bound: TVM wants each variable bound in one place of a function.
    """
    names: dict[Any, Any] = {}

    def go(node: Expr) -> Expr:
        if isinstance(node, ir.Var):
            return names.get(node, node)
        if not isinstance(node, prim.Let):
            return rebuilt(node, go)
        value, outer = go(node.value), names.get(node.var, node.var)
        variable = ir.Var(node.var.name, node.var.ty) if node.var in taken else node.var
        taken.add(variable)
        names[node.var] = variable
        body = go(node.body)
        names[node.var] = outer
        return prim.Let(variable, value, body)

    return go(expr)
