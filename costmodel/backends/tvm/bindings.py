"""A pass that expands intrinsics and makes statements of bindings.

Functions of functions do not compile without this pass. TVM's passes simplify what they have
visited, and so meet a binding within a condition or within the value of another binding twice,
which they take for a contradiction. They also replace variables by their values, which takes time
exponential in the depth of a chain of them: values in floating point are kept in buffers of
one element, or vector, that LLVM turns into registers.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import MutableMapping
from typing import Any

import tvm
from tvm import ir, tirx
from tvm.ir.prim import expr as prim

from costmodel.backends.tvm.intrinsics import expanded
from costmodel.backends.tvm.trees import Expr, rebuilt, with_leaves

__all__ = ["flatten_bindings", "flattened"]

_CONDITIONAL = ir.Op.get("prim.if_then_else")


def _function(func: tirx.PrimFunc, _mod: tvm.IRModule, _context: Any) -> tirx.PrimFunc:
    return func.with_body(with_leaves(func.body, flattened), func.span)


#: To be run once loops are vectorized, before TVM lowers intrinsics.
flatten_bindings = tirx.transform.prim_func_pass(
    _function, opt_level=0, name="costmodel.FlattenBindings"
)


def flattened(stmt: Any) -> Any:
    """A store, or a binding, with intrinsics expanded and what it binds bound before it, once.

    What a condition guards stays behind it: it may read what does not exist.
    """
    if not isinstance(stmt, tirx.BufferStore | tirx.Bind):
        return stmt
    flattening = _Flattening({})
    value = flattening.part(stmt.value)
    if isinstance(stmt, tirx.Bind):
        return flattening.then(tirx.Bind(stmt.var, value))
    return flattening.then(tirx.BufferStore(stmt.buffer, value, list(stmt.indices)))


class _Flattening:
    """Of one expression. ``outer`` has the variables that are bound around it, by the old ones."""

    def __init__(self, outer: MutableMapping[Any, Any]) -> None:
        self._names: ChainMap[Any, Any] = ChainMap({}, outer)
        self._statements: list[Any] = []
        #: By identity, since expressions share their parts; the old node is kept alive by it.
        self._done: dict[int, tuple[Expr, Expr]] = {}

    def then(self, stmt: Any) -> Any:
        """What the parts need, and then ``stmt``."""
        return tirx.SeqStmt([*self._statements, stmt]) if self._statements else stmt

    def part(self, node: Expr) -> Expr:
        found = self._done.get(node.__chandle__())
        if found is None:
            found = self._done[node.__chandle__()] = node, self._changed(node)
        return found[1]

    def _changed(self, node: Expr) -> Expr:
        if isinstance(node, ir.Var):
            return self._names.get(node, node)
        if isinstance(node, prim.Let):
            if node.var not in self._names:
                value = self.part(node.value)
                self._names[node.var] = self._kept(value, node.var.name)
            return self.part(node.body)
        if isinstance(node, ir.Call) and node.op.same_as(_CONDITIONAL):
            return self._conditional(node)
        node = rebuilt(node, self.part)
        expansion = expanded(node) if isinstance(node, ir.Call) else None
        if expansion is None:
            return node
        bindings, value = expansion
        for variable, bound in bindings:
            self._statements.append(tirx.Bind(variable, self.part(bound)))
        return self._kept(self.part(value), "value")

    def _kept(self, value: Expr, name: str) -> Expr:
        """What stands for a value from now on."""
        dtype = tvm.DataType(str(value.ty.dtype))
        if not dtype.is_float:
            variable = ir.Var(name, value.ty)
            self._statements.append(tirx.Bind(variable, value))
            return variable
        buffer, index = _cell(dtype, name)
        self._statements += [
            tirx.AllocBuffer(buffer),
            tirx.BufferStore(buffer, value, [index]),
        ]
        return tirx.BufferLoad(buffer, [index])

    def _conditional(self, node: Expr) -> Expr:
        condition, *branches = node.args
        inner = [_Flattening(self._names) for _ in branches]
        args = [flow.part(branch) for flow, branch in zip(inner, branches, strict=True)]
        guard = self.part(condition)
        if not any(flow._statements for flow in inner):
            return ir.Call(node.op, [guard, *args], node.attrs, list(node.ty_args), ret_ty=node.ty)
        buffer, index = _cell(tvm.DataType(str(node.ty.dtype)), "chosen")
        stores = [
            flow.then(tirx.BufferStore(buffer, value, [index]))
            for flow, value in zip(inner, args, strict=True)
        ]
        self._statements += [tirx.AllocBuffer(buffer), tirx.IfThenElse(guard, *stores)]
        return tirx.BufferLoad(buffer, [index])


def _cell(dtype: tvm.DataType, name: str) -> tuple[Any, Expr]:
    """A buffer for one value, and the index of the whole of it."""
    buffer = tirx.decl_buffer([dtype.lanes], dtype.with_lanes(1), name, scope="local")
    first = tirx.const(0, "int32")
    if dtype.lanes == 1:
        return buffer, first
    return buffer, prim.Ramp(first, tirx.const(1, "int32"), dtype.lanes)
