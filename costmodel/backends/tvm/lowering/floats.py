"""Floating-point operations that TensorIR has not, or has with other rules for NaN."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from tvm import tirx

from costmodel.backends.tvm.lowering.casts import dtype_of
from costmodel.backends.tvm.lowering.types import Expr, immediate

__all__ = [
    "SMALLEST_NORMAL",
    "acosh",
    "asinh",
    "atan2",
    "atanh",
    "cbrt",
    "compare",
    "copysign",
    "cosh",
    "expm1",
    "isinf",
    "isnan",
    "maximum",
    "maxnum",
    "minimum",
    "minnum",
    "remainder",
    "round_half_away",
    "round_half_even",
    "sinh",
]

#: The smallest positive normal number, by TVM dtype.
SMALLEST_NORMAL: Mapping[str, float] = {
    "float64": 2.0**-1022,
    "float32": 2.0**-126,
    "float16": 2.0**-14,
    "bfloat16": 2.0**-126,
}

_BITS = {"float64": "int64", "float32": "int32", "float16": "int16", "bfloat16": "int16"}

#: Largest number below one half: adding it never carries an exact tie's lower neighbour up.
_BELOW_HALF = {"float64": 0.49999999999999994, "float32": 0.49999997019767761}


def isnan(value: Expr) -> Expr:
    """True for NaN; a node of its own, since TVM folds ``x != x`` to false."""
    return tirx.isnan(_wide(value))


def isinf(value: Expr) -> Expr:
    """True for both infinities."""
    return tirx.EQ(tirx.abs(value), immediate(dtype_of(value), float("inf")))


def maxnum(lhs: Expr, rhs: Expr) -> Expr:
    """The greater; the other one where one is NaN (IEEE 754-2019 maximumNumber, up to zeros)."""
    return _extremum(tirx.Max, lhs, rhs, propagate=False)


def minnum(lhs: Expr, rhs: Expr) -> Expr:
    """The smaller; the other one where one is NaN."""
    return _extremum(tirx.Min, lhs, rhs, propagate=False)


def maximum(lhs: Expr, rhs: Expr) -> Expr:
    """The greater; NaN where either is NaN (IEEE 754-2019 maximum, up to the sign of zero)."""
    return _extremum(tirx.Max, lhs, rhs, propagate=True)


def minimum(lhs: Expr, rhs: Expr) -> Expr:
    """The smaller; NaN where either is NaN."""
    return _extremum(tirx.Min, lhs, rhs, propagate=True)


def _extremum(
    node: Callable[[Expr, Expr], Expr],
    lhs: Expr,
    rhs: Expr,
    *,
    propagate: bool,
) -> Expr:
    """TVM's Max and Min compile to a compare and a select that give ``rhs`` if either is NaN.

    So ``rhs`` being NaN comes through, and only ``lhs`` (or, where the number is wanted, ``rhs``)
    has to be tested; literals need no test.
    """
    if propagate:
        if _is_number(lhs):
            return node(lhs, rhs)
        if _is_number(rhs):
            return node(rhs, lhs)
        return tirx.Select(isnan(lhs), lhs, node(lhs, rhs))
    if _is_number(rhs):
        return node(lhs, rhs)
    if _is_number(lhs):
        return node(rhs, lhs)
    return tirx.Select(isnan(rhs), lhs, node(lhs, rhs))


def _is_number(value: Expr) -> bool:
    return isinstance(value, tirx.FloatImm) and not math.isnan(value.value)


def compare(predicate: int, lhs: Expr, rhs: Expr) -> Expr:
    """``arith.cmpf`` by the number of its predicate; TVM's own comparisons are the ordered ones."""
    if predicate in (0, 15):
        return immediate("bool", predicate == 15)
    unordered = tirx.Or(isnan(lhs), isnan(rhs))
    if predicate == 7:
        return tirx.Not(unordered)
    if predicate == 14:
        return unordered
    nodes = (tirx.EQ, tirx.GT, tirx.GE, tirx.LT, tirx.LE, tirx.NE)
    if predicate < 7:
        return nodes[predicate - 1](lhs, rhs)
    return tirx.Or(nodes[predicate - 8](lhs, rhs), unordered)


def copysign(magnitude: Expr, sign: Expr) -> Expr:
    """The bits of ``magnitude`` with the sign bit of ``sign``."""
    dtype = dtype_of(magnitude)
    bits = _BITS[dtype]
    width = int(bits[3:])
    low = immediate(bits, 2 ** (width - 1) - 1)
    high = immediate(bits, -(2 ** (width - 1)))
    return tirx.reinterpret(
        dtype,
        tirx.bitwise_or(
            tirx.bitwise_and(tirx.reinterpret(bits, magnitude), low),
            tirx.bitwise_and(tirx.reinterpret(bits, sign), high),
        ),
    )


def round_half_away(value: Expr) -> Expr:
    """Nearest integer, ties away from zero, in instructions that vectors have."""
    dtype = dtype_of(value)
    wide = _wide(value)
    half = immediate(dtype_of(wide), _BELOW_HALF[dtype_of(wide)])
    return _as(dtype, tirx.trunc(tirx.Add(wide, copysign(half, wide))))


def round_half_even(value: Expr) -> Expr:
    """Nearest integer, ties to even."""
    return _as(dtype_of(value), tirx.nearbyint(_wide(value)))


