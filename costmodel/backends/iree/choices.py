"""IREE's schedules as choices: flags, tile sizes by level and loop, and where kernels end."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan, prod

from iree.compiler import ir

from costmodel.backends.choices import Axis, Choice, Site
from costmodel.backends.iree.pointwise import is_pointwise, matmul_loops
from costmodel.backends.iree.schedules import Tiling, parse_schedule
from costmodel.ir import parse, walk
from costmodel.ir.structured import is_structured, iteration_space, structured_flops
from costmodel.records import DTYPE_BYTES, Schedule, Workload

__all__ = ["choices_of", "sites_of"]


def sites_of(workload: Workload) -> tuple[Site, ...]:
    """The structured operations, any of which IREE may tile or end a kernel with."""
    module = parse.parse_trusted(workload.text)
    return tuple(
        _site(op, place)
        for place, op in enumerate(walk.operations(module.operation))
        if is_structured(op) and len(op.results) == 1
    )


def choices_of(schedule: Schedule, sites: Sequence[Site]) -> list[Choice]:
    """The choices of a schedule. Raises UsageError for a text that is none."""
    settings = parse_schedule(schedule)
    places = {site.place: number for number, site in enumerate(sites)}
    found = [Choice("default" if not settings.tilings and not settings.flags else "iree")]
    found += [_flag(name, value) for name, value in sorted(settings.flags.items())]
    for key, tiling in settings.tilings.items():
        found += _tiling(tiling, places.get(key, -1) if isinstance(key, int) else -1)
    return found + [Choice("cut", nan, places.get(cut, -1)) for cut in sorted(settings.cuts)]


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
    )  # fmt: skip


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
