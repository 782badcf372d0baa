"""What costmodel can read, and of that what it can tune; every refusal says where and why."""

from __future__ import annotations

import math

from iree.compiler import ir

from costmodel.errors import UnsupportedError
from costmodel.ir import parse, walk
from costmodel.ir.costs import op_cost, op_costs
from costmodel.records import DTYPE_BYTES, TensorType

__all__ = [
    "LIMIT_ELEMENTS",
    "check_constant",
    "check_dialects",
    "check_level",
    "check_operations",
    "check_sizes",
    "check_tunable",
    "is_loop_level",
    "signature",
    "value_type",
]

#: Larger tensors are refused: offsets into them do not fit the 32 bits that kernels index with.
LIMIT_ELEMENTS = (1 << 31) - 1

_ELEMENTS = ", ".join(DTYPE_BYTES)
_SHAPED = (ir.RankedTensorType, ir.UnrankedTensorType, ir.MemRefType, ir.UnrankedMemRefType)
_BUFFERS = (ir.MemRefType, ir.UnrankedMemRefType)


def is_loop_level(function: ir.OpView) -> bool:
    """Whether a function works on memrefs (a loop-level kernel) and not on tensors."""
    if any(isinstance(argument.type, _BUFFERS) for argument in function.arguments):
        return True
    return any(
        walk.dialect_of(op) in ("affine", "memref")
        or any(isinstance(value.type, _BUFFERS) for value in op.results)
        for op in walk.operations(function)
    )


def signature(function: ir.OpView) -> tuple[tuple[TensorType, ...], tuple[TensorType, ...]]:
    """Input and output types of a function.

    Raises UnsupportedError, at the argument or the function, for a type that costmodel lacks.
    Scalar ``index`` arguments of a loop-level kernel count as i64.
    """
    loops = is_loop_level(function)
    inputs = tuple(
        value_type(argument.type, argument.location, f"argument {number}", index=loops)
        for number, argument in enumerate(function.arguments)
    )
    outputs = tuple(
        value_type(result, function.location, f"result {number}", index=loops)
        for number, result in enumerate(function.type.results)
    )
    if not outputs and not loops:
        raise _refuse("the function returns nothing: there is nothing to tune", function.location)
    return inputs, outputs


def check_sizes(function: ir.OpView) -> None:
    """Refuse zero-size and absurdly large tensors anywhere in a function.

    Runs before any pass: folding a constant of 2^40 elements would take the machine down.
    """
    for op in walk.operations(function):
        for value in walk.values_of(op):
            if isinstance(value.type, _SHAPED) and value.type.has_rank:
                _check_extents(value.type, op.location, f"a value of {op.operation.name}")


def check_dialects(function: ir.OpView) -> None:
    """Refuse operations that no simplification turns into supported ones. Runs on MLIR as read."""
    known = {name.partition(".")[0] for name in op_costs()}
    for op in walk.operations(function):
        if walk.dialect_of(op) not in known or op.operation.name in _REASONS:
            raise _unsupported(op)


def check_operations(function: ir.OpView) -> None:
    """Refuse operations and value types that costmodel cannot cost. Runs on canonical IR."""
    level = "loop" if is_loop_level(function) else "tensor"
    for region in function.regions:
        if len(region.blocks) > 1:
            terminator = region.blocks[0].operations[len(region.blocks[0].operations) - 1]
            raise _refuse("control flow between blocks is not supported", terminator.location)
    for op in walk.operations(function):
        _check_operation(op, level)
        for value in walk.values_of(op):
            value_type(value.type, op.location, f"a value of {op.operation.name}", index=True)


def check_level(function: ir.OpView) -> None:
    """Refuse a loop-level kernel: it can be read and costed, but not tuned."""
    if is_loop_level(function):
        raise _refuse(
            "a loop-level kernel (memref, affine, scf) can be read and analysed, but not tuned: "
            "its schedule is already written into it", function.location,
            hint="give the computation as linalg on tensors",
        )  # fmt: skip


def check_tunable(function: ir.OpView) -> None:
    """Refuse what can be read and costed, but not tuned."""
    check_level(function)
    signature(function)
    check_sizes(function)
    check_operations(function)


def value_type(
    type: ir.Type, location: ir.Location, what: str, *, index: bool = False
) -> TensorType:
    """The record of an MLIR type: tensor, memref or scalar (empty shape).

    ``what`` names the value in the message of the UnsupportedError for any other type. With
    ``index``, an ``index`` scalar passes for i64.
    """
    if not isinstance(type, _SHAPED):
        name = "i64" if index and isinstance(type, ir.IndexType) else str(type)
        if name not in DTYPE_BYTES:
            raise _refuse(
                f"the type of {what}, {type}, is not supported", location,
                hint=f"supported are tensors and scalars of {_ELEMENTS}",
            )  # fmt: skip
        return TensorType((), name)
    if not type.has_rank:
        raise _refuse(f"{what} has a dynamic shape, {type}", location, hint=_STATIC)
    _check_extents(type, location, what)
    if str(type.element_type) not in DTYPE_BYTES:
        raise _refuse(
            f"the element type {type.element_type} of {what} is not supported", location,
            hint=f"supported are {_ELEMENTS}",
        )  # fmt: skip
    if not type.has_static_shape:
        raise _refuse(f"{what} has a dynamic shape, {type}", location, hint=_STATIC)
    if isinstance(type, ir.RankedTensorType) and type.encoding is not None:
        raise _refuse(f"{what} has an encoding, {type}", location, hint="remove the encoding")
    return TensorType(tuple(type.shape), str(type.element_type))


_STATIC = "give every dimension a number: costs are those of one shape"
_REASONS = {
    "func.call": "it calls another function",
    "func.call_indirect": "it calls another function",
    "func.constant": "it refers to another function",
    "scf": "control flow is not supported on tensors",
    "cf": "control flow is not supported",
}


def _check_operation(op: ir.OpView, level: str) -> None:
    name = op.operation.name
    cost = op_cost(name)
    if cost is None or level not in cost.levels:
        raise _unsupported(op)
    if name in ("arith.constant", "memref.global"):
        check_constant(op)


def _unsupported(op: ir.OpView) -> UnsupportedError:
    name = op.operation.name
    reason = _REASONS.get(name) or _REASONS.get(walk.dialect_of(op))
    return _refuse(
        f"{name}: {reason or 'this operation is not supported'}", op.location,
        hint="inline the callee" if "call" in name else None,
    )  # fmt: skip


def check_constant(op: ir.OpView) -> None:
    """A dense_resource's bytes stand outside the function, so the text would not have them."""
    key = "value" if "value" in op.attributes else "initial_value"
    if key in op.attributes and str(op.attributes[key]).startswith("dense_resource<"):
        raise _refuse(
            "the constant's value stands in a resource, apart from the function", op.location,
            hint="write it as dense<...>, or make it an argument",
        )  # fmt: skip


def _check_extents(type: ir.Type, location: ir.Location, what: str) -> None:
    extents = [extent for axis, extent in enumerate(type.shape) if not type.is_dynamic_dim(axis)]
    if 0 in extents:
        raise _refuse(f"{what} has no elements, {type}", location, hint="give it a size over 0")
    if math.prod(extents) > LIMIT_ELEMENTS:
        raise _refuse(
            f"{what} is too large, {type}", location,
            hint=f"a tensor may have up to {LIMIT_ELEMENTS} elements",
        )  # fmt: skip


def _refuse(message: str, location: ir.Location, hint: str | None = None) -> UnsupportedError:
    return UnsupportedError(message, location=parse.place(location), hint=hint)
