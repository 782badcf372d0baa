"""``arith`` and ``math`` operations as TensorIR expressions, by table.

Nodes are built directly, not through Python's operators, which fold constants with rules for real
numbers (``x * 0 == 0``) that floating point does not have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from tvm import tirx

from costmodel.backends.tvm import intrinsics
from costmodel.backends.tvm.lowering import floats
from costmodel.backends.tvm.lowering.casts import CASTS, as_unsigned, dtype_of
from costmodel.backends.tvm.lowering.types import Expr, immediate, unsupported

__all__ = ["is_scalar_op", "scalar"]

_Unary = Callable[[Expr], Expr]
_Binary = Callable[[Expr, Expr], Expr]


def is_scalar_op(name: str) -> bool:
    """Whether ``scalar`` knows the operation."""
    return name in _OPS or name in CASTS or name in _SPECIAL


def scalar(op: Any, operands: list[Expr]) -> Expr:
    """The one result of an ``arith`` or ``math`` op. Raises UnsupportedError."""
    name = op.operation.name
    if name in CASTS:
        return CASTS[name](op, operands[0])
    if name in _SPECIAL:
        return _SPECIAL[name](op, operands)
    if name not in _OPS:
        raise unsupported(op, "no TensorIR expression is known for it")
    if dtype_of(operands[0]) == "bool" and name in _BOOL:
        return _BOOL[name](*operands)
    return _OPS[name](*operands)


def _cmpf(op: Any, operands: list[Expr]) -> Expr:
    return floats.compare(int(op.operation.attributes["predicate"]), *operands)


def _cmpi(op: Any, operands: list[Expr]) -> Expr:
    predicate = int(op.operation.attributes["predicate"])
    unsigned = predicate >= 6
    lhs, rhs = (_ordered(operand, unsigned) for operand in operands)
    node = (tirx.EQ, tirx.NE, tirx.LT, tirx.LE, tirx.GT, tirx.GE)[
        predicate - 4 if unsigned else predicate
    ]
    return node(lhs, rhs)


def _ordered(value: Expr, unsigned: bool) -> Expr:
    """A value under whose own order ``<`` means what the predicate says; i1 true is -1 signed."""
    if dtype_of(value) == "bool":
        return _select(value, immediate("int32", 1 if unsigned else -1), immediate("int32", 0))
    return as_unsigned(value) if unsigned else value


def _select(condition: Expr, yes: Expr, no: Expr) -> Expr:
    if dtype_of(yes) == "bool":
        return tirx.Or(tirx.And(condition, yes), tirx.And(tirx.Not(condition), no))
    return tirx.Select(condition, yes, no)


def _select_op(op: Any, operands: list[Expr]) -> Expr:
    return _select(*operands)


def _ipowi(op: Any, operands: list[Expr]) -> Expr:
    base, exponent = operands
    if not isinstance(exponent, tirx.IntImm) or not 0 <= exponent.value <= 64:
        raise unsupported(op, "the exponent is not a constant between 0 and 64")
    return _power(base, exponent.value)


def _fpowi(op: Any, operands: list[Expr]) -> Expr:
    base, exponent = operands
    if isinstance(exponent, tirx.IntImm) and abs(exponent.value) <= 8:
        power = _power(base, abs(exponent.value))
        one = immediate(dtype_of(base), 1)
        return power if exponent.value >= 0 else tirx.Div(one, power)
    return tirx.pow(base, tirx.Cast(dtype_of(base), exponent))


def _powf(op: Any, operands: list[Expr]) -> Expr:
    base, exponent = operands
    if isinstance(exponent, tirx.FloatImm):
        if exponent.value in (1.0, 2.0, 3.0, 4.0):
            return _power(base, int(exponent.value))
        if exponent.value == -1.0:
            return tirx.Div(immediate(dtype_of(base), 1), base)
    return tirx.pow(base, exponent)


def _power(base: Expr, exponent: int) -> Expr:
    if exponent == 0:
        return immediate(dtype_of(base), 1)
    if exponent == 1:
        return base
    half = _power(base, exponent // 2)
    square = tirx.Mul(half, half)
    return tirx.Mul(square, base) if exponent % 2 else square


def _unsigned(node: _Binary) -> _Binary:
    def apply(lhs: Expr, rhs: Expr) -> Expr:
        return tirx.Cast(dtype_of(lhs), node(as_unsigned(lhs), as_unsigned(rhs)))

    return apply


def _ceil_div(lhs: Expr, rhs: Expr) -> Expr:
    zero = immediate(dtype_of(lhs), 0)
    return tirx.Sub(zero, tirx.FloorDiv(tirx.Sub(zero, lhs), rhs))


def _exclusive(lhs: Expr, rhs: Expr) -> Expr:
    return tirx.Or(tirx.And(lhs, tirx.Not(rhs)), tirx.And(tirx.Not(lhs), rhs))


def _scaled(function: _Unary, factor: float) -> _Unary:
    return lambda x: tirx.Mul(function(x), immediate(dtype_of(x), factor))


#: Operations on one or two operands of one type, which need nothing else of the op.
_OPS: Mapping[str, Callable[..., Expr]] = {
    "arith.addf": tirx.Add,
    "arith.subf": tirx.Sub,
    "arith.mulf": tirx.Mul,
    "arith.divf": tirx.Div,
    "arith.remf": floats.remainder,
    "arith.negf": lambda x: tirx.Mul(x, immediate(dtype_of(x), -1)),
    "arith.maximumf": floats.maximum,
    "arith.minimumf": floats.minimum,
    "arith.maxnumf": floats.maxnum,
    "arith.minnumf": floats.minnum,
    "arith.addi": tirx.Add,
    "arith.subi": tirx.Sub,
    "arith.muli": tirx.Mul,
    "arith.divsi": tirx.Div,
    "arith.remsi": tirx.Mod,
    "arith.divui": _unsigned(tirx.Div),
    "arith.remui": _unsigned(tirx.Mod),
    "arith.floordivsi": tirx.FloorDiv,
    "arith.ceildivsi": _ceil_div,
    "arith.andi": tirx.bitwise_and,
    "arith.ori": tirx.bitwise_or,
    "arith.xori": tirx.bitwise_xor,
    "arith.shli": tirx.shift_left,
    "arith.shrsi": tirx.shift_right,
    "arith.shrui": _unsigned(tirx.shift_right),
    "arith.maxsi": tirx.Max,
    "arith.minsi": tirx.Min,
    "arith.maxui": _unsigned(tirx.Max),
    "arith.minui": _unsigned(tirx.Min),
    "math.absi": lambda x: tirx.Max(x, tirx.Sub(immediate(dtype_of(x), 0), x)),
    "math.ctpop": tirx.popcount,
    "math.absf": tirx.abs,
    "math.fma": lambda x, y, z: tirx.Add(z, tirx.Mul(x, y)),
    "math.copysign": floats.copysign,
    "math.ceil": tirx.ceil,
    "math.floor": tirx.floor,
    "math.trunc": tirx.trunc,
    "math.round": floats.round_half_away,
    "math.roundeven": floats.round_half_even,
    "math.exp": tirx.exp,
    "math.exp2": tirx.exp2,
    "math.expm1": floats.expm1,
    "math.log": tirx.log,
    "math.log1p": tirx.log1p,
    "math.log2": _scaled(tirx.log, 1 / math.log(2)),
    "math.log10": _scaled(tirx.log, 1 / math.log(10)),
    "math.sqrt": tirx.sqrt,
    "math.rsqrt": tirx.rsqrt,
    "math.cbrt": floats.cbrt,
    "math.tanh": tirx.tanh,
    "math.erf": tirx.erf,
    "math.erfc": intrinsics.erfc,
    "math.sin": tirx.sin,
    "math.cos": tirx.cos,
    "math.tan": tirx.tan,
    "math.sinh": floats.sinh,
    "math.cosh": floats.cosh,
    "math.asin": tirx.asin,
    "math.acos": tirx.acos,
    "math.atan": tirx.atan,
    "math.atan2": floats.atan2,
    "math.asinh": floats.asinh,
    "math.acosh": floats.acosh,
    "math.atanh": floats.atanh,
    "math.isnan": floats.isnan,
    "math.isinf": floats.isinf,
    "math.isfinite": lambda x: tirx.Not(tirx.Or(floats.isnan(x), floats.isinf(x))),
    "math.isnormal": lambda x: tirx.And(
        tirx.GE(tirx.abs(x), immediate(dtype_of(x), floats.SMALLEST_NORMAL[dtype_of(x)])),
        tirx.Not(floats.isinf(x)),
    ),
}

#: What the integer operations are on one bit.
_BOOL: Mapping[str, Callable[..., Expr]] = {
    "arith.addi": _exclusive,
    "arith.subi": _exclusive,
    "arith.muli": tirx.And,
    "arith.andi": tirx.And,
    "arith.ori": tirx.Or,
    "arith.xori": _exclusive,
    "arith.maxsi": tirx.And,
    "arith.minsi": tirx.Or,
    "arith.maxui": tirx.Or,
    "arith.minui": tirx.And,
}

_SPECIAL: Mapping[str, Callable[[Any, list[Expr]], Expr]] = {
    "arith.cmpf": _cmpf,
    "arith.cmpi": _cmpi,
    "arith.select": _select_op,
    "math.fpowi": _fpowi,
    "math.ipowi": _ipowi,
    "math.powf": _powf,
}