def remainder(lhs: Expr, rhs: Expr) -> Expr:
    """The remainder with the sign of ``lhs``, exact; libm's, since TVM lowers none for LLVM."""
    return _libm("fmod", lhs, rhs)


def atan2(lhs: Expr, rhs: Expr) -> Expr:
    """The angle of the point (``rhs``, ``lhs``), by libm."""
    return _libm("atan2", lhs, rhs)


def _libm(name: str, *values: Expr) -> Expr:
    wide = [_wide(value) for value in values]
    dtype = dtype_of(wide[0])
    function = f"{name}f" if dtype == "float32" else name
    return _as(dtype_of(values[0]), tirx.call_pure_extern(dtype, function, *wide))


def expm1(value: Expr) -> Expr:
    """``exp(x) - 1``; near zero through ``2 t / (1 - t)`` with ``t = tanh(x / 2)``."""
    dtype = dtype_of(value)
    wide = _wide(value)
    one = immediate(dtype_of(wide), 1)
    half = tirx.tanh(tirx.Mul(wide, immediate(dtype_of(wide), 0.5)))
    near = tirx.Div(tirx.Add(half, half), tirx.Sub(one, half))
    far = tirx.Sub(tirx.exp(wide), one)
    return _as(dtype, tirx.Select(tirx.LT(tirx.abs(wide), one), near, far))


def sinh(value: Expr) -> Expr:
    """``(e + e / (e + 1)) / 2`` with ``e = exp(|x|) - 1``, which loses nothing near zero."""
    dtype = dtype_of(value)
    wide = _wide(value)
    one, half = immediate(dtype_of(wide), 1), immediate(dtype_of(wide), 0.5)
    size = tirx.abs(wide)
    growth = expm1(size)
    near = tirx.Mul(half, tirx.Add(growth, tirx.Div(growth, tirx.Add(growth, one))))
    root = tirx.exp(tirx.Mul(half, size))  # its square may overflow where half of it does not
    far = tirx.Mul(tirx.Mul(half, root), root)
    ten = immediate(dtype_of(wide), 10)
    return _as(dtype, copysign(tirx.Select(tirx.GT(size, ten), far, near), wide))


def cosh(value: Expr) -> Expr:
    """``(exp(x) + exp(-x)) / 2`` from ``exp(|x| / 2)``, so that it overflows no sooner."""
    dtype = dtype_of(value)
    wide = _wide(value)
    half = immediate(dtype_of(wide), 0.5)
    root = tirx.exp(tirx.Mul(half, tirx.abs(wide)))
    small = tirx.Div(tirx.Div(half, root), root)
    return _as(dtype, tirx.Add(tirx.Mul(tirx.Mul(half, root), root), small))


def asinh(value: Expr) -> Expr:
    """``log1p(x + x**2 / (1 + sqrt(x**2 + 1)))`` for ``|x|``, or ``log(2 x)`` where that is it."""
    dtype = dtype_of(value)
    wide = _wide(value)
    one = immediate(dtype_of(wide), 1)
    size = tirx.abs(wide)
    square = tirx.Mul(size, size)
    root = tirx.sqrt(tirx.Add(square, one))
    near = tirx.log1p(tirx.Add(size, tirx.Div(square, tirx.Add(one, root))))
    return _as(dtype, copysign(_far_logarithm(size, near), wide))


def acosh(value: Expr) -> Expr:
    """``log1p(t + sqrt(2 t + t**2))`` with ``t = x - 1``, or ``log(2 x)`` where that is it."""
    dtype = dtype_of(value)
    wide = _wide(value)
    t = tirx.Sub(wide, immediate(dtype_of(wide), 1))
    near = tirx.log1p(tirx.Add(t, tirx.sqrt(tirx.Add(tirx.Add(t, t), tirx.Mul(t, t)))))
    return _as(dtype, _far_logarithm(wide, near))


def atanh(value: Expr) -> Expr:
    """``log1p(2 x / (1 - x)) / 2`` for ``|x|``."""
    dtype = dtype_of(value)
    wide = _wide(value)
    size = tirx.abs(wide)
    ratio = tirx.Div(tirx.Add(size, size), tirx.Sub(immediate(dtype_of(wide), 1), size))
    half = tirx.Mul(immediate(dtype_of(wide), 0.5), tirx.log1p(ratio))
    return _as(dtype, copysign(half, wide))


def _far_logarithm(size: Expr, near: Expr) -> Expr:
    far = tirx.Add(tirx.log(size), immediate(dtype_of(size), math.log(2)))
    return tirx.Select(tirx.GT(size, immediate(dtype_of(size), 1e9)), far, near)


def cbrt(value: Expr) -> Expr:
    """The real cube root, through a power of the magnitude."""
    third = immediate(dtype_of(value), 1 / 3)
    return copysign(tirx.pow(tirx.abs(value), third), value)


def _wide(value: Expr) -> Expr:
    """Half precisions through f32: their own instructions are scalar calls."""
    return value if dtype_of(value) in ("float32", "float64") else tirx.Cast("float32", value)


def _as(dtype: str, value: Expr) -> Expr:
    return value if dtype_of(value) == dtype else tirx.Cast(dtype, value)
