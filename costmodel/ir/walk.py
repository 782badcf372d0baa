"""Small views of MLIR's object graph that the bindings do not offer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from iree.compiler import ir
from iree.compiler.dialects import linalg

__all__ = [
    "body_of",
    "cloned",
    "dialect_of",
    "indexing_maps",
    "init_count",
    "operations",
    "read_outside",
    "values_of",
]


def operations(root: ir.OpView | ir.Operation) -> Iterator[ir.OpView]:
    """Every operation inside ``root``, in textual order, ``root`` itself left out."""
    pending = _children(root)
    while pending:
        op = pending.pop()
        yield op
        pending += _children(op)


def values_of(op: ir.OpView | ir.Operation) -> Iterator[ir.Value]:
    """The results of ``op`` and the arguments of its blocks."""
    yield from op.results
    for region in op.regions:
        for block in region.blocks:
            yield from block.arguments


def dialect_of(op: ir.OpView) -> str:
    """``"arith"`` of ``arith.addf``."""
    return str(op.operation.name).partition(".")[0]


def body_of(op: ir.OpView) -> ir.Block | None:
    """The one block that a structured operation, named or generic, applies to each point."""
    if len(op.regions) != 1 or len(op.regions[0].blocks) != 1:
        return None
    return op.regions[0].blocks[0]


def indexing_maps(op: ir.OpView) -> list[ir.AffineMap] | None:
    """One map an operand of a structured operation; None for any other operation."""
    if dialect_of(op) != "linalg" or body_of(op) is None:
        return None
    maps = linalg.get_indexing_maps(op)
    return None if maps is None else [attribute.value for attribute in maps]


def init_count(op: ir.OpView) -> int:
    """How many of a structured operation's last operands are the inits (``outs``)."""
    if "operandSegmentSizes" in op.attributes:
        return int(list(op.attributes["operandSegmentSizes"])[-1])
    return len(op.operands) // 2 if op.operation.name == "linalg.reduce" else 1


def read_outside(op: ir.OpView | ir.Operation) -> list[ir.Value]:
    """What the operations inside ``op`` read that is made neither there nor by its blocks."""
    inner = list(operations(op))
    inside = {value for each in inner for value in values_of(each)} | set(values_of(op))
    return [value for each in inner for value in each.operands if value not in inside]


def cloned(op: ir.Operation, known: Mapping[ir.Value, ir.Value]) -> ir.Operation:
    """A copy that reads, it and what is inside it, the values that ``known`` gives for others."""
    copy = op.clone()
    for each in [copy, *(inner.operation for inner in operations(copy))]:
        for number, value in enumerate(each.operands):
            if value in known:
                each.operands[number] = known[value]
    return copy


def _children(op: ir.OpView | ir.Operation) -> list[ir.OpView]:
    found = [
        child for region in op.regions for block in region.blocks for child in block.operations
    ]
    return found[::-1]
