"""``tensor`` operations as spatial blocks that move elements."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from iree.compiler import ir
from tvm import tirx

from costmodel.backends.tvm.lowering.affine import narrow
from costmodel.backends.tvm.lowering.constants import lower_elements
from costmodel.backends.tvm.lowering.environment import Environment
from costmodel.backends.tvm.lowering.regions import Region
from costmodel.backends.tvm.lowering.types import (
    Expr,
    immediate,
    kept_dimensions,
    shape_of,
    tensor_dtype,
    unsupported,
)
from costmodel.backends.tvm.lowering.values import Splat, Tensor, Undefined

__all__ = ["TENSOR_OPS"]

_DYNAMIC = -(2**63)


def _empty(op: Any, environment: Environment) -> None:
    result = op.operation.results[0]
    environment.set_tensor(
        result, Undefined(shape_of(result.type, op), tensor_dtype(result.type, op))
    )


def _splat(op: Any, environment: Environment) -> None:
    value = environment.scalar(op.operation.operands[0])
    result = op.operation.results[0]
    environment.set_tensor(
        result, Splat(value, shape_of(result.type, op), tensor_dtype(result.type, op))
    )


def _from_elements(op: Any, environment: Environment) -> None:
    values = [environment.scalar(operand) for operand in op.operation.operands]
    if len(values) == 1:
        _splat(op, environment)
    else:
        lower_elements(op, values, environment)


def _move(
    op: Any, environment: Environment, name: str, element: Callable[[Tensor, list[Expr]], Expr]
) -> None:
    """A block whose elements come from the first operand; a splat of any shape stays a splat."""
    source = environment.tensor(environment.operands(op)[0])
    result = op.operation.results[0]
    shape = shape_of(result.type, op)
    if isinstance(source, Splat):
        environment.set_tensor(result, Splat(source.value, shape, source.dtype))
    elif isinstance(source, Undefined):
        environment.set_tensor(result, Undefined(shape, source.dtype))
    else:
        environment.compute(op, name, lambda indices: element(source, indices))


def _cast(op: Any, environment: Environment) -> None:
    operand, result = environment.operands(op)[0], op.operation.results[0]
    shape_of(result.type, op)
    environment.set_tensor(result, environment.tensor(operand))


def _bitcast(op: Any, environment: Environment) -> None:
    source = environment.tensor(environment.operands(op)[0])
    dtype = tensor_dtype(op.operation.results[0].type, op)
    environment.compute(
        op, "bitcast", lambda indices: tirx.reinterpret(dtype, source.load(indices))
    )


def _pad(op: Any, environment: Environment) -> None:
    source = environment.tensor(environment.operands(op)[0])
    operation = op.operation
    low, high = (list(operation.attributes[f"static_{end}"]) for end in ("low", "high"))
    if _DYNAMIC in low + high:
        raise unsupported(op, "the padding is not constant")
    block = operation.regions[0].blocks[0]

    def element(indices: list[Expr]) -> Expr:
        wide = [tirx.Cast("int64", index) for index in indices]
        region = Region(block, wide, [], environment.scalars(), environment.tensors())
        inside = []
        for index, before, after, extent in zip(indices, low, high, source.shape, strict=True):
            inside += _within(index, before, extent, before + extent + after)
        value = source.load([
            index - before if before else index for index, before in zip(indices, low, strict=True)
        ])  # fmt: skip
        return _choose(inside, value, region.value(region.yielded[0]))

    environment.compute(op, "pad", element)


def _within(index: Expr, start: int, extent: int, total: int) -> list[Expr]:
    """Conditions under which an index in ``[0, total)`` lies in ``[start, start + extent)``."""
    conditions = []
    if start > 0:
        conditions.append(index >= start)
    if start + extent < total:
        conditions.append(index < start + extent)
    return conditions


def _choose(conditions: Sequence[Expr], yes: Expr, no: Expr) -> Expr:
    if not conditions:
        return yes
    return tirx.if_then_else(tirx.all(*conditions), yes, no)


class _Slice:
    """Offsets, sizes and strides of a slice op, and which of its dimensions were dropped."""

    def __init__(self, op: Any, environment: Environment, reduced: Sequence[int]) -> None:
        attributes = op.operation.attributes
        counts = [int(count) for count in attributes["operandSegmentSizes"]]
        operands = list(op.operation.operands)
        self.sizes = list(attributes["static_sizes"])
        self.strides = list(attributes["static_strides"])
        if _DYNAMIC in self.sizes + self.strides:
            raise unsupported(op, "the slice's sizes or strides are not constant")
        first = len(counts) - 3
        dynamic = iter(operands[sum(counts[:first]) : sum(counts[: first + 1])])
        self.offsets = [
            narrow(environment.scalar(next(dynamic))) if offset == _DYNAMIC
            else tirx.IntImm("int32", offset)
            for offset in attributes["static_offsets"]
        ]  # fmt: skip
        self._kept = kept_dimensions(self.sizes, reduced)

    def outer(self, indices: Sequence[Expr]) -> list[Expr]:
        """Indices of the whole tensor from indices of the slice."""
        full: list[Expr] = [tirx.IntImm("int32", 0)] * len(self.sizes)
        for position, index in zip(self._kept, indices, strict=True):
            full[position] = index
        return [
            offset + index * stride
            for offset, index, stride in zip(self.offsets, full, self.strides, strict=True)
        ]

    def inner(self, indices: Sequence[Expr], shape: Sequence[int]) -> tuple[list[Expr], list[Expr]]:
        """Conditions of lying in the slice, and indices of the slice, from outer indices."""
        conditions: list[Expr] = []
        local = []
        for position, index in enumerate(indices):
            offset, stride = self.offsets[position], self.strides[position]
            size = self.sizes[position]
            whole = isinstance(offset, tirx.IntImm) and offset.value == 0
            distance = index - offset
            if not whole:
                conditions.append(index >= offset)
            if not (whole and (size - 1) * stride + 1 == shape[position]):
                conditions.append(index <= offset + (size - 1) * stride)
            if stride != 1:
                conditions.append(tirx.EQ(tirx.floormod(distance, stride), tirx.IntImm("int32", 0)))
                distance = tirx.floordiv(distance, stride)
            local.append(distance)
        return conditions, [local[position] for position in self._kept]


def _extract_slice(op: Any, environment: Environment) -> None:
    slice_ = _Slice(op, environment, op.operation.results[0].type.shape)
    _move(op, environment, "slice", lambda source, indices: source.load(slice_.outer(indices)))


def _insert_slice(op: Any, environment: Environment) -> None:
    operands = environment.operands(op)
    source, target = environment.tensor(operands[0]), environment.tensor(operands[1])
    slice_ = _Slice(op, environment, operands[0].type.shape)

    def element(indices: list[Expr]) -> Expr:
        conditions, local = slice_.inner(indices, target.shape)
        return _choose(conditions, source.load(local), target.load(indices))

    environment.compute(op, "insert_slice", element)


def _insert(op: Any, environment: Environment) -> None:
    operands = environment.operands(op)
    value, target = environment.scalar(operands[0]), environment.tensor(operands[1])
    place = [narrow(environment.scalar(index)) for index in operands[2:]]

    def element(indices: list[Expr]) -> Expr:
        here = [tirx.EQ(index, at) for index, at in zip(indices, place, strict=True)]
        return _choose(here, value, target.load(indices))

    environment.compute(op, "insert", element)


def _extract(op: Any, environment: Environment) -> None:
    operands = environment.operands(op)
    indices = [narrow(environment.scalar(index)) for index in operands[1:]]
    environment.set_scalar(op.operation.results[0], environment.tensor(operands[0]).load(indices))


def _concat(op: Any, environment: Environment) -> None:
    parts = [environment.tensor(operand) for operand in environment.operands(op)]
    axis = int(op.operation.attributes["dim"])

    def element(indices: list[Expr]) -> Expr:
        end = sum(part.shape[axis] for part in parts)
        value: Expr = None
        for part in reversed(parts):
            start = end - part.shape[axis]
            local = [*indices[:axis], indices[axis] - start, *indices[axis + 1 :]]
            loaded = part.load(local)
            value = loaded if value is None else _choose([indices[axis] < end], loaded, value)
            end = start
        return value

    environment.compute(op, "concat", element)


def _linear(indices: Sequence[Expr], shape: Sequence[int]) -> Expr:
    position: Expr = tirx.IntImm("int32", 0)
    for index, extent in zip(indices, shape, strict=True):
        position = position * extent + (index if extent != 1 else 0)
    return position


def _split(position: Expr, shape: Sequence[int]) -> list[Expr]:
    """Row-major indices of a linear position."""
    indices: list[Expr] = []
    for axis, extent in enumerate(shape):
        inner = math.prod(shape[axis + 1 :])
        if extent == 1:
            indices.append(tirx.IntImm("int32", 0))
            continue
        index = tirx.floordiv(position, inner) if inner != 1 else position
        outermost = math.prod(shape[:axis]) == 1
        indices.append(index if outermost else tirx.floormod(index, extent))
    return indices


def _groups(op: Any) -> list[list[int]]:
    groups = ir.ArrayAttr(op.operation.attributes["reassociation"])
    return [[int(position.value) for position in group] for group in groups]


def _expand_shape(op: Any, environment: Environment) -> None:
    groups, shape = _groups(op), op.operation.results[0].type.shape

    def element(source: Tensor, indices: list[Expr]) -> Expr:
        return source.load([
            _linear([indices[axis] for axis in group], [shape[axis] for axis in group])
            for group in groups
        ])  # fmt: skip

    _move(op, environment, "expand_shape", element)


def _collapse_shape(op: Any, environment: Environment) -> None:
    groups = _groups(op)

    def element(source: Tensor, indices: list[Expr]) -> Expr:
        inner: list[Expr] = [tirx.IntImm("int32", 0)] * len(source.shape)
        for index, group in zip(indices, groups, strict=True):
            parts = _split(index, [source.shape[axis] for axis in group])
            for axis, part in zip(group, parts, strict=True):
                inner[axis] = part
        return source.load(inner)

    _move(op, environment, "collapse_shape", element)


def _reshape(op: Any, environment: Environment) -> None:
    shape = op.operation.results[0].type.shape
    _move(
        op,
        environment,
        "reshape",
        lambda source, indices: source.load(_split(_linear(indices, shape), source.shape)),
    )


def _generate(op: Any, environment: Environment) -> None:
    block = op.operation.regions[0].blocks[0]

    def element(indices: list[Expr]) -> Expr:
        wide = [tirx.Cast("int64", index) for index in indices]
        region = Region(block, wide, [], environment.scalars(), environment.tensors())
        return region.value(region.yielded[0])

    environment.compute(op, "generate", element)


def _dim(op: Any, environment: Environment) -> None:
    operands = environment.operands(op)
    position = environment.scalar(operands[1])
    if not isinstance(position, tirx.IntImm):
        raise unsupported(op, "the dimension asked for is not constant")
    extent = environment.tensor(operands[0]).shape[position.value]
    environment.set_scalar(op.operation.results[0], immediate("int64", extent))


#: By op name: emits the op's block, or says what its result is.
TENSOR_OPS: Mapping[str, Callable[[Any, Environment], None]] = {
    "tensor.bitcast": _bitcast,
    "tensor.cast": _cast,
    "tensor.collapse_shape": _collapse_shape,
    "tensor.concat": _concat,
    "tensor.dim": _dim,
    "tensor.empty": _empty,
    "tensor.expand_shape": _expand_shape,
    "tensor.extract": _extract,
    "tensor.extract_slice": _extract_slice,
    "tensor.from_elements": _from_elements,
    "tensor.generate": _generate,
    "tensor.insert": _insert,
    "tensor.insert_slice": _insert_slice,
    "tensor.pad": _pad,
    "tensor.reshape": _reshape,
    "tensor.splat": _splat,
}
