"""Which integer inputs index a tensor, and how large their values may be."""

from __future__ import annotations

from collections.abc import Iterator

from iree.compiler import ir

from costmodel.ir import walk

__all__ = ["index_limits"]

#: Operations whose result holds the values of their first operand, or some of them.
_PASSING = frozenset({
    "arith.extsi", "arith.extui", "arith.index_cast", "arith.index_castui", "arith.trunci",
    "linalg.broadcast", "linalg.copy", "linalg.transpose",
    "tensor.cast", "tensor.collapse_shape", "tensor.expand_shape", "tensor.extract",
    "tensor.extract_slice", "tensor.pad", "tensor.reshape", "tensor.splat",
})  # fmt: skip
#: Operations whose result holds the values of any of their operands.
_MIXING = frozenset({
    "arith.select", "tensor.concat", "tensor.from_elements", "tensor.insert",
    "tensor.insert_slice",
})  # fmt: skip


def index_limits(function: ir.OpView) -> list[int | None]:
    """For each argument, the smallest extent that its values index, or None.

    Follows integer values through casts, views, selects, ``index + constant`` and the bodies of
    structured operations to the indices of every ``tensor.extract``.
    """
    return [_limit(argument) for argument in function.arguments]


def _limit(value: ir.Value) -> int | None:
    limits: list[int] = []
    seen: set[tuple[ir.Value, int, int]] = set()
    # What is followed is value * scale + offset, both at least 0 and known.
    pending = [(value, 1, 0)] if _is_integer(value.type) else []
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        value, scale, offset = current
        for use in value.uses:
            op, number = use.owner, use.operand_number
            if op.operation.name == "tensor.extract" and number > 0:
                extent = op.operands[0].type.shape[number - 1]
                limits.append((extent - 1 - offset) // scale + 1)
            elif _is_shift(op, number):
                constant = op.operands[1 - number].owner.attributes["value"].value
                pending.append((op.results[0], *_shift(op, scale, offset, constant)))
            else:
                pending += [(passed, scale, offset) for passed in _passes(op, number)]
    # A path that no value at all could take is one that the program guards (index + extent for
    # a negative index), so it sets no limit.
    return min((limit for limit in limits if limit > 0), default=None)


def _passes(op: ir.OpView, number: int) -> Iterator[ir.Value]:
    """The values that hold what operand ``number`` of ``op`` holds."""
    name = op.operation.name
    if (name in _PASSING and number == 0) or (name in _MIXING and (name, number) != _CONDITION):
        yield op.results[0]
    elif name in ("linalg.yield", "tensor.yield"):
        parent = op.operation.parent
        if parent is not None and number < len(parent.results):
            yield parent.results[number]
    elif walk.indexing_maps(op) is not None:
        block = walk.body_of(op)
        if block is not None and number < len(block.arguments):
            yield block.arguments[number]


_CONDITION = ("arith.select", 0)


def _is_shift(op: ir.OpView, number: int) -> bool:
    if op.operation.name not in ("arith.addi", "arith.muli"):
        return False
    other = op.operands[1 - number].owner
    if isinstance(other, ir.Block) or other.operation.name != "arith.constant":
        return False
    constant = other.attributes["value"]
    return isinstance(constant, ir.IntegerAttr) and bool(constant.value > 0)


def _shift(op: ir.OpView, scale: int, offset: int, constant: int) -> tuple[int, int]:
    if op.operation.name == "arith.addi":
        return scale, offset + constant
    return scale * constant, offset * constant


def _is_integer(type: ir.Type) -> bool:
    element = getattr(type, "element_type", type)
    return isinstance(element, ir.IntegerType | ir.IndexType) and str(element) != "i1"
