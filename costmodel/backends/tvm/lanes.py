"""Arithmetic on the lanes of one vector value, for expanding intrinsics after vectorization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from tvm import ir, tirx

__all__ = ["Expr", "Lanes", "bits_of"]

#: A TensorIR expression; TVM ships no types.
Expr: TypeAlias = Any


def bits_of(value: float, dtype: str) -> int:
    """The bit pattern of a literal, as a signed integer of the same width."""
    array = np.array(value, dtype=dtype)
    return int(array.view(dtype.replace("float", "int")))


class Format:
    """What range reduction needs to know of a floating-point format."""

    def __init__(self, dtype: str, mantissa: int, bias: int, tiny: float) -> None:
        self.dtype = dtype
        self.integer = dtype.replace("float", "int")
        self.mantissa = mantissa
        self.bias = bias
        self.tiny = tiny
        #: Adding it rounds to an integer and leaves that integer in the low bits.
        self.magic = 1.5 * 2.0**mantissa
        #: Bounds of exp2's argument beyond which the result is infinite, or zero.
        self.top, self.bottom = bias + 2.0, -bias - mantissa - 3.0


_FORMATS = {
    "float32": Format("float32", 23, 127, 2.0**-126),
    "float64": Format("float64", 52, 1023, 2.0**-1022),
}


class Lanes:
    """Builds expressions over a scalar or vector type, binding what is used more than once."""

    def __init__(self, dtype: str, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes
        self.format = _FORMATS[dtype]
        #: In the order in which they are to be bound.
        self.bindings: list[tuple[Any, Expr]] = []

    def wide(self) -> Lanes:
        """The same lanes in f64; what it binds is bound here."""
        other = Lanes("float64", self.lanes)
        other.bindings = self.bindings
        return other

    def type(self, dtype: str) -> str:
        return dtype if self.lanes == 1 else f"{dtype}x{self.lanes}"

    def const(self, value: float, dtype: str | None = None) -> Expr:
        literal = tirx.const(value, dtype or self.dtype)
        return literal if self.lanes == 1 else tirx.Broadcast(literal, self.lanes)

    def bits(self, value: int) -> Expr:
        return self.const(value, self.format.integer)

    def let(self, value: Expr) -> Expr:
        variable = ir.Var(f"f{len(self.bindings)}", value.ty)
        self.bindings.append((variable, value))
        return variable

    def add(self, lhs: Expr, rhs: Expr | float) -> Expr:
        return tirx.Add(lhs, self._operand(rhs))

    def sub(self, lhs: Expr, rhs: Expr | float) -> Expr:
        return tirx.Sub(lhs, self._operand(rhs))

    def mul(self, lhs: Expr, rhs: Expr | float) -> Expr:
        return tirx.Mul(lhs, self._operand(rhs))

    def _operand(self, value: Expr | float) -> Expr:
        return self.const(value) if isinstance(value, float) else value

    def clamp(self, value: Expr, low: float, high: float) -> Expr:
        """Into ``[low, high]``; a NaN stays, since Max and Min give their second operand then."""
        return tirx.Min(self.const(high), tirx.Max(self.const(low), value))

    def polynomial(self, x: Expr, coefficients: Sequence[float]) -> Expr:
        """By Horner's rule, the constant coefficient first."""
        value = self.const(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            value = self.add(self.mul(value, x), coefficient)
        return value

    def round(self, value: Expr) -> tuple[Expr, Expr]:
        """The nearest integer as a float and, in the low bits, as an integer."""
        shifted = self.let(self.add(value, self.format.magic))
        whole = self.let(self.sub(shifted, self.format.magic))
        return whole, self.as_integer(shifted)

    def as_integer(self, value: Expr) -> Expr:
        return tirx.reinterpret(self.type(self.format.integer), value)

    def as_float(self, value: Expr) -> Expr:
        return tirx.reinterpret(self.type(self.dtype), value)

    def reduce(self, x: Expr, whole: Expr, parts: tuple[float, float]) -> Expr:
        """``x - whole * (parts[0] + parts[1])`` without losing the low digits."""
        return self.let(self.sub(self.sub(x, self.mul(whole, parts[0])),
                                 self.mul(whole, parts[1])))  # fmt: skip

    def scale(self, value: Expr, exponent: Expr) -> Expr:
        """``value * 2**n`` for the n in the low bits of ``exponent``, in two steps.

        The first step stays within the format's range, so that the second alone rounds a
        denormal result or overflows.
        """
        layout = self.format
        shift = self.bits(layout.mantissa)
        magic = self.bits(bits_of(layout.magic, layout.dtype))
        n = self.let(tirx.Sub(exponent, magic))
        half = self.let(tirx.shift_right(n, self.bits(1)))
        bias = self.bits(layout.bias)
        first = self.as_float(tirx.shift_left(tirx.Add(half, bias), shift))
        second = self.as_float(tirx.shift_left(tirx.Add(tirx.Sub(n, half), bias), shift))
        return self.mul(self.mul(value, first), second)

    def select(self, condition: Expr, yes: Expr, no: Expr) -> Expr:
        return tirx.Select(condition, yes, no)

    def with_sign(self, size: Expr, sign: Expr) -> Expr:
        """``size``, which is not negative, with the sign bit of ``sign``."""
        sign_bit = tirx.bitwise_and(
            self.as_integer(sign), self.bits(-(2 ** (8 * np.dtype(self.dtype).itemsize - 1)))
        )
        return self.as_float(tirx.bitwise_or(self.as_integer(size), sign_bit))

    def cast(self, value: Expr, dtype: str) -> Expr:
        return tirx.Cast(self.type(dtype), value)
