"""The layout of MetaSchedule's per-store features, and what models compute from them.

One row describes one written buffer of the scheduled program (its last store that is not a
constant), in 164 columns. Counts and sizes are scaled as ``log2(1 + |x|)``; the one-hot columns
are 0 or 1. Source: ``per_store_feature.cc`` of Apache TVM, with five buffers a store and ten
samples of the intensity curve; the groups are those of Ansor (Zheng et al., OSDI 2020), appendix.

| columns   | group     | meaning |
| --------- | --------- | ------- |
| 0-15      | ops       | operations of all iterations, by type: ``OPERATIONS`` |
| 16-26     | vectorize | loops of that kind: number, product, innermost length, position (8) |
| 27-37     | unroll    | the same for unrolled loops |
| 38-48     | parallel  | the same for parallel loops |
| 49-56     | gpu       | is GPU, extents of blockIdx, threadIdx and vthread |
| 57-146    | buffers   | five times ``BUFFER``, by falling number of touched cache lines |
| 147-156   | curve     | FLOP per touched byte of the loops up to 10%, 20% ... of all operations |
| 157-160   | alloc     | bytes, elements times outer loops, outer loops, inner loops |
| 161-163   | outer     | iterations, number of loops, ``auto_unroll_max_step`` |
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from costmodel.backends.base import Features

__all__ = [
    "BUFFER",
    "BUFFERS",
    "COLUMNS",
    "OPERATIONS",
    "OUTER",
    "WIDTH",
    "Stores",
    "unscale",
]

Array = NDArray[np.float64]

OPERATIONS = (
    "float_mad", "float_add_sub", "float_mul", "float_div_mod", "float_cmp", "float_math_func",
    "float_other_func", "int_mad", "int_add_sub", "int_mul", "int_div_mod", "int_cmp",
    "int_math_func", "int_other_func", "bool_op", "select_op",
)  # fmt: skip
_POSITIONS = (
    "none", "inner_spatial", "middle_spatial", "outer_spatial",
    "inner_reduce", "middle_reduce", "outer_reduce", "mixed",
)  # fmt: skip
_LOOP_KIND = ("num", "prod", "len", *(f"at_{p}" for p in _POSITIONS))
_GPU = (
    "is_gpu", "blockIdx_x", "blockIdx_y", "blockIdx_z",
    "threadIdx_x", "threadIdx_y", "threadIdx_z", "vthread",
)  # fmt: skip
#: Columns of one accessed buffer. ``lines`` are cache lines touched by all iterations, ``unique``
#: counts each once; the reuse distance is what is touched between two uses of the same element.
BUFFER = (
    "is_read", "is_write", "is_read_write", "bytes", "unique_bytes", "lines", "unique_lines",
    "reuse_loop", "reuse_serial", "reuse_none", "reuse_iterations", "reuse_bytes", "reuse_count",
    "bytes_per_reuse", "unique_bytes_per_reuse", "lines_per_reuse", "unique_lines_per_reuse",
    "stride",
)  # fmt: skip
BUFFERS = 5
_CURVE_SAMPLES = 10

_BUFFERS_START = 57
_CURVE_START = _BUFFERS_START + BUFFERS * len(BUFFER)
OUTER = _CURVE_START + _CURVE_SAMPLES + 4
WIDTH = OUTER + 3

#: A name for every column, in order.
COLUMNS: tuple[str, ...] = (
    *OPERATIONS,
    *(f"{kind}.{n}" for kind in ("vectorize", "unroll", "parallel") for n in _LOOP_KIND),
    *_GPU,
    *(f"buffer{i}.{n}" for i in range(BUFFERS) for n in BUFFER),
    *(f"curve{i}" for i in range(_CURVE_SAMPLES)),
    *("alloc.bytes", "alloc.prod", "alloc.outer", "alloc.inner"),
    *("outer.prod", "outer.loops", "outer.auto_unroll"),
)

#: What one operation costs in units of a multiply or add: divisions are some 5 times slower, a
#: library call for a transcendental function is scalar.
_FLOAT_COST = np.array([2, 1, 1, 5, 1, 20, 20], dtype=np.float64)
_INT_COST = np.array([2, 0.5, 0.5, 10, 0.5, 20, 20, 0.5, 1], dtype=np.float64)


def unscale(values: NDArray[np.floating]) -> Array:
    """The counts behind scaled columns: the inverse of ``log2(1 + x)``."""
    return np.asarray(np.exp2(np.asarray(values, np.float64)) - 1.0, dtype=np.float64)


@dataclass(frozen=True)
class Stores:
    """The stores of many candidates in one table, with the counts unscaled.

    Arrays have one entry a store, those over buffers shape (stores, 5); ``starts`` has the first
    row of each candidate. Candidates have at least one row: an empty one gets a row of zeros.
    """

    rows: Features
    starts: NDArray[np.intp]

    @classmethod
    def of(cls, features: list[Features]) -> Stores:
        """Table of the candidates' features, each float32 of shape (stores, 164)."""
        filled = [f if len(f) else np.zeros((1, WIDTH), np.float32) for f in features]
        lengths = np.array([len(f) for f in filled], dtype=np.intp)
        rows = np.concatenate(filled) if filled else np.zeros((0, WIDTH), np.float32)
        return cls(rows, np.asarray(np.cumsum(lengths) - lengths, dtype=np.intp))

    def column(self, name: str) -> Array:
        """Unscaled values of a column, by its name in ``COLUMNS``; shape (stores,)."""
        return unscale(self.rows[:, COLUMNS.index(name)])

    def buffers(self, name: str) -> Array:
        """Unscaled values of a column of ``BUFFER`` for each buffer; shape (stores, 5)."""
        first = _BUFFERS_START + BUFFER.index(name)
        return unscale(self.rows[:, first : first + BUFFERS * len(BUFFER) : len(BUFFER)])

    def work(self) -> Array:
        """Operations of each store weighted by what they cost; shape (stores,).

        Integer operations count only where there are no others: besides floating-point ones they
        are index arithmetic, which compilers hoist and strengthen away.
        """
        counts = unscale(self.rows[:, : len(OPERATIONS)])
        # Padding is a call as well (``if_then_else``), recognizable by having no arithmetic.
        bare = counts[:, :5].sum(axis=1) == 0
        floating = np.where(bare, 2 * counts[:, :7].sum(axis=1), counts[:, :7] @ _FLOAT_COST)
        integer = counts[:, 7:] @ _INT_COST
        return np.asarray(np.where(floating > 0, floating, integer), dtype=np.float64)

    def total(self, per_store: Array) -> Array:
        """Sum over the stores of each candidate; shape (candidates,)."""
        if not len(self.starts):
            return np.zeros(0)
        return np.asarray(np.add.reduceat(per_store, self.starts), dtype=np.float64)
