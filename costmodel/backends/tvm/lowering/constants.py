"""Constant tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from iree.compiler import ir
from numpy.typing import NDArray
from tvm import ir as tvm_ir
from tvm import tirx

from costmodel.backends.tvm.lowering.blocks import Store, nest
from costmodel.backends.tvm.lowering.environment import Environment
from costmodel.backends.tvm.lowering.regions import scalar_constant
from costmodel.backends.tvm.lowering.types import (
    Expr,
    dense_values,
    immediate,
    is_float,
    shape_of,
    splat_value,
    tensor_dtype,
)
from costmodel.backends.tvm.lowering.values import InBuffer, Splat

__all__ = ["lower_constant", "lower_elements"]

#: Constants of more elements than this are data of the compiled module: storing them one by one
#: takes LLVM 0.4 ms an element, and a tuner compiles each function many times.
_STORED_ELEMENTS = 64


def lower_constant(op: Any, environment: Environment) -> None:
    """An ``arith.constant``: a literal, a splat that needs no memory, or a table.

    Raises UnsupportedError for values that the text does not hold.
    """
    result = op.operation.results[0]
    if not isinstance(result.type, ir.RankedTensorType):
        environment.set_scalar(result, scalar_constant(op))
        return
    attribute = op.operation.attributes["value"]
    shape, dtype = shape_of(result.type, op), tensor_dtype(result.type, op)
    value = splat_value(attribute)
    if value is not None:
        environment.set_tensor(result, Splat(immediate(dtype, value), shape, dtype))
        return
    values = dense_values(attribute, op)
    if values.size <= _STORED_ELEMENTS:
        lower_elements(op, [immediate(dtype, element) for element in values.flat], environment)
    else:
        _lower_table(op, values, environment)


def lower_elements(op: Any, values: Sequence[Expr], environment: Environment) -> None:
    """A block that stores one given value in each element of the op's result."""
    name = environment.name("constant")
    target = environment.result(op.operation.results[0], name, op)

    def body(_: list[Expr]) -> Any:
        return tirx.SeqStmt([
            Store(target.buffer, [tirx.IntImm("int32", axis) for axis in index], value).statement()
            for index, value in zip(np.ndindex(*target.shape), values, strict=True)
        ])  # fmt: skip

    environment.statements.append(nest(name, [], body))


def _lower_table(op: Any, values: NDArray[Any], environment: Environment) -> None:
    """A block that copies data which lies in the compiled module.

    TensorIR has no constant data (AllocateConst is gone), but a block may import LLVM IR: here a
    global array and a function that reads one element, which LLVM inlines. The loops are inside
    the block, since a block that a schedule could inline or take apart would lose the import.
    """
    name = environment.name("constant")
    target = environment.result(op.operation.results[0], name, op)
    width = 8 * values.dtype.itemsize
    function = f"costmodel_{name}"

    def body(_: list[Expr]) -> Any:
        loops = [tvm_ir.Var(f"c{axis}", tvm_ir.PrimType("int32")) for axis in range(values.ndim)]
        position: Expr = tirx.IntImm("int32", 0)
        for loop, extent in zip(loops, target.shape, strict=True):
            position = position * extent + loop
        bits = tirx.call_pure_extern(f"int{width}", function, position)
        statement = Store(target.buffer, loops, _from_bits(bits, target)).statement()
        for loop, extent in reversed(list(zip(loops, target.shape, strict=True))):
            statement = tirx.For(loop, 0, extent, tirx.ForKind.SERIAL, statement)
        return statement

    module = tvm_ir.StringImm(_llvm_table(function, values))
    environment.statements.append(nest(name, [], body, annotations={"pragma_import_llvm": module}))


def _from_bits(bits: Expr, target: InBuffer) -> Expr:
    if target.dtype == "bool":
        return tirx.NE(bits, immediate("int8", 0))
    return tirx.reinterpret(target.dtype, bits) if is_float(target.dtype) else bits


def _llvm_table(function: str, values: NDArray[Any]) -> str:
    """LLVM IR of an array and of a function from a position to the bits of its element."""
    data = values.tobytes()
    text = "".join(f"\\{byte:02X}" for byte in data)
    width = 8 * values.dtype.itemsize
    return f"""
@{function}_data = internal unnamed_addr constant [{len(data)} x i8] c"{text}", align 64
define internal i{width} @{function}(i32 %position) alwaysinline nounwind {{
  %wide = sext i32 %position to i64
  %place = getelementptr inbounds i{width}, ptr @{function}_data, i64 %wide
  %value = load i{width}, ptr %place, align {values.dtype.itemsize}
  ret i{width} %value
}}
"""
