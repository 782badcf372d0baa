"""Reductions in the form that TVM's reducer matching knows, and the reducers that it lacks.

``rfactor`` and cross-loop splitting of reductions work only where the update of a block matches a
registered reducer and its init is that reducer's identity. TVM knows sum, product, and max and
min whose identity is the largest finite number; MLIR's reductions start from infinity and choose
between two treatments of NaN. (``and`` and ``or`` cannot be taught: TVM's matching knows no
bitwise operation, and its own reducers fail on bool.)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import tvm_ffi
from tvm import tirx

from costmodel.backends.tvm.lowering.casts import dtype_of
from costmodel.backends.tvm.lowering.floats import isnan
from costmodel.backends.tvm.lowering.types import Expr, immediate, is_float

__all__ = ["COMBINERS", "NEEDS_NUMBER", "identity_of", "register"]

_Combine = Callable[[Expr, Expr], Expr]


def _add(total: Expr, value: Expr) -> Expr:
    return _xor(total, value) if dtype_of(total) == "bool" else tirx.Add(total, value)


def _xor(total: Expr, value: Expr) -> Expr:
    return tirx.NE(tirx.Cast("int8", total), tirx.Cast("int8", value))


def _multiply(total: Expr, value: Expr) -> Expr:
    return tirx.And(total, value) if dtype_of(total) == "bool" else tirx.Mul(total, value)


def _number(node: _Combine) -> _Combine:
    # TVM's Max and Min give their second operand if either is NaN: here the total, never NaN.
    return lambda total, value: node(value, total)


def _propagating(node: _Combine) -> _Combine:
    return lambda total, value: tirx.Select(isnan(total), total, node(total, value))


def _by_kind(on_bool: _Combine, on_integers: _Combine) -> _Combine:
    return lambda total, value: (
        on_bool(total, value) if dtype_of(total) == "bool" else on_integers(total, value)
    )


#: Commutative ops whose reduction has a matched form: (total, value) to the new total.
COMBINERS: Mapping[str, _Combine] = {
    "arith.addf": _add,
    "arith.addi": _add,
    "arith.mulf": _multiply,
    "arith.muli": _multiply,
    "arith.maxnumf": _number(tirx.Max),
    "arith.minnumf": _number(tirx.Min),
    "arith.maximumf": _propagating(tirx.Max),
    "arith.minimumf": _propagating(tirx.Min),
    "arith.maxsi": _by_kind(tirx.And, tirx.Max),
    "arith.minsi": _by_kind(tirx.Or, tirx.Min),
}

_INFINITIES = {"arith.maxnumf": -math.inf, "arith.minnumf": math.inf}

#: Combiners whose matched form is right only while the total is a number.
NEEDS_NUMBER = frozenset(_INFINITIES)


def identity_of(op_name: str, start: Expr | None) -> Expr | None:
    """The literal that a reduction by a combiner may start from, or None for "as it was".

    ``maxnumf`` and ``minnumf`` ignore NaN, so a start of NaN means "no number yet". An infinity
    means that as well, and spares a test a step; only a reduction of nothing but NaN tells them
    apart, and gives the infinity then.
    """
    if op_name not in NEEDS_NUMBER or not isinstance(start, tirx.FloatImm):
        return None if op_name in NEEDS_NUMBER else start
    if math.isnan(start.value):
        return immediate(dtype_of(start), _INFINITIES[op_name])
    return start


@functools.cache
def register() -> None:
    """Teach TVM's reducer matching the reducers of ``COMBINERS``. Does it once a process."""
    for kind, infinity, limit in (
        ("max", -math.inf, tirx.min_value),
        ("min", math.inf, tirx.max_value),
    ):
        for suffix in ("numf", "imumf"):
            combine = COMBINERS[f"arith.{kind}{suffix}"]
            name = f"{kind}{suffix}"
            _add_reducer(f"{name}.inf", combine, functools.partial(_literal, infinity))
            _add_reducer(f"{name}.limit", combine, limit)


def _literal(value: float, dtype: str) -> Expr:
    return immediate(dtype, value)


def _add_reducer(name: str, combine: _Combine, identity: Callable[[str], Expr]) -> None:
    """TVM asks every reducer for any dtype; these are for floats, and give integers their max."""

    def combiner(totals: Any, values: Any) -> list[Expr]:
        floating = is_float(dtype_of(totals[0]))
        return [(combine if floating else tirx.Max)(totals[0], values[0])]

    def identities(values: Any) -> list[Expr]:
        dtype = dtype_of(values[0])
        return [identity(dtype) if is_float(dtype) else tirx.min_value(dtype)]

    tvm_ffi.get_global_func("s_tir.schedule.RegisterReducer")(
        1, _immortal(f"{name}.combiner", combiner), _immortal(f"{name}.identity", identities)
    )


def _immortal(name: str, function: Callable[..., Any]) -> Any:
    """A function that TVM may drop after the interpreter has ended.

    Its table of reducers is destroyed at exit, and freeing a Python function then crashes; what
    the table of global functions holds is never freed.
    """
    tvm_ffi.register_global_func(f"costmodel.reducer.{name}", function, override=True)
    return tvm_ffi.get_global_func(f"costmodel.reducer.{name}")
