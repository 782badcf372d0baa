"""MLIR element types and attributes as TVM dtypes and immediates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np
from iree.compiler import ir, passmanager
from numpy.typing import NDArray
from tvm import tirx

from costmodel.errors import UnsupportedError

__all__ = [
    "Expr",
    "dense_values",
    "element_dtype",
    "immediate",
    "is_float",
    "kept_dimensions",
    "shape_of",
    "splat_value",
    "tensor_dtype",
    "unsupported",
]

#: A TensorIR scalar expression; TVM ships no types.
Expr: TypeAlias = Any

_DTYPES = {
    "f64": "float64",
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "i64": "int64",
    "i32": "int32",
    "i16": "int16",
    "i8": "int8",
    "i1": "bool",
    "index": "int64",
}

_INT32_LIMIT = 2**31


def unsupported(op: Any, reason: str, hint: str | None = None) -> UnsupportedError:
    """An UnsupportedError that names the op."""
    return UnsupportedError(f"{op.operation.name} cannot be lowered: {reason}", hint=hint)


def element_dtype(type_: Any, op: Any) -> str:
    """TVM dtype of a scalar MLIR type; ``index`` is 64 bits wide. Raises UnsupportedError."""
    dtype = _DTYPES.get(str(type_))
    if dtype is None:
        raise unsupported(
            op, f"element type {type_}", "use one of f64, f32, f16, bf16, i64, i32, i8, i1"
        )
    return dtype


def tensor_dtype(type_: Any, op: Any) -> str:
    """TVM dtype of a tensor's elements. Raises UnsupportedError."""
    return element_dtype(type_.element_type, op)


def shape_of(type_: Any, op: Any) -> tuple[int, ...]:
    """Static shape; loops are 32 bits wide, so a tensor has fewer than 2**31 elements."""
    if not isinstance(type_, ir.RankedTensorType):
        raise unsupported(op, f"{type_} is not a ranked tensor")
    if not type_.has_static_shape:
        raise unsupported(op, f"{type_} has a dynamic shape", "give every dimension a size")
    shape = tuple(type_.shape)
    elements = 1
    for extent in shape:
        elements *= extent
    if elements >= _INT32_LIMIT:
        raise unsupported(op, f"{type_} has {elements} elements, and 2**31 - 1 is the most")
    return shape


def is_float(dtype: str) -> bool:
    """Whether a TVM dtype is a floating-point one."""
    return dtype.startswith(("float", "bfloat"))


def immediate(dtype: str, value: float | int | bool) -> Expr:
    """A TensorIR literal."""
    if dtype == "bool":
        return tirx.const(bool(value), "bool")
    if is_float(dtype):
        return tirx.FloatImm(dtype, float(value))
    return tirx.IntImm(dtype, int(value))


def splat_value(attribute: Any) -> Any:
    """The one number of a scalar or splat attribute, or None where the values differ."""
    if isinstance(attribute, ir.FloatAttr | ir.BoolAttr):
        return attribute.value
    if isinstance(attribute, ir.IntegerAttr):
        return int(attribute.value)
    if isinstance(attribute, ir.DenseElementsAttr) and attribute.is_splat:
        return splat_value(attribute.get_splat_value())
    return None


def dense_values(attribute: Any, op: Any) -> NDArray[Any]:
    """The values of a dense attribute, in the shape of its type. Raises UnsupportedError."""
    if not isinstance(attribute, ir.DenseElementsAttr):
        raise unsupported(op, "its value is not written in the text", "use a dense attribute")
    shape = tuple(attribute.type.shape)
    if tensor_dtype(attribute.type, op) == "bfloat16":
        return _bfloat16_values(attribute).reshape(shape)
    return np.array(attribute).reshape(shape)


def _bfloat16_values(attribute: Any) -> NDArray[Any]:
    """The bindings expose no buffer for bf16, so MLIR's own folder widens the values first."""
    wide = str(attribute.type).replace("bf16", "f32")
    module = ir.Module.parse(
        f"func.func @f() -> {wide} {{ %c = arith.constant {attribute}\n"
        f"%w = arith.extf %c : {attribute.type} to {wide}\nreturn %w : {wide} }}"
    )
    passmanager.PassManager.parse("builtin.module(canonicalize)").run(module.operation)
    constant = module.body.operations[0].regions[0].blocks[0].operations[0]
    return np.array(constant.attributes["value"]).astype(ml_dtypes.bfloat16)


def kept_dimensions(sizes: Sequence[int], reduced: Sequence[int]) -> list[int]:
    """Which dimensions of a slice are left after unit ones were dropped, as MLIR matches them."""
    kept: list[int] = []
    for position, size in enumerate(sizes):
        if len(kept) < len(reduced) and size == reduced[len(kept)]:
            kept.append(position)
    return kept
