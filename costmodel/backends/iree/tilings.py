"""Tilings of one root operation: random ones, neighbours, and which are worth compiling.

IREE's own tiling is where all start from. Sizes are chosen level by level: vectors are at most the
tile that they are in, and what a vector tile holds is bounded, since IREE unrolls it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from math import prod

from costmodel.backends.iree.roots import Root
from costmodel.backends.iree.schedules import PIPELINES, Tiling

__all__ = ["guessed_tilings", "mutated_tiling", "random_tiling", "valid_tiling"]

#: Vector registers that the accumulators of one tile may take at the most; IREE spills the rest.
_MOST_VECTORS = 64
_SIZES = (1, 2, 3, 4, 6, 7, 8, 12, 14, 16, 24, 28, 32, 48, 56, 64, 96, 128, 192, 256, 512)
_TRIES = 16
#: Pipelines that tile an operation on tensors, and how often another than IREE's own is tried.
_PIPELINES = tuple(name for name in PIPELINES if name != "BufferOpsTileAndVectorize")
_PIPELINE_SHARE = 0.08

_Levels = dict[str, tuple[int, ...]]


def valid_tiling(root: Root, tiling: Tiling, vector_bytes: int) -> bool:
    """Whether a tiling has a size for every loop, vectors inside tiles, and tiles that fit."""
    if tiling == root.tiling:
        return True
    levels = tiling.levels
    if "distribution" not in levels or any(len(s) != len(root.loops) for s in levels.values()):
        return False
    if not any(name.startswith("vector") for name in levels):
        return False
    for place, loop in enumerate(root.loops):
        outer = levels["distribution"][place]
        if any(sizes[place] > loop.extent for sizes in levels.values()):
            return False
        if loop.kind == "reduction" and outer:
            return False
        inner = levels.get("vector_common_parallel", ())
        if inner and outer and inner[place] > outer:
            return False
    lanes = max(1, vector_bytes // root.element_bytes)
    vectors = levels.get("vector_common_parallel", (1,))
    if prod(size for size in vectors if size) > _MOST_VECTORS * lanes:
        return False
    # Where no loop fills a register, IREE makes scalars of all: minutes of compiling, slow code.
    widest = max(max(sizes) for name, sizes in levels.items() if name.startswith("vector"))
    return widest >= min(lanes, max(loop.extent for loop in root.loops))


def guessed_tilings(root: Root, vector_bytes: int) -> list[Tiling]:
    """IREE's own with wider vectors, longer and shorter reduction steps, and larger tiles.

    Of a convolution first its own as it is: tiled at all, it is written as a matrix product.
    """
    lanes = max(1, vector_bytes // root.element_bytes)
    parallel = [place for place, loop in enumerate(root.loops) if loop.kind == "parallel"]
    own = dict(root.tiling.levels)
    guesses: list[_Levels] = []
    if parallel and "vector_common_parallel" in own:
        for vectors in (1, 2, 4):
            sizes = list(own["vector_common_parallel"])
            last = parallel[-1]
            sizes[last] = min(vectors * lanes, root.loops[last].extent)
            guesses.append(own | {"vector_common_parallel": tuple(sizes)})
            if len(parallel) > 1:
                sizes[parallel[-2]] = min(4, root.loops[parallel[-2]].extent)
                guesses.append(own | {"vector_common_parallel": tuple(sizes)})
    for step in (1, 4):
        if "vector_reduction" in own:
            sizes = [min(size, step) for size in own["vector_reduction"]]
            guesses += [guess | {"vector_reduction": tuple(sizes)} for guess in [own, *guesses[:2]]]
    if root.name.startswith("linalg.conv"):
        guesses.insert(0, own)
    found = [Tiling(root.tiling.pipeline, _repaired(root, dict(guess))) for guess in guesses]
    return [tiling for tiling in found if valid_tiling(root, tiling, vector_bytes)]


def random_tiling(root: Root, vector_bytes: int, rng: random.Random) -> Tiling:
    """Fresh sizes of every level that IREE uses, or some steps away from its own choice."""
    for _ in range(_TRIES):
        if rng.random() < 0.5:
            levels = dict(root.tiling.levels)
            for _ in range(rng.choice((1, 2, 3))):
                levels = _step(root, levels, rng)
        else:
            levels = {name: _fresh(root, name, rng) for name in root.tiling.levels}
        if rng.random() < 0.25:
            levels |= _cache_levels(root, rng)
        pipeline = (
            root.tiling.pipeline if rng.random() > _PIPELINE_SHARE else rng.choice(_PIPELINES)
        )
        tiling = Tiling(pipeline, _repaired(root, levels))
        if valid_tiling(root, tiling, vector_bytes):
            return tiling
    return root.tiling


def mutated_tiling(
    root: Root, tiling: Tiling, vector_bytes: int, rng: random.Random
) -> Tiling | None:
    """A valid tiling that differs in one decision, if one was found."""
    for _ in range(_TRIES):
        if rng.random() < _PIPELINE_SHARE:
            other = Tiling(rng.choice(_PIPELINES), tiling.levels)
        else:
            levels = _repaired(root, _step(root, dict(tiling.levels), rng))
            other = Tiling(tiling.pipeline, levels)
        if other != tiling and valid_tiling(root, other, vector_bytes):
            return other
    return None


def _step(root: Root, levels: _Levels, rng: random.Random) -> _Levels:
    """Another size for one loop of one level, a neighbour more often than not."""
    name = rng.choice(list(levels))
    places = [place for place in range(len(root.loops)) if _options(root, name, place)]
    if not places:
        return levels
    place = rng.choice(places)
    options = _options(root, name, place)
    now = levels[name][place]
    near = [size for size in options if size != now and now / 2 <= size <= 2 * now]
    chosen = rng.choice(near if near and rng.random() < 0.7 else options)
    sizes = list(levels[name])
    sizes[place] = chosen
    return levels | {name: tuple(sizes)}


def _fresh(root: Root, name: str, rng: random.Random) -> tuple[int, ...]:
    options = [_options(root, name, place) for place in range(len(root.loops))]
    return tuple(rng.choice(sizes) if sizes else 0 for sizes in options)


def _cache_levels(root: Root, rng: random.Random) -> _Levels:
    return {name: _fresh(root, name, rng) for name in ("cache_parallel", "cache_reduction")}


def _options(root: Root, name: str, place: int) -> tuple[int, ...]:
    """Sizes of a loop at a level; empty where the level has nothing to say about the loop."""
    loop = root.loops[place]
    parallel = loop.kind == "parallel"
    if parallel != (name not in ("cache_reduction", "vector_reduction")) or loop.extent == 1:
        return ()
    most = 64 if name.startswith("vector") else 512
    sizes = [size for size in _SIZES if size <= min(loop.extent, most)]
    if name == "distribution":
        sizes += [loop.extent] + [-(-loop.extent // 2)] * (loop.extent > 3)
    return tuple(dict.fromkeys(sizes))


def _repaired(root: Root, levels: Mapping[str, tuple[int, ...]]) -> _Levels:
    """The same with every inner tile inside its outer one, and whole dimensions of one as IREE's.

    A level says 0 for the loops that it leaves alone, and 1 for parallel loops of extent one.
    """
    repaired = dict(levels)
    outer = repaired["distribution"]
    for name in ("cache_parallel", "vector_common_parallel"):
        if name in repaired:
            pairs = zip(repaired[name], outer, strict=True)
            outer = tuple(min(size, limit) if limit else size for size, limit in pairs)
            repaired[name] = outer
    own = root.tiling.levels
    for name, sizes in repaired.items():
        if name in own:
            repaired[name] = tuple(
                mine if loop.extent == 1 else size
                for size, mine, loop in zip(sizes, own[name], root.loops, strict=True)
            )
    return repaired
