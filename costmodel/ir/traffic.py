"""Compulsory memory traffic: what has to cross between memory and processor at the least."""

from __future__ import annotations

import math

from iree.compiler import ir

from costmodel.ir import walk
from costmodel.ir.costs import op_cost
from costmodel.ir.structured import is_structured, iteration_space
from costmodel.records import DTYPE_BYTES, TensorType

__all__ = ["argument_bytes", "buffer_bytes", "constant_bytes", "op_bytes", "type_bytes"]


def type_bytes(type: ir.Type) -> int:
    """Bytes of a tensor or memref of static shape; of a scalar, 0."""
    shape = getattr(type, "shape", None)
    if shape is None:
        return 0
    return TensorType(tuple(shape), str(type.element_type)).bytes


def argument_bytes(argument: ir.Value) -> int:
    """Bytes read of a tensor: its size, or less where only slices or elements are taken."""
    total, taken = type_bytes(argument.type), 0
    for use in argument.uses:
        op = use.owner
        if op.operation.name == "tensor.extract_slice":
            taken += type_bytes(op.results[0].type)
        elif op.operation.name == "tensor.extract":
            taken += _times(op) * DTYPE_BYTES[str(argument.type.element_type)]
        else:
            return total
    return min(total, taken)


def constant_bytes(op: ir.OpView) -> int:
    """Bytes of a constant's values; 0 for a splat, which no compiler stores."""
    value = op.attributes["value" if "value" in op.attributes else "initial_value"]
    if not isinstance(value, ir.DenseElementsAttr) or value.is_splat:
        return 0  # scalars too: they live in the instructions
    return type_bytes(value.type)


def buffer_bytes(buffer: ir.Value, within: ir.OpView) -> int:
    """Bytes moved of a memref by what ``within`` holds.

    Its size for reading, unless the first access writes it, plus its size for writing.
    """
    aliases = _aliases(buffer)
    reads, writes, overwritten = False, False, False
    for op in walk.operations(within):
        touched = [n for n, operand in enumerate(op.operands) if operand in aliases]
        for number in touched:
            read, write = _access(op, number)
            overwritten |= write and not read and not reads
            reads |= read
            writes |= write
    return type_bytes(buffer.type) * ((reads and not overwritten) + writes)


def op_bytes(op: ir.OpView) -> int:
    """Bytes of an operation's own: operands and captured tensors it reads, results it writes."""
    read: dict[ir.Value, int] = {}
    inits = walk.init_count(op) if walk.indexing_maps(op) is not None else 0
    for number, operand in enumerate(op.operands):
        first_init = len(op.operands) - inits
        if number < first_init or _reads_init(op, number):
            read[operand] = _value_bytes(operand)
    if op.operation.name == "tensor.extract_slice":
        read = {op.operands[0]: type_bytes(op.results[0].type)}
    for inner in walk.operations(op):
        if inner.operation.name == "tensor.extract":
            source = inner.operands[0]
            read.setdefault(source, argument_bytes(source))
    written = [*op.results] or list(op.operands)[len(op.operands) - inits :]
    return sum(read.values()) + sum(type_bytes(value.type) for value in written)


def _value_bytes(value: ir.Value) -> int:
    owner = value.owner
    if not isinstance(owner, ir.Block) and owner.operation.name == "arith.constant":
        return constant_bytes(owner.opview)
    return type_bytes(value.type)


def _reads_init(op: ir.OpView, number: int) -> bool:
    """Whether the init holds data: its body reads it, and no fill made it."""
    block = walk.body_of(op)
    if block is None or number >= len(block.arguments) or not list(block.arguments[number].uses):
        return False
    owner = op.operands[number].owner
    return isinstance(owner, ir.Block) or owner.operation.name not in (
        "linalg.fill",
        "tensor.empty",
    )


def _times(op: ir.OpView) -> int:
    """How often an operation in the body of a structured one is applied."""
    parent = op.operation.parent
    if parent is None or not is_structured(parent.opview):
        return 1
    return math.prod(loop.extent for loop in iteration_space(parent.opview))


def _aliases(buffer: ir.Value) -> set[ir.Value]:
    found, pending = {buffer}, [buffer]
    while pending:
        for use in pending.pop().uses:
            cost = op_cost(use.owner.operation.name)
            if cost is not None and cost.kind == "view" and use.operand_number == 0:
                found.update(use.owner.results)
                pending += list(use.owner.results)
    return found


def _access(op: ir.OpView, number: int) -> tuple[bool, bool]:
    """Whether an operation reads, and whether it writes, the memref that is this operand."""
    name = op.operation.name
    if name in ("affine.load", "memref.load"):
        return True, False
    if name in ("affine.store", "memref.store"):
        return False, True
    if name == "memref.copy":
        return number == 0, number == 1
    if walk.indexing_maps(op) is not None:
        if number < len(op.operands) - walk.init_count(op):
            return True, False
        return _reads_init(op, number), True
    return (number == 0, number == 1) if name == "linalg.softmax" else (False, False)
