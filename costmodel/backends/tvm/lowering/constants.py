"""Constant tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tvm import tirx

from costmodel.backends.tvm.lowering.blocks import Store, nest
from costmodel.backends.tvm.lowering.environment import Environment
from costmodel.backends.tvm.lowering.regions import scalar_constant
from costmodel.backends.tvm.lowering.types import (
    Expr,
    dense_values,
    immediate,
    shape_of,
    splat_value,
    tensor_dtype,
)
from costmodel.backends.tvm.lowering.values import Splat

__all__ = ["lower_constant", "lower_elements"]


def lower_constant(op: Any, environment: Environment) -> None:
    """An ``arith.constant``: a literal, a splat that needs no memory, or stored values."""
    from iree.compiler import ir

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
    lower_elements(op, [immediate(dtype, element) for element in values.flat], environment)


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
