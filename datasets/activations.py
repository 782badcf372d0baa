"""Scalar functions: activations, and what reductions combine with."""

from __future__ import annotations

from collections.abc import Callable

from mlir_text import Body

__all__ = ["ACTIVATIONS", "add", "exp_sum", "maximum"]


def _gelu_erf(b: Body, x: str) -> str:
    inner = b.op("math.erf", b.op("arith.mulf", x, b.constant(0.70710678)))
    return b.op("arith.mulf", b.op("arith.mulf", x, b.constant(0.5)),
                b.op("arith.addf", inner, b.constant(1.0)))  # fmt: skip


def _gelu_tanh(b: Body, x: str) -> str:
    cube = b.op("arith.mulf", x, b.op("arith.mulf", x, x))
    inner = b.op("arith.addf", x, b.op("arith.mulf", cube, b.constant(0.044715)))
    tanh = b.op("math.tanh", b.op("arith.mulf", inner, b.constant(0.7978845)))
    half = b.op("arith.mulf", x, b.constant(0.5))
    return b.op("arith.mulf", half, b.op("arith.addf", tanh, b.constant(1.0)))


def _sigmoid(b: Body, x: str) -> str:
    one = b.constant(1.0)
    return b.op("arith.divf", one, b.op("arith.addf", one, b.op("math.exp", b.op("arith.negf", x))))


def _clamp(b: Body, x: str, low: float, high: float) -> str:
    up = b.op("arith.maximumf", x, b.constant(low))
    return b.op("arith.minimumf", up, b.constant(high))


def _hard_sigmoid(b: Body, x: str) -> str:
    shifted = b.op("arith.addf", x, b.constant(3.0))
    return b.op("arith.mulf", _clamp(b, shifted, 0.0, 6.0), b.constant(1 / 6))


def _exp(b: Body, x: str) -> str:
    """Bounded, so that no graph of these overflows."""
    return b.op("math.exp", b.op("arith.minimumf", x, b.constant(4.0)))


def _leaky(b: Body, x: str) -> str:
    positive = b.compare("ogt", x, b.constant(0.0))
    return b.select(positive, x, b.op("arith.mulf", x, b.constant(0.01)))


ACTIVATIONS: dict[str, Callable[[Body, str], str]] = {
    "relu": lambda b, x: b.op("arith.maximumf", x, b.constant(0.0)),
    "relu6": lambda b, x: _clamp(b, x, 0.0, 6.0),
    "sigmoid": _sigmoid,
    "silu": lambda b, x: b.op("arith.mulf", x, _sigmoid(b, x)),
    "hard_swish": lambda b, x: b.op("arith.mulf", x, _hard_sigmoid(b, x)),
    "gelu_erf": _gelu_erf,
    "gelu_tanh": _gelu_tanh,
    "tanh": lambda b, x: b.op("math.tanh", x),
    "exp": lambda b, x: _exp(b, x),
    "square": lambda b, x: b.op("arith.mulf", x, x),
    "abs": lambda b, x: b.op("math.absf", x),
    "sqrt": lambda b, x: b.op("math.sqrt", b.op("math.absf", x)),
    "softplus": lambda b, x: b.op("math.log1p", _exp(b, x)),
    "leaky_relu": _leaky,
}  # fmt: skip


def maximum(b: Body, e: list[str]) -> str:
    """Of the element and what is there so far."""
    return b.op("arith.maximumf", e[0], e[-1])


def add(b: Body, e: list[str]) -> str:
    """To what is there so far."""
    return b.op("arith.addf", e[0], e[-1])


def exp_sum(b: Body, e: list[str]) -> str:
    """Of exponentials, less the largest."""
    return b.op("arith.addf", e[2], b.op("math.exp", b.op("arith.subf", e[0], e[1])))
