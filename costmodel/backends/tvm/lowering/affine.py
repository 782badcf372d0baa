"""MLIR affine maps as TensorIR index expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iree.compiler import ir
from tvm import tirx

from costmodel.backends.tvm.lowering.types import Expr

__all__ = ["apply_map", "dims_of", "narrow", "plain_dims"]


def apply_map(
    map_: Any, dims: Sequence[Expr], symbols: Sequence[Expr] = (), dtype: str = "int32"
) -> list[Expr]:
    """The results of an affine map at ``dims``; its constants are of ``dtype``, as ``dims`` are."""
    return [_expression(result, dims, symbols, dtype) for result in map_.results]


def plain_dims(map_: Any) -> list[int | None]:
    """For each result, the position of the dimension that it is, or None."""
    return [
        result.position if isinstance(result, ir.AffineDimExpr) else None for result in map_.results
    ]


def dims_of(expression: Any) -> set[int]:
    """Positions of the dimensions that an affine expression reads."""
    if isinstance(expression, ir.AffineDimExpr):
        return {expression.position}
    if isinstance(expression, ir.AffineBinaryExpr):
        return dims_of(expression.lhs) | dims_of(expression.rhs)
    return set()


def _expression(expression: Any, dims: Sequence[Expr], symbols: Sequence[Expr], dtype: str) -> Expr:
    if isinstance(expression, ir.AffineDimExpr):
        return dims[expression.position]
    if isinstance(expression, ir.AffineSymbolExpr):
        return symbols[expression.position]
    if isinstance(expression, ir.AffineConstantExpr):
        return tirx.IntImm(dtype, expression.value)
    lhs = _expression(expression.lhs, dims, symbols, dtype)
    rhs = _expression(expression.rhs, dims, symbols, dtype)
    if isinstance(expression, ir.AffineAddExpr):
        return lhs + rhs
    if isinstance(expression, ir.AffineMulExpr):
        return lhs * rhs
    if isinstance(expression, ir.AffineModExpr):
        return tirx.floormod(lhs, rhs)
    if isinstance(expression, ir.AffineFloorDivExpr):
        return tirx.floordiv(lhs, rhs)
    return tirx.ceildiv(lhs, rhs)


def narrow(expression: Expr) -> Expr:
    """A 64-bit index as a 32-bit subscript, rebuilt so that the loop variables stay visible.

    Subscripts of tensors below 2**31 elements fit in 32 bits; a cast around the whole expression
    would hide the affine structure from the scheduler.
    """
    if expression.ty.dtype == "int32":
        return expression
    if isinstance(expression, tirx.IntImm):
        return tirx.IntImm("int32", expression.value)
    if isinstance(expression, tirx.Cast) and expression.value.ty.dtype == "int32":
        return expression.value
    if isinstance(expression, _LINEAR):
        return type(expression)(narrow(expression.a), narrow(expression.b))
    return tirx.Cast("int32", expression)


_LINEAR = (tirx.Add, tirx.Sub, tirx.Mul, tirx.FloorDiv, tirx.FloorMod, tirx.Min, tirx.Max)
