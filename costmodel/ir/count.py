"""The analysis of a workload: what it has to compute and to move, however it is scheduled.

FLOPs weigh each scalar operation by ``dialects/*.toml``. Bytes are compulsory traffic, the
denominator of the roofline model (Williams, Waterman and Patterson, CACM 52(4), 2009): inputs,
outputs and constants once, as if the cache held everything else.
"""

from __future__ import annotations

from collections import Counter

from iree.compiler import ir

from costmodel.ir import checks, nests, parse, traffic, walk
from costmodel.ir.analysis import Analysis, Loop, OpSummary
from costmodel.ir.costs import op_cost
from costmodel.ir.structured import Flops, is_structured, iteration_space, structured_flops
from costmodel.ir.trips import LOOPS
from costmodel.records import Workload

__all__ = ["analyze"]


def analyze(workload: Workload) -> Analysis:
    """FLOPs, bytes, loop nests and element types of a workload.

    Raises UnsupportedError where a loop-level kernel has a loop whose trip count is not known.
    """
    module = parse.parse_trusted(workload.text)
    main = parse.main_function(module)
    loops = checks.is_loop_level(main)
    flops = nests.block_flops(main.regions[0].blocks[0])
    return Analysis(
        flops=float(flops.total()),
        bytes=_loop_level_bytes(module, main) if loops else _tensor_bytes(main, workload),
        element_types=_element_types(main),
        ops=tuple(_summaries(main)),
        flops_by_dtype=tuple(sorted((dtype, float(count)) for dtype, count in flops.items())),
    )


def _tensor_bytes(main: ir.OpView, workload: Workload) -> int:
    read = sum(traffic.argument_bytes(argument) for argument in main.arguments)
    written = sum(kind.bytes for kind in workload.outputs)
    constants = sum(
        traffic.constant_bytes(op)
        for op in walk.operations(main)
        if op.operation.name == "arith.constant"
    )
    return read + written + constants


def _loop_level_bytes(module: ir.Module, main: ir.OpView) -> int:
    moved = sum(traffic.buffer_bytes(argument, main) for argument in main.arguments)
    constants = sum(
        traffic.constant_bytes(op)
        for op in module.body.operations
        if op.operation.name == "memref.global" and "initial_value" in op.attributes
    )
    return moved + constants


def _element_types(main: ir.OpView) -> tuple[str, ...]:
    values = [*main.arguments]
    for op in walk.operations(main):
        values += walk.values_of(op)
    shaped = [value.type for value in values if isinstance(value.type, ir.ShapedType)]
    return tuple(sorted({str(kind.element_type) for kind in shaped}))


def _summaries(main: ir.OpView) -> list[OpSummary]:
    found = []
    for op in main.regions[0].blocks[0].operations:
        name = op.operation.name
        cost = op_cost(name)
        if is_structured(op):
            found.append(_summary(op, iteration_space(op), structured_flops(op)))
        elif name in LOOPS:
            found.append(_summary(op, nests.loops_of(op), nests.op_flops(op)))
        elif cost is not None and cost.kind == "data_movement" and len(op.results):
            shape = op.results[0].type.shape
            loops = tuple(Loop(extent, "parallel") for extent in shape)
            found.append(_summary(op, loops, Counter()))
    return found


def _summary(op: ir.OpView, loops: tuple[Loop, ...], flops: Flops) -> OpSummary:
    name = op.operation.name
    dtype = max(flops, key=lambda kind: flops[kind]) if flops else _data_type(op)
    return OpSummary(
        name=str(name),
        loops=loops,
        flops=float(flops.total()),
        bytes=_nest_bytes(op) if name in LOOPS else traffic.op_bytes(op),
        dtype=dtype,
    )


def _nest_bytes(nest: ir.OpView) -> int:
    buffers = {
        operand
        for op in walk.operations(nest)
        for operand in op.operands
        if isinstance(operand.type, ir.MemRefType)
    }
    return sum(traffic.buffer_bytes(buffer, nest) for buffer in buffers)


def _data_type(op: ir.OpView) -> str:
    values = [*op.results, *op.operands, *(v for o in walk.operations(op) for v in o.operands)]
    for value in values:
        if isinstance(value.type, ir.ShapedType):
            return str(value.type.element_type)
    return "f32"
