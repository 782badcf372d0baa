"""IREE's schedules as choices: flags, tile sizes by level and loop, and where kernels end."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan, prod

from iree.compiler import ir

from costmodel.backends.choices import Axis, Choice, Operand, Site
from costmodel.backends.iree.pointwise import is_pointwise, matmul_loops
from costmodel.backends.iree.schedules import Settings, Tiling, parse_schedule
from costmodel.backends.tiles import Tiles
from costmodel.errors import UnsupportedError
from costmodel.ir import parse, walk
from costmodel.ir.structured import is_structured, iteration_space, structured_flops
from costmodel.records import DTYPE_BYTES, Schedule, Target, Workload

__all__ = ["IREEChoices"]

#: Levels of a tiling by the tiles that they make: each is cut from the one before.
_TILES = (
    ("task", ("distribution",)),
    ("block", ("cache_parallel", "cache_reduction")),
    ("register", ("vector_common_parallel", "vector_reduction", "vector_inner_parallel")),
)


class IREEChoices:
    """Schedules of a workload as choices at its structured operations; a ``ChoiceReader``.

    IREE may tile any of these, or end a kernel with it. There are no sites where one of them
    cannot be read.
    """

    def __init__(self, workload: Workload, target: Target) -> None:
        try:
            self.sites = _sites(workload)
        except UnsupportedError:
            self.sites = ()
        self._tiles_of = Tiles(
            self.sites, vector_bytes=target.vector_bytes or 16, threads=target.threads
        )
        self._places = {site.place: number for number, site in enumerate(self.sites)}

    def choices(self, schedule: Schedule) -> list[Choice]:
        """The choices of a schedule. Raises UsageError for a text that is none."""
        settings = parse_schedule(schedule)
        found = [Choice("default" if settings == Settings() else "iree")]
        found += [_flag(name, value) for name, value in sorted(settings.flags.items())]
        for key, tiling in settings.tilings.items():
            site = self._places.get(key, -1) if isinstance(key, int) else -1
            found += _tiling(tiling, site)
            if site >= 0:
                found += self._tiles(tiling, site)
        cuts = sorted(settings.cuts)
        return found + [Choice("cut", nan, self._places.get(cut, -1)) for cut in cuts]

    def _tiles(self, tiling: Tiling, place: int) -> list[Choice]:
        """The tiles of each level that is given; a size of 0 leaves the loop as it is."""
        found, sizes = [], list(self.sites[place].extents)
        for word, levels in _TILES:
            given = [tiling.levels[level] for level in levels if level in tiling.levels]
            if any(len(one) != len(sizes) for one in given):
                return []
            for one in given:
                pairs = zip(one, sizes, strict=True)
                sizes = [min(size, outer) if size else outer for size, outer in pairs]
            if given:
                parallel = True if word == "task" else None
                found.append(self._tiles_of.choice(word, place, sizes, parallel=parallel))
        return found


def _sites(workload: Workload) -> tuple[Site, ...]:
    module = parse.parse_trusted(workload.text)
    return tuple(
        _site(op, place)
        for place, op in enumerate(walk.operations(module.operation))
        if is_structured(op) and len(op.results) == 1
    )


def _flag(name: str, value: str) -> Choice:
    try:
        return Choice(name, float(value))
    except ValueError:
        return Choice(f"{name}={value}")


def _tiling(tiling: Tiling, site: int) -> list[Choice]:
    """A size of 0 does not tile its loop, and says nothing."""
    found = [Choice(tiling.pipeline, nan, site)]
    for level, sizes in tiling.levels.items():
        found += [Choice(level, float(size), site, axis) for axis, size in enumerate(sizes) if size]
    return found


def _site(op: ir.OpView, place: int) -> Site:
    loops = matmul_loops(op) if is_pointwise(op) else iteration_space(op)
    maps = [] if is_pointwise(op) else list(walk.indexing_maps(op) or ())
    reads, stores = maps[: len(maps) - walk.init_count(op)], maps[len(maps) - 1 :]
    axes = []
    for axis, loop in enumerate(loops):
        strides = [_stride(read, axis) for read in reads]
        axes.append(
            Axis(
                extent=loop.extent,
                reduction=loop.kind == "reduction",
                contiguous=sum(stride == 1 for stride in strides),
                strided=sum(stride not in (0, 1) for stride in strides),
                invariant=sum(stride == 0 for stride in strides),
                stores=_stride(stores[0], axis) if stores else None,
            )
        )
    kind = op.results[0].type
    flops = structured_flops(op).total() / max(1, prod(loop.extent for loop in loops))
    inner = [each.operation.name for each in walk.operations(op)]
    return Site(
        op.operation.name, tuple(axes), DTYPE_BYTES.get(str(kind.element_type), 1), place,
        loads=len(op.operands) - walk.init_count(op), operations=round(flops),
        calls=sum(name.startswith("math.") for name in inner),
        operands=_operands(op, [*reads, *stores]),
    )  # fmt: skip


def _operands(op: ir.OpView, maps: Sequence[ir.AffineMap]) -> tuple[Operand, ...]:
    values = [*op.operands][: len(maps) - 1]
    kinds = [value.type for value in values] + [op.results[0].type]
    return tuple(
        Operand(
            DTYPE_BYTES.get(str(getattr(kind, "element_type", kind)), 1),
            tuple(_steps(result) for result in access.results),
        )
        for kind, access in zip(kinds, maps, strict=False)
    )


def _steps(expression: ir.AffineExpr, scale: int = 1) -> dict[int, int]:
    """By how many elements each axis moves along a dimension; what is not linear, by one."""
    if isinstance(expression, ir.AffineDimExpr):
        return {int(expression.position): scale}
    if isinstance(expression, ir.AffineMulExpr) and isinstance(
        expression.rhs, ir.AffineConstantExpr
    ):
        return _steps(expression.lhs, scale * int(expression.rhs.value))
    if isinstance(expression, ir.AffineConstantExpr | ir.AffineSymbolExpr):
        return {}
    return _steps(expression.lhs, scale) | _steps(expression.rhs, scale)


def _stride(access: ir.AffineMap, axis: int) -> int:
    """1 along the innermost dimension, 2 (for more) along another, 0 where nothing moves."""
    results = list(access.results)
    moved = [place for place, result in enumerate(results) if _mentions(result, axis)]
    if not moved:
        return 0
    innermost = moved[-1] == len(results) - 1 and isinstance(results[-1], ir.AffineDimExpr)
    return 1 if innermost else 2


def _mentions(expression: ir.AffineExpr, axis: int) -> bool:
    if isinstance(expression, ir.AffineDimExpr):
        return bool(expression.position == axis)
    if isinstance(expression, ir.AffineConstantExpr | ir.AffineSymbolExpr):
        return False
    return _mentions(expression.lhs, axis) or _mentions(expression.rhs, axis)
