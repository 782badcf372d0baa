"""Features of IREE schedules: one row a root operation, flags and tiling by value.

Sizes are logarithms to the base 2, so that a model sees ratios; loops are counted from the
innermost, since that is the one that vectors run along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2, prod

import numpy as np
from numpy.typing import NDArray

from costmodel.backends.iree.flags import FLAGS
from costmodel.backends.iree.roots import Root
from costmodel.backends.iree.schedules import LEVELS, PIPELINES, Settings, Tiling
from costmodel.backends.iree.versions import versions
from costmodel.records import Environment, Target

__all__ = ["feature_set", "features_of"]

_LAYOUT = "iree-3"
_LOOPS = 7
_CUTS = 8


def feature_set(target: Target) -> str:
    """The name of the features of modules that this toolchain makes for ``target``."""
    toolchain = Environment(dict(versions()), {}).toolchain
    return f"{_LAYOUT}/{toolchain[:16]}/{target.hash[:16]}"


def features_of(
    roots: Sequence[Root],
    cuts: Mapping[int, int],
    settings: Settings,
    flops: float,
    size_bytes: float,
) -> NDArray[np.float32]:
    """Shape (roots, width), float32; one row where there is no root.

    ``cuts`` are the bytes that go through memory if a kernel ends at an operation.
    """
    tilings = settings.tilings
    through = sum(cuts[place] for place in settings.cuts)
    shared = [*_flags(settings), log2(1 + flops), log2(1 + size_bytes), float(len(roots))]
    shared += [float(len(settings.cuts)), log2(1 + through), float(len(cuts))]
    # Which of them: what ends a kernel is a decision each, however many bytes it moves.
    bits = [float(place in settings.cuts) for place in sorted(cuts)[:_CUTS]]
    shared += bits + [0.0] * (_CUTS - len(bits))
    rows = [shared + _root(root, tilings.get(root.key)) for root in roots]
    if not rows:
        rows = [shared + [0.0] * _width()]
    return np.array(rows, dtype=np.float32)


def _flags(settings: Settings) -> list[float]:
    return [
        float(settings.flags.get(name) == value)
        for name, values in FLAGS.items()
        for value in values
    ]


def _root(root: Root, given: Tiling | None) -> list[float]:
    tiling = given or root.tiling
    levels = tiling.levels
    tiles = levels["distribution"]
    vectors = levels.get("vector_common_parallel", (0,) * len(root.loops))
    steps = levels.get("vector_reduction", (0,) * len(root.loops))
    counts = [-(-it.extent // s) for it, s in zip(root.loops, tiles, strict=True) if s]
    row = [
        float(given is not None),
        *(float(tiling.pipeline == name) for name in PIPELINES),
        _log(prod(loop.extent for loop in root.loops)),
        _log(prod(counts)),
        _log(prod(size or 1 for size in tiles)),
        _log(prod(size or 1 for size in vectors)),
        _log(prod(size or 1 for size in steps)),
        _log(root.element_bytes),
    ]
    row += _padded([_log(loop.extent) for loop in root.loops])
    row += _padded([float(loop.kind == "reduction") for loop in root.loops])
    for name in LEVELS:
        sizes = levels.get(name, ())
        row += _padded([_log(size) for size in sizes])
        # A tile that does not divide its loop leaves a remainder that is not vectorized.
        rests = [it.extent % size for it, size in zip(root.loops, sizes, strict=False) if size]
        row.append(float(sum(rest > 0 for rest in rests)))
    return row


def _width() -> int:
    return 1 + len(PIPELINES) + 6 + 2 * _LOOPS + len(LEVELS) * (_LOOPS + 1)


def _padded(values: Sequence[float]) -> list[float]:
    inner = list(reversed(values))[:_LOOPS]
    return inner + [-1.0] * (_LOOPS - len(inner))


def _log(size: float) -> float:
    return log2(size) if size > 0 else -1.0
