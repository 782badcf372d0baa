"""A whole function: its parameters, its ops in order, and the PrimFunc around them."""

from __future__ import annotations

from typing import Any

import tvm
import tvm_ffi
from iree.compiler import ir
from tvm import tirx

from costmodel.backends.tvm.lowering import reducers
from costmodel.backends.tvm.lowering.constants import lower_constant
from costmodel.backends.tvm.lowering.environment import Environment, fill_block
from costmodel.backends.tvm.lowering.loops import lower_loops
from costmodel.backends.tvm.lowering.normalize import normalized
from costmodel.backends.tvm.lowering.scalars import is_scalar_op, scalar
from costmodel.backends.tvm.lowering.structured import lower_generic
from costmodel.backends.tvm.lowering.tensors import TENSOR_OPS
from costmodel.backends.tvm.lowering.types import (
    element_dtype,
    shape_of,
    tensor_dtype,
    unsupported,
)
from costmodel.backends.tvm.lowering.values import InBuffer, Splat, Tensor
from costmodel.ir.checks import is_loop_level
from costmodel.ir.parse import main_function, parse_trusted
from costmodel.records import Workload

__all__ = ["lower"]


def lower(workload: Workload) -> tvm.IRModule:
    """The workload as a TensorIR module with one schedulable PrimFunc, ``main``.

    Its parameters are the inputs ``arg0``, ``arg1``, ... and then the outputs ``out0``, ``out1``,
    ..., none of which overlap; a scalar is a buffer of shape (). Each structured op is one block,
    each intermediate tensor one buffer; fills, splats and empty tensors are neither. Raises
    UnsupportedError, naming the op and the reason, for what cannot be expressed.

    A loop-level kernel keeps its loops, its memrefs are the parameters, and nothing is schedulable.
    """
    reducers.register()
    module = parse_trusted(workload.text)
    if is_loop_level(main_function(module)):
        with module.context, ir.Location.unknown():
            return tvm.IRModule({"main": lower_loops(main_function(module))})
    module = normalized(workload.text)
    with module.context, ir.Location.unknown():
        return tvm.IRModule({"main": _lower_function(main_function(module))})


def _lower_function(function: Any) -> Any:
    if len(function.regions[0].blocks) != 1:
        raise unsupported(function, "its body has several blocks")
    block = function.regions[0].blocks[0]
    operations = list(block.operations)
    returned = list(operations[-1].operation.operands)
    outputs = [_parameter(f"out{i}", value, function) for i, value in enumerate(returned)]
    first_output: dict[Any, Any] = {}
    for value, output in zip(returned, outputs, strict=True):
        first_output.setdefault(value, output.buffer)
    environment = Environment(first_output)
    inputs = [_parameter(f"arg{i}", value, function) for i, value in enumerate(block.arguments)]
    for value, parameter in zip(block.arguments, inputs, strict=True):
        if _is_tensor(value):
            environment.set_tensor(value, parameter)
        else:
            environment.set_scalar(value, parameter.load([]))
    for op in operations[:-1]:
        _lower_op(op, environment)
    for value, output in zip(returned, outputs, strict=True):
        _return(value, output, environment)
    return _prim_func([p.buffer for p in [*inputs, *outputs]], environment)


def _is_tensor(value: Any) -> bool:
    return isinstance(value.type, ir.ShapedType)


def _parameter(name: str, value: Any, function: Any) -> InBuffer:
    if _is_tensor(value):
        shape = shape_of(value.type, function)
        dtype = tensor_dtype(value.type, function)
    else:
        shape, dtype = (), element_dtype(value.type, function)
    return InBuffer(tirx.decl_buffer(shape, dtype, name=name), shape, dtype)


def _lower_op(op: Any, environment: Environment) -> None:
    name = op.operation.name
    if name == "linalg.generic":
        lower_generic(op, environment)
    elif name == "arith.constant":
        lower_constant(op, environment)
    elif name in TENSOR_OPS:
        TENSOR_OPS[name](op, environment)
    elif is_scalar_op(name) and not any(map(_is_tensor, op.operation.results)):
        operands = [environment.scalar(operand) for operand in op.operation.operands]
        environment.set_scalar(op.operation.results[0], scalar(op, operands))
    elif name != "cf.assert":
        raise unsupported(
            op,
            "it is not known",
            "tuning takes linalg on tensors, tensor, arith and math operations",
        )


def _return(value: Any, output: InBuffer, environment: Environment) -> None:
    """Write an output that no op has written yet: an argument, a splat, a value returned twice."""
    source: Tensor
    if not _is_tensor(value):
        source = Splat(environment.scalar(value), (), output.dtype)
    else:
        source = environment.tensor(value)
        if isinstance(source, InBuffer) and source.buffer.same_as(output.buffer):
            return
    environment.statements.append(fill_block(environment.name("copy"), output, source.load))


def _prim_func(parameters: list[Any], environment: Environment) -> Any:
    statements = environment.statements
    body = statements[0] if len(statements) == 1 else tirx.SeqStmt(statements)
    function = tirx.PrimFunc(parameters, body)
    complete = tvm_ffi.get_global_func("script.Complete")
    completed = complete(function, environment.allocated, True)
    return completed.with_attr({"global_symbol": "main", "tirx.noalias": True, "s_tir": True})
