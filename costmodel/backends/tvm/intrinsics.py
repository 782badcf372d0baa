"""Vectorizable transcendental functions for TVM's LLVM targets.

TVM lowers a vector ``exp``, ``tanh``, ``erf`` or ``log`` to one libm call for each lane. The rules
registered here replace it by the arithmetic of ``costmodel.backends.tvm.expansions``.

``MAX_ULP`` has the largest errors of the f32 functions where the result is normal, with fused
multiply-add. Denormal arguments and results, infinities and NaN are treated as C99 says, but for
the sign of a zero, and ``sigmoid`` gives zero where its result would be denormal;
``sin``, ``cos`` and ``tan`` are accurate for arguments below 2**30 and bounded beyond. Functions of
f16 and bf16 go through f32. Of f64, the exponentials and logarithms are done here to a few units
in the last place, the rest by libm.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import tvm_ffi
from tvm import ir, tirx

from costmodel.backends.tvm import expansions
from costmodel.backends.tvm.lanes import Expr, Lanes

#: What is to be bound first, in this order, and the value.
Expansion = tuple[list[tuple[Any, Expr]], Expr]

__all__ = ["MAX_ULP", "erfc", "expanded", "register"]

#: Largest error of the f32 functions, in units in the last place, where the result is normal.
MAX_ULP: Mapping[str, float] = {
    "exp": 1.1,
    "exp2": 1.1,
    "exp10": 1.3,
    "log": 0.9,
    "log1p": 1.5,
    "tanh": 5.0,
    "erf": 5.0,
    "erfc": 0.6,
    "sigmoid": 2.4,
    "sin": 1.6,
    "cos": 1.6,
    "pow": 0.6,
    "rsqrt": 1.5,
    "atan": 3.6,
    "asin": 2.4,
    "acos": 1.4,
}

#: TVM's own rules are registered at 99 and below.
_LEVEL = 110

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
    "erfc": (expansions.erfc, _F32),
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
_VECTORIZABLE = ("acos", "asin", "atan", "erf", "erfc", "isnan", "nearbyint", "rsqrt")


@functools.cache
def register() -> None:
    """Teach TVM's lowering for ``llvm`` targets the expansions; once a process, before compiling.

    Also lets TVM's vectorizer keep some functions on vectors, which it would take apart.
    """
    _define_erfc()
    for name, (expand, formats) in _RULES.items():
        rule = functools.partial(_lower, name, expand, formats)
        tirx.op.register_intrin_lowering(f"tirx.{name}", "llvm", f=rule, level=_LEVEL)
    for name in _VECTORIZABLE:
        ir.register_op_attr(f"tirx.{name}", "TVectorizable", True, level=_LEVEL)


def expanded(call: Expr) -> Expansion | None:
    """What ``register``'s rules make of a call; None for one that they are not for."""
    name = call.op.name.removeprefix("tirx.") if isinstance(call.op, ir.Op) else ""
    return _expand(name, *_RULES[name], call) if name in _RULES else None


def erfc(x: Expr) -> Expr:
    """``1 - erf(x)``, a function that TensorIR has not: lowered by ``register``'s rule alone."""
    _define_erfc()
    return tirx.call_intrin(str(x.ty.dtype), "tirx.erfc", x)


@functools.cache
def _define_erfc() -> None:
    """Make the op known to TVM, with no effect but its value; once a process."""
    tvm_ffi.get_global_func("ir.RegisterOp")("tirx.erfc", "the complementary error function")
    ir.register_op_attr("tirx.erfc", "TCallEffectKind", tirx.CallEffectKind.Pure.value)
    ir.register_op_attr("tirx.erfc", "TScriptPrinterName", "erfc")


def _lower(name: str, expand: Callable[..., Expr], formats: frozenset[str], call: Expr) -> Expr:
    bindings, value = _expand(name, expand, formats, call)
    for variable, bound in reversed(bindings):
        value = tirx.Let(variable, bound, value)
    return value


def _expand(
    name: str, expand: Callable[..., Expr], formats: frozenset[str], call: Expr
) -> Expansion:
    """One call of a registered function, expanded, or as calls of libm."""
    dtype, lanes = _element(call)
    if dtype == "float16":
        wide = "float32" if lanes == 1 else f"float32x{lanes}"
        arguments = [tirx.Cast(wide, argument) for argument in call.args]
        return [], tirx.Cast(str(call.ty.dtype), tirx.call_intrin(wide, f"tirx.{name}", *arguments))
    if dtype not in formats:
        return _libm(name, call, lanes)
    builder = Lanes(dtype, lanes)
    value = expand(builder, *call.args)
    return builder.bindings, value


def _libm(name: str, call: Expr, lanes: int) -> Expansion:
    """A call of the f64 function of that name, or one for each lane."""
    if lanes == 1:
        return [], tirx.call_pure_extern("float64", name, *call.args)
    vectors = [ir.Var(f"v{position}", value.ty) for position, value in enumerate(call.args)]
    calls = [
        tirx.call_pure_extern(
            "float64", name, *(tirx.Shuffle([vector], [lane]) for vector in vectors)
        )
        for lane in range(lanes)
    ]
    return list(zip(vectors, call.args, strict=True)), tirx.Shuffle(calls, list(range(lanes)))


def _element(call: Expr) -> tuple[str, int]:
    dtype, _, lanes = str(call.ty.dtype).partition("x")
    return dtype, int(lanes or 1)
