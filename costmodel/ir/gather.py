"""Which integer inputs index a tensor, and how large their values may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from iree.compiler import ir

from costmodel.ir import walk

__all__ = ["index_limits"]

_ALL = range(1 << 16)
_FIRST = range(1)
_FIRST_TWO = range(2)

#: The operands whose values, or some of them, are in the result.
_PASSED: Mapping[str, range] = {
    "arith.extsi": _FIRST,
    "arith.extui": _FIRST,
    "arith.index_cast": _FIRST,
    "arith.index_castui": _FIRST,
    "arith.select": range(1, 3),
    "arith.trunci": _FIRST,
    "tensor.cast": _FIRST,
    "tensor.collapse_shape": _FIRST,
    "tensor.concat": _ALL,
    "tensor.expand_shape": _FIRST,
    "tensor.extract": _FIRST,
    "tensor.extract_slice": _FIRST,
    "tensor.from_elements": _ALL,
    "tensor.insert": _FIRST_TWO,
    "tensor.insert_slice": _FIRST_TWO,
    "tensor.pad": _FIRST,
    "tensor.reshape": _FIRST,
    "tensor.splat": _FIRST,
}


def index_limits(function: ir.OpView) -> list[int | None]:
    """For each argument, the smallest extent that its values index, or None.

    No limit is beyond what the argument's type can hold: bytes may index a thousand rows.

    Follows integer values through casts, views, selects, ``index + constant``,
    ``index * constant`` and the bodies of structured operations to where they index a tensor:
    elements read or written, and the offsets of slices.
    """
    return [_limit(argument) for argument in function.arguments]


def _limit(argument: ir.Value) -> int | None:
    limits: list[int] = []
    seen: set[tuple[ir.Value, int, int]] = set()
    # What is followed is value * scale + offset, both at least 0 and known.
    pending = [(argument, 1, 0)] if _is_integer(argument.type) else []
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        value, scale, offset = current
        for use in value.uses:
            op, number = use.owner, use.operand_number
            places = _places(op, number)
            if places is not None:
                limits.append((places - 1 - offset) // scale + 1)
            constant = _constant(op, number)
            if constant is not None:
                pending.append((op.results[0], *_shift(op, scale, offset, constant)))
            pending += [(passed, scale, offset) for passed in _passes(op, number)]
    # A path that no value at all could take is one that the program guards (index + extent for
    # a negative index), so it sets no limit.
    found = min((limit for limit in limits if limit > 0), default=None)
    return None if found is None else min(found, _values(argument.type))


def _values(type: ir.Type) -> int:
    """How many values of a signed type are not negative; an index is as wide as an i64."""
    element = getattr(type, "element_type", type)
    width = element.width if isinstance(element, ir.IntegerType) else 64
    return int(2 ** (width - 1))


def _places(op: ir.OpView, number: int) -> int | None:
    """How many values operand ``number`` may take as an index; None where it is none."""
    name = op.operation.name
    if name == "tensor.extract" and number > 0:
        return int(op.operands[0].type.shape[number - 1])
    if name == "tensor.insert" and number > 1:
        return int(op.operands[1].type.shape[number - 2])
    if name in ("tensor.extract_slice", "tensor.insert_slice"):
        return _slice_offsets(op, number)
    return None


def _slice_offsets(op: ir.OpView, number: int) -> int | None:
    """As ``_places``, for the offsets of a slice; sizes and strides are numbers by now."""
    segments = list(op.attributes["operandSegmentSizes"])
    tensors = len(segments) - 3
    offsets = list(op.attributes["static_offsets"])
    dynamic = [axis for axis, offset in enumerate(offsets) if offset == _DYNAMIC]
    if not 0 <= number - tensors < len(dynamic):
        return None
    axis = dynamic[number - tensors]
    size = list(op.attributes["static_sizes"])[axis]
    stride = list(op.attributes["static_strides"])[axis]
    if _DYNAMIC in (size, stride):
        return None
    return int(op.operands[tensors - 1].type.shape[axis] - (size - 1) * stride)


_DYNAMIC = ir.ShapedType.get_dynamic_size()


def _passes(op: ir.OpView, number: int) -> Iterator[ir.Value]:
    """The values that hold what operand ``number`` of ``op`` holds."""
    name = op.operation.name
    if number in _PASSED.get(name, ()):
        yield op.results[0]
    elif name in ("linalg.yield", "tensor.yield"):
        parent = op.operation.parent
        if parent is not None and number < len(parent.results):
            yield parent.results[number]
    elif walk.indexing_maps(op) is not None:
        block = walk.body_of(op)
        if block is not None and number < len(block.arguments):
            yield block.arguments[number]


def _constant(op: ir.OpView, number: int) -> int | None:
    """The positive constant that ``op`` adds to its operand ``number``, or multiplies it by."""
    if op.operation.name not in ("arith.addi", "arith.muli"):
        return None
    other = op.operands[1 - number].owner
    if isinstance(other, ir.Block) or other.operation.name != "arith.constant":
        return None
    value = other.attributes["value"]
    return int(value.value) if isinstance(value, ir.IntegerAttr) and value.value > 0 else None


def _shift(op: ir.OpView, scale: int, offset: int, constant: int) -> tuple[int, int]:
    if op.operation.name == "arith.addi":
        return scale, offset + constant
    return scale * constant, offset * constant


def _is_integer(type: ir.Type) -> bool:
    element = getattr(type, "element_type", type)
    return isinstance(element, ir.IntegerType | ir.IndexType) and str(element) != "i1"
