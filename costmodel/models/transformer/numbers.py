"""Numbers by value: what a network sees of a size, a factor or a constant.

Sizes matter by ratio and by what divides them, so a number is its logarithm and which small
numbers divide it, and not a word: a model then says something of sizes that it never saw.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["WIDTH", "log_size", "number_features"]

#: Columns of ``number_features``.
WIDTH = 14
_MOST_TWOS = 8
_ODD = (3, 5, 7)
#: Sizes of tiles and vectors: what is left over costs a loop or a mask of its own.
_TILES = (8, 16, 32, 64)


def number_features(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Shape (n, WIDTH): known, magnitude, sign, is 0, is 1, factors of two, is no integer, whether
    3, 5 and 7 divide it, and which share of a tile is left over.

    NaN stands for no number: a row of zeros.
    """
    known = np.isfinite(values)
    v = np.where(known, values, 0.0)
    size = np.abs(v)
    whole = (size == np.floor(size)) & (size < 2.0**53)
    table = np.stack([
        known, log_size(size) / 8, v < 0, known & (v == 0), v == 1,
        np.where(whole & (size > 0), _twos(size) / _MOST_TWOS, 0.0), ~whole,
        *(whole & (size > 0) & (np.mod(size, odd) == 0) for odd in _ODD),
        *(np.where(whole, np.mod(size, tile) / tile, 0.0) for tile in _TILES),
    ], axis=-1)  # fmt: skip
    return table.astype(np.float32)


def log_size(size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm to the base 2 of 1 + size."""
    return np.asarray(np.log2(1.0 + size))


def _twos(size: NDArray[np.float64]) -> NDArray[np.float64]:
    integers = np.where(size < 2.0**53, size, 0.0).astype(np.int64)
    lowest = integers & -integers
    with np.errstate(divide="ignore"):
        exponent = np.log2(np.maximum(lowest, 1).astype(np.float64))
    return np.asarray(np.minimum(exponent, _MOST_TWOS))
