"""Random inputs and poisoned outputs for running a kernel, deterministic for a seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costmodel.dtypes import NUMPY_DTYPES
from costmodel.records import TensorType

__all__ = ["poisoned_outputs", "random_inputs"]

#: Bound of integer inputs that index nothing: sums of thousands of products stay inside i32.
_INTEGER_BOUND = 8


def random_inputs(
    types: Sequence[TensorType], seed: int, *, positive: bool = False
) -> list[NDArray[Any]]:
    """One array a type, of its shape (``()`` for a scalar) and element type.

    Floats are standard normal, or their absolute values with ``positive`` (for functions that
    have no value elsewhere, such as a logarithm or a variance). Integers lie in ``[-8, 8]``,
    or ``[0, 8]`` with ``positive``; those with an ``index_limit`` in ``[0, index_limit)``.
    Booleans are fair coins. Each input has its own PCG64 stream, spawned from ``seed``, so that
    its values do not depend on the shapes of those before it.
    """
    streams = np.random.SeedSequence(seed).spawn(len(types))
    return [
        _random(type_, np.random.Generator(np.random.PCG64(stream)), positive)
        for type_, stream in zip(types, streams, strict=True)
    ]


def poisoned_outputs(types: Sequence[TensorType]) -> list[NDArray[Any]]:
    """Arrays that no kernel would compute: NaN for floats, the least integer, True for i1."""
    return [
        np.full(type_.shape, _poison(type_.dtype), NUMPY_DTYPES[type_.dtype]) for type_ in types
    ]


def _random(type_: TensorType, generator: np.random.Generator, positive: bool) -> NDArray[Any]:
    dtype = NUMPY_DTYPES[type_.dtype]
    values: NDArray[Any]
    if type_.dtype == "i1":
        values = np.asarray(generator.integers(0, 2, type_.shape, np.int8))
    elif type_.index_limit is not None:
        values = np.asarray(generator.integers(0, type_.index_limit, type_.shape, np.int64))
    elif dtype.kind == "i":
        low = 0 if positive else -_INTEGER_BOUND
        values = np.asarray(generator.integers(low, _INTEGER_BOUND + 1, type_.shape, np.int64))
    else:
        wide = np.float64 if type_.dtype == "f64" else np.float32
        values = np.asarray(generator.standard_normal(type_.shape, wide))
        values = np.abs(values) if positive else values
    return values.astype(dtype, copy=False)


def _poison(dtype: str) -> float | int | bool:
    if dtype == "i1":
        return True
    kind = NUMPY_DTYPES[dtype]
    return int(np.iinfo(kind).min) if kind.kind == "i" else float("nan")
