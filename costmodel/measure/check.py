"""Is a kernel's result the reference's? A comparison that knows how floating-point sums err.

Tolerance. With ``u`` the unit roundoff of the arithmetic (half the machine epsilon), a sum of
``n`` terms differs from the same sum in another order by at most about ``2 n u`` times the sum
of the terms' magnitudes (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed.,
section 4.2). Roundings are as good as independent on random data, so that what is seen grows
with ``sqrt(n) u`` (Higham and Mary, "A New Approach to Probabilistic Rounding Error Analysis",
2019). Four times that is granted, and never less than what approximated transcendental functions
and a few chained operations need: 256 ``u`` in f32 and f64, 8 ``u`` in f16 and bf16, where
functions are evaluated in wider arithmetic and rounded once.

A result near zero is a sum whose terms cancelled and carries the error of the terms, which
the result does not show. Errors are therefore taken relative to ``|expected| + scale``, where
``scale`` is the mean magnitude of that output: with random inputs the elements of an output are
alike. An error of 5% of that is never accepted, whatever the type.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costmodel.dtypes import NUMPY_DTYPES
from costmodel.errors import BackendError
from costmodel.ir.analysis import Analysis

__all__ = [
    "CheckResult",
    "WrongResultError",
    "compare",
    "compute_dtype",
    "reduction_length",
    "tolerance",
]

_UNIT_ROUNDOFF: Mapping[str, float] = {
    "f64": 2.0**-53,
    "f32": 2.0**-24,
    "f16": 2.0**-11,
    "bf16": 2.0**-8,
}
_FLOOR_IN_ROUNDOFFS: Mapping[str, float] = {"f64": 256.0, "f32": 256.0, "f16": 8.0, "bf16": 8.0}
_GROWTH = 4.0
_CEILING = 0.05
_MLIR_NAMES = {dtype: name for name, dtype in NUMPY_DTYPES.items()}


class WrongResultError(BackendError):
    """A kernel computes something else than the reference."""


@dataclass(frozen=True)
class CheckResult:
    """``max_error`` is the largest error relative to ``|expected| + scale``; 0 for integers.

    ``message`` is empty for a full agreement. On a failure it names the worst element; with
    ``ok`` it says what could not be checked.
    """

    ok: bool
    max_error: float
    message: str = ""


def reduction_length(analysis: Analysis) -> int:
    """Terms that go into one element of the result: the ops' reduction extents, chained.

    An op sums over the product of its reduction loops; errors of ops one after the other add to
    first order, so their lengths do. At least 1.
    """
    lengths = (
        math.prod(loop.extent for loop in op.loops if loop.kind == "reduction")
        for op in analysis.ops
        if any(loop.kind == "reduction" for loop in op.loops)
    )
    return max(1, sum(lengths))


def compute_dtype(analysis: Analysis) -> str | None:
    """The coarsest float type that arithmetic is done in; None where there is no float."""
    used = [dtype for dtype, _ in analysis.flops_by_dtype if dtype in _UNIT_ROUNDOFF]
    return max(used, key=_UNIT_ROUNDOFF.__getitem__, default=None)


def tolerance(output_dtype: str, *, reduction_length: int, dtype: str | None = None) -> float:
    """The largest accepted error, relative to ``|expected| + scale``; see the module's docstring.

    ``dtype`` is the type of the arithmetic, by default the output's. Its errors grow with the
    length; an output that is narrower than its accumulator is rounded only once.
    """
    inner = dtype if dtype is not None and dtype in _UNIT_ROUNDOFF else output_dtype
    floor = max(_FLOOR_IN_ROUNDOFFS[kind] * _UNIT_ROUNDOFF[kind] for kind in (inner, output_dtype))
    growth = _GROWTH * math.sqrt(reduction_length) * _UNIT_ROUNDOFF[inner]
    return min(_CEILING, max(floor, growth))


def compare(
    actual: Sequence[NDArray[Any]],
    expected: Sequence[NDArray[Any]],
    *,
    reduction_length: int,
    dtype: str | None = None,
) -> CheckResult:
    """Compare all outputs of a kernel with the reference's.

    ``reduction_length`` and ``dtype`` say how the numbers came about; the functions of this
    module derive both from an Analysis. Integers and booleans must be equal. Where the reference
    is NaN or infinite the actual value must be the same, and nowhere else may it be: poison
    that is left over in an output is an error. The first failing output is reported.
    """
    if len(actual) != len(expected):
        return CheckResult(False, math.inf, f"{len(actual)} outputs, expected {len(expected)}")
    worst, notes = 0.0, []
    for number, (got, want) in enumerate(zip(actual, expected, strict=True)):
        result = _compare_output(number, got, want, reduction_length, dtype)
        if not result.ok:
            return result
        worst = max(worst, result.max_error)
        if result.message:
            notes.append(result.message)
    return CheckResult(True, worst, "; ".join(notes))


def _compare_output(
    number: int, got: NDArray[Any], want: NDArray[Any], length: int, dtype: str | None
) -> CheckResult:
    if got.shape != want.shape or got.dtype != want.dtype:
        return CheckResult(
            False, math.inf, f"output {number} is {_type(got)}, expected {_type(want)}"
        )
    name = _MLIR_NAMES.get(want.dtype)
    if name is None or name not in _UNIT_ROUNDOFF:
        return _compare_exactly(number, got, want)
    bound = tolerance(name, reduction_length=length, dtype=dtype)
    return _compare_floats(number, got, want, bound)


def _compare_exactly(number: int, got: NDArray[Any], want: NDArray[Any]) -> CheckResult:
    wrong = np.asarray(got != want)
    if not wrong.any():
        return CheckResult(True, 0.0)
    return CheckResult(False, math.inf, _mismatch(number, got, want, wrong, int(wrong.argmax())))


def _compare_floats(
    number: int, got: NDArray[Any], want: NDArray[Any], bound: float
) -> CheckResult:
    wide_got, wide_want = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(wide_want)
    special = np.asarray(
        ~finite & ~((wide_got == wide_want) | (np.isnan(wide_got) & np.isnan(wide_want)))
    )
    broken = np.asarray(special | (finite & ~np.isfinite(wide_got)))
    if broken.any():
        message = _mismatch(number, got, want, broken, int(broken.argmax()))
        return CheckResult(False, math.inf, message)
    if not finite.any():
        note = f"output {number} of the reference has no finite value, so nothing was compared"
        return CheckResult(True, 0.0, note if want.size else "")
    errors = _relative_errors(wide_got, wide_want, finite)
    worst = float(errors.max())
    if worst <= bound:
        return CheckResult(True, worst)
    wrong = np.asarray(errors > bound)
    place = _mismatch(number, got, want, wrong, int(errors.argmax()))
    return CheckResult(False, worst, f"{place}; error {worst:.2g} of scale, accepted {bound:.2g}")


def _relative_errors(
    got: NDArray[np.float64], want: NDArray[np.float64], finite: NDArray[np.bool_]
) -> NDArray[np.float64]:
    magnitude = np.where(finite, np.abs(want), 0.0)
    # An output that is zero throughout says nothing of its scale; that of the inputs is 1.
    scale = float(magnitude.sum() / finite.sum()) or 1.0
    difference = np.subtract(got, want, where=finite, out=np.zeros_like(want))
    return np.asarray(np.abs(difference) / (magnitude + scale))


def _mismatch(
    number: int, got: NDArray[Any], want: NDArray[Any], wrong: NDArray[np.bool_], flat: int
) -> str:
    index = tuple(int(i) for i in np.unravel_index(flat, want.shape))
    where = f"[{', '.join(map(str, index))}]" if index else ""
    return (
        f"output {number}{where} is {got[index]!s}, expected {want[index]!s} "
        f"({int(wrong.sum())} of {want.size} elements wrong)"
    )


def _type(array: NDArray[Any]) -> str:
    return "x".join([*map(str, array.shape), _MLIR_NAMES.get(array.dtype, str(array.dtype))])
