"""What a tile of a loop nest holds and moves, from its sizes alone.

The numbers that tell good tilings from bad ones: bytes touched by a tile and moved in all where
each tile is read anew, points that stay in registers, how evenly the tiles divide among threads
(touched bytes and reuse in Zheng et al., "Ansor", OSDI 2020, appendix B). Networks that add up
choices hardly find such products by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2, prod

from costmodel.backends.choices import Choice, Site

__all__ = ["TILE_WIDTH", "Tiles", "tile_choice"]

#: Numbers of ``Choice.about``.
TILE_WIDTH = 11
_LINE_BYTES = 64
_KEPT = 4096


class Tiles:
    """Tiles of the sites of one workload on one target; a search's schedules have many in common.

    ``vector_bytes`` and ``threads`` are the target's.
    """

    def __init__(self, sites: Sequence[Site], *, vector_bytes: int, threads: int) -> None:
        self._sites, self._vector_bytes, self._threads = sites, vector_bytes, threads
        self._known: dict[tuple[str, int, tuple[int, ...], bool | None], Choice] = {}

    def choice(
        self, word: str, place: int, sizes: Sequence[int], *, parallel: bool | None = None
    ) -> Choice:
        """As ``tile_choice``."""
        key = (word, place, tuple(sizes), parallel)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            found = self._known[key] = tile_choice(
                word, place, self._sites[place], sizes,
                vector_bytes=self._vector_bytes, threads=self._threads, parallel=parallel,
            )  # fmt: skip
        return found


def tile_choice(
    word: str, place: int, site: Site, sizes: Sequence[int], *,
    vector_bytes: int, threads: int, parallel: bool | None = None,
) -> Choice:  # fmt: skip
    """A level of tiling as a choice about the site at ``place``.

    ``sizes`` are those of the tile, one an axis; ``parallel`` says whether the tiles are what
    threads share, and if so whether they do; None where it is another level. The value is the
    bytes that a tile touches; ``about`` are logarithms, scaled: of points that are stored and of
    those summed into each, of the largest operand's bytes, of bytes moved over those of all
    operands and over points, of the number of tiles, of what the busiest thread does over its fair
    share, of points computed over those wanted, of the bytes that lie side by side, and of vectors
    that hold the result.
    """
    counts = [-(-extent // size) for extent, size in zip(site.extents, sizes, strict=True)]
    points = prod([sizes[axis] for axis in site.stored])
    tiles = prod([counts[axis] for axis in site.stored])
    size, count = prod(sizes), prod(counts)
    each = [operand.bytes(sizes) for operand in site.operands]
    touched = sum(each) or site.element_bytes * points
    moved = touched * count
    shares = threads if parallel else 1
    busiest = -(-tiles // shares) * threads / tiles if parallel is not None else 1.0
    run = prod([sizes[axis] for axis in site.stored if site.axes[axis].stores == 1])
    return Choice(word, float(touched), place, -1, (
        1.0, log2(points) / 8, log2(size / points) / 8, log2(max(each, default=touched)) / 16,
        log2(moved / (site.bytes or moved)) / 8, log2(moved / site.points) / 4,
        log2(tiles) / 8, log2(busiest), log2(size * count / site.points),
        log2(run * site.element_bytes / _LINE_BYTES) / 4,
        log2(points * site.element_bytes / vector_bytes) / 4,
    ))  # fmt: skip
