"""Which operations of an input the operations of its canonical form come from.

Every operation of the input is given a location that names its position, which MLIR's passes hand
on to what they make of it. Common subexpressions are merged into one of them, whose location the
result keeps; the others are found by numbering the input's values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping

from iree.compiler import ir

from costmodel.ir import attributes, walk

__all__ = ["find_sources", "find_twins", "tag"]

_PREFIX = "costmodel-input:"


def tag(module: ir.Module) -> None:
    """Give every operation a location that names its position and keeps the one it had."""
    with module.context:
        for place, op in enumerate(walk.operations(module.operation)):
            op.operation.location = ir.Location.name(f"{_PREFIX}{place}", op.operation.location)


def find_sources(
    canonical: ir.Module, twins: Mapping[int, tuple[int, ...]]
) -> dict[int, tuple[int, ...]]:
    """For each operation of a module made from a tagged one, the positions that it comes from.

    ``twins`` are operations of the tagged module that compute the same, by any one of them.
    """
    found = {}
    for place, op in enumerate(walk.operations(canonical.operation)):
        named = _names(op.operation.location)
        sources = sorted({twin for one in named for twin in twins.get(one, (one,))})
        if sources:
            found[place] = tuple(sources)
    return found


def find_twins(module: ir.Module, function: ir.OpView) -> dict[int, tuple[int, ...]]:
    """Operations in a function's body that compute the same, by position in the module.

    Two do if they are of one kind with the same operands, types and regions, and with the same
    attributes, as far as those matter.
    """
    body = function.regions[0].blocks[0]
    positions = {op.operation: n for n, op in enumerate(walk.operations(module.operation))}
    numbers: dict[ir.Value, Hashable] = {
        argument: ("argument", n) for n, argument in enumerate(body.arguments)
    }
    known: dict[Hashable, int] = {}
    groups: dict[int, list[int]] = defaultdict(list)
    for op in body.operations:
        number = known.setdefault(_key(op, numbers, 0), len(known))
        numbers.update({result: (number, n) for n, result in enumerate(op.results)})
        groups[number].append(positions[op.operation])
    return {one: tuple(group) for group in groups.values() for one in group if len(group) > 1}


def _key(op: ir.OpView, numbers: Mapping[ir.Value, Hashable], depth: int) -> Hashable:
    """What an operation computes, with its operands by number and its regions the same way."""
    inside = dict(numbers)
    regions: list[Hashable] = []
    for region in op.regions:
        for block in region.blocks:
            inside.update(
                {value: (depth, len(regions), n) for n, value in enumerate(block.arguments)}
            )
            for place, inner in enumerate(block.operations):
                regions.append(_key(inner, inside, depth + 1))
                inside.update({
                    value: ("inner", depth, place, n) for n, value in enumerate(inner.results)
                })  # fmt: skip
    said = sorted(set(op.attributes) - set(attributes.idle(op)))
    return (
        op.operation.name,
        tuple((name, str(op.attributes[name])) for name in said),
        tuple(str(result.type) for result in op.results),
        tuple(inside.get(value, ("unknown", id(op))) for value in op.operands),
        tuple(regions),
    )


def _names(location: ir.Location) -> list[int]:
    """The positions that a location names; what stands inside a name is the input's own."""
    location = ir.Location.from_attr(location.attr, location.context)
    if isinstance(location, ir.FusedLoc):
        return [name for one in location.locations for name in _names(one)]
    if isinstance(location, ir.CallSiteLoc):
        return _names(location.callee)
    if isinstance(location, ir.NameLoc) and location.name_str.startswith(_PREFIX):
        return [int(location.name_str.removeprefix(_PREFIX))]
    return []
