"""Vectorizable transcendental functions for TVM's LLVM targets.

TVM lowers a vector ``exp``, ``tanh``, ``erf`` or ``log`` to one libm call for each lane. The rules
registered here replace it by the arithmetic of ``costmodel.backends.tvm.expansions``.

``MAX_ULP`` has the largest errors of the f32 functions where the result is normal. Denormal
arguments and results, infinities and NaN are treated as C99 says, but for the sign of a zero;
``sin``, ``cos`` and ``tan`` are accurate for arguments below 2**30 and bounded beyond. Functions of
f16 and bf16 go through f32. Of f64, the exponentials and logarithms are done here to a few units
in the last place, the rest by libm.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from tvm import ir, tirx

from costmodel.backends.tvm import expansions
from costmodel.backends.tvm.lanes import Expr, Lanes

__all__ = ["MAX_ULP", "register"]

#: Measured largest error of the f32 functions in units in the last place.
MAX_ULP: Mapping[str, float] = {
    "exp": 1.5,
    "exp2": 1.5,
    "exp10": 2.0,
    "log": 1.5,
    "log1p": 2.5,
    "tanh": 3.0,
    "erf": 3.0,
    "sigmoid": 3.0,
    "sin": 1.5,
    "cos": 1.5,
    "pow": 1.0,
}

_LEVEL = 110  # TVM's own rules are registered at 99 and below

_F32 = frozenset({"float32"})
_BOTH = frozenset({"float32", "float64"})

#: By op: the expansion and the formats that it is for.
_RULES: Mapping[str, tuple[Callable[..., Expr], frozenset[str]]] = {
    "exp": (expansions.exp, _BOTH),
    "exp2": (expansions.exp2, _BOTH),
    "exp10": (expansions.exp10, _BOTH),
    "log": (expansions.log, _BOTH),
    "log1p": (expansions.log1p, _BOTH),
    "tanh": (expansions.tanh, _F32),
    "erf": (expansions.erf, _F32),
    "sigmoid": (expansions.sigmoid, _BOTH),
    "sin": (expansions.sin, _F32),
    "cos": (expansions.cos, _F32),
    "pow": (expansions.pow, _F32),
    "rsqrt": (expansions.rsqrt, _BOTH),
    "atan": (expansions.atan, _F32),
    "asin": (expansions.asin, _F32),
    "acos": (expansions.acos, _F32),
}

#: Ops that the code generator takes on vectors, though TVM's vectorizer does not know it.
_VECTORIZABLE = ("acos", "asin", "atan", "erf", "isnan", "nearbyint", "rsqrt")


@functools.cache
def register() -> None:
    """Teach TVM's lowering for ``llvm`` targets the expansions; once a process, before compiling.

    Also lets TVM's vectorizer keep some functions on vectors, which it would take apart.
    """
    for name, (expand, formats) in _RULES.items():
        operator = ir.Op.get(f"tirx.{name}")
        attribute = "llvm.FLowerIntrinsic"
        before = operator.get_attr(attribute) if operator.has_attr(attribute) else None
        rule = functools.partial(_lower, expand, formats, before)
        tirx.op.register_intrin_lowering(f"tirx.{name}", "llvm", f=rule, level=_LEVEL)
    for name in _VECTORIZABLE:
        ir.register_op_attr(f"tirx.{name}", "TVectorizable", True, level=_LEVEL)


def _lower(expand: Callable[..., Expr], formats: frozenset[str], before: Any, call: Expr) -> Expr:
    """One call of a registered function; what it cannot do goes on to TVM's own rules."""
    dtype, lanes = _element(call)
    if dtype == "float16":
        wide = "float32" if lanes == 1 else f"float32x{lanes}"
        arguments = [tirx.Cast(wide, argument) for argument in call.args]
        return tirx.Cast(str(call.ty.dtype), tirx.call_intrin(wide, call.op.name, *arguments))
    if dtype not in formats:
        if before is not None:
            return before(call)
        return call if lanes == 1 else _each_lane(call, lanes)
    builder = Lanes(dtype, lanes)
    return builder.close(expand(builder, *call.args))


def _each_lane(call: Expr, lanes: int) -> Expr:
    """A call of a function on vectors as calls on scalars."""
    dtype, _ = _element(call)
    vectors = [ir.Var(f"v{position}", value.ty) for position, value in enumerate(call.args)]
    calls = [
        tirx.call_intrin(
            dtype, call.op.name, *(tirx.Shuffle([vector], [lane]) for vector in vectors)
        )
        for lane in range(lanes)
    ]
    value = tirx.Shuffle(calls, list(range(lanes)))
    for vector, argument in zip(vectors, call.args, strict=True):
        value = tirx.Let(vector, argument, value)
    return value


def _element(call: Expr) -> tuple[str, int]:
    dtype, _, lanes = str(call.ty.dtype).partition("x")
    return dtype, int(lanes or 1)
