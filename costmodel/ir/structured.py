"""Structured (linalg) operations: iteration space and FLOPs of the body."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from iree.compiler import ir

from costmodel.ir import walk
from costmodel.ir.analysis import Loop
from costmodel.ir.costs import op_cost

__all__ = ["Flops", "is_structured", "iteration_space", "scalar_flops", "structured_flops"]

#: FLOPs by element type.
Flops = Counter[str]


def is_structured(op: ir.OpView) -> bool:
    """Whether ``op`` applies a body, written or implied, to each point of an iteration space."""
    return op.operation.name == "linalg.softmax" or walk.indexing_maps(op) is not None


def iteration_space(op: ir.OpView) -> tuple[Loop, ...]:
    """The loops of a structured operation, outermost first."""
    if op.operation.name == "linalg.softmax":
        reduced = int(op.attributes["dimension"])
        shape = op.operands[0].type.shape
        return tuple(
            Loop(extent, "reduction" if axis == reduced else "parallel")
            for axis, extent in enumerate(shape)
        )
    maps = walk.indexing_maps(op)
    if maps is None:
        raise ValueError(f"{op.operation.name} is not a structured operation")
    extents: dict[int, int] = {}
    for operand, access in zip(op.operands, maps, strict=True):
        for axis, expression in enumerate(access.results):
            if isinstance(expression, ir.AffineDimExpr):
                extents[expression.position] = operand.type.shape[axis]
    parallel = {
        expression.position
        for access in maps[len(maps) - walk.init_count(op) :]
        for expression in access.results
        if isinstance(expression, ir.AffineDimExpr)
    }
    return tuple(
        Loop(extents[dim], "parallel" if dim in parallel else "reduction")
        for dim in range(maps[0].n_dims)
    )


def structured_flops(op: ir.OpView, loops: Sequence[Loop] | None = None) -> Flops:
    """FLOPs of all points of a structured operation; ``loops`` is its iteration space, if known."""
    points = math.prod(loop.extent for loop in (loops or iteration_space(op)))
    cost = op_cost(op.operation.name)
    flops: Flops = Counter()
    if cost is not None and cost.flops:
        flops[str(op.operands[0].type.element_type)] = cost.flops
    else:
        block = walk.body_of(op)
        for inner in block.operations if block is not None else ():
            flops.update(scalar_flops(inner))
    return Counter({dtype: points * count for dtype, count in flops.items()})


def scalar_flops(op: ir.OpView) -> Flops:
    """FLOPs of one application of a scalar operation; none for addressing and for booleans."""
    cost = op_cost(op.operation.name)
    if cost is None or not cost.flops or not len(op.results):
        return Counter()
    kind = op.operands[0].type if cost.kind == "comparison" else op.results[0].type
    if isinstance(kind, ir.IndexType) or str(kind) == "i1":
        return Counter()
    return Counter({str(kind): cost.flops})
