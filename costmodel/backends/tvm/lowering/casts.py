"""Conversions between element types as TensorIR expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tvm import tirx

from costmodel.backends.tvm.lowering.types import Expr, element_dtype, immediate

__all__ = ["CASTS", "as_unsigned", "dtype_of"]


def dtype_of(expression: Expr) -> str:
    """The TVM dtype of an expression."""
    return str(expression.ty.dtype)


def as_unsigned(value: Expr) -> Expr:
    """The same bits read as an unsigned integer; a cast between equal widths changes no bit."""
    dtype = dtype_of(value)
    return value if dtype == "bool" else tirx.Cast(f"u{dtype}", value)


def _bits(dtype: str) -> int:
    return 1 if dtype == "bool" else 8 * np.dtype(dtype).itemsize


def _cast(dtype: str, value: Expr) -> Expr:
    return value if dtype_of(value) == dtype else tirx.Cast(dtype, value)


def _signed(dtype: str, value: Expr) -> Expr:
    if dtype_of(value) == "bool":  # the one bit of an i1 is its sign
        return tirx.Select(value, immediate(dtype, -1), immediate(dtype, 0))
    return _cast(dtype, value)


def _unsigned(dtype: str, value: Expr) -> Expr:
    return tirx.Cast(dtype, as_unsigned(value))


def _truncate(dtype: str, value: Expr) -> Expr:
    if dtype != "bool":
        return _cast(dtype, value)
    one = immediate(dtype_of(value), 1)
    return tirx.EQ(tirx.bitwise_and(value, one), one)


def _to_unsigned(dtype: str, value: Expr) -> Expr:
    if dtype == "bool":
        return tirx.NE(tirx.Cast("int32", value), immediate("int32", 0))
    return tirx.Cast(dtype, tirx.Cast(f"u{dtype}", value))


def _index(dtype: str, value: Expr) -> Expr:
    if _bits(dtype) < _bits(dtype_of(value)):
        return _truncate(dtype, value)
    return _signed(dtype, value)


def _index_unsigned(dtype: str, value: Expr) -> Expr:
    if _bits(dtype) < _bits(dtype_of(value)):
        return _truncate(dtype, value)
    return _unsigned(dtype, value)


def _bitcast(dtype: str, value: Expr) -> Expr:
    return value if dtype_of(value) == dtype else tirx.reinterpret(dtype, value)


def _typed(convert: Callable[[str, Expr], Expr]) -> Callable[[Any, Expr], Expr]:
    return lambda op, value: convert(element_dtype(op.operation.results[0].type, op), value)


#: By op name: (op, operand) to the converted operand.
CASTS: Mapping[str, Callable[[Any, Expr], Expr]] = {
    name: _typed(convert)
    for name, convert in {
        "arith.extf": _cast,
        "arith.truncf": _cast,
        "arith.sitofp": _signed,
        "arith.uitofp": _unsigned,
        "arith.fptosi": _cast,
        "arith.fptoui": _to_unsigned,
        "arith.extsi": _signed,
        "arith.extui": _unsigned,
        "arith.trunci": _truncate,
        "arith.index_cast": _index,
        "arith.index_castui": _index_unsigned,
        "arith.bitcast": _bitcast,
    }.items()
}
