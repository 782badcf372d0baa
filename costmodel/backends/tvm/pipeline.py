"""TVM's lowering pipeline, with small tiles kept on the stack and bindings flattened.

The stock pipeline takes every buffer of scope "local" from the heap workspace, once a tile, even
accumulators that belong in registers. An annotation on the allocation prevents that.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any

import tvm
from tvm import tirx
from tvm.s_tir.pipeline import default_s_tir_pipeline

from costmodel.backends.tvm.bindings import flatten_bindings
from costmodel.backends.tvm.trees import with_leaves

__all__ = ["compile_module", "pipeline_name"]

#: Buffers larger than this stay in the heap workspace; thread stacks are 8 MiB by default.
STACK_BYTES = 64 << 10


def compile_module(mod: tvm.IRModule, target: tvm.target.Target) -> Any:
    """Compile a scheduled module; returns TVM's ``Executable``."""
    from costmodel.backends.tvm import intrinsics

    intrinsics.register()
    return tvm.compile(mod, target, tir_pipeline=pipeline_name())


@cache
def pipeline_name() -> str:
    """Register the pipeline once and return its name."""
    from tvm.tirx.compilation_pipeline import register_tir_pipeline

    def pipeline() -> Any:
        stock, host, device = default_s_tir_pipeline()
        body = tvm.ir.transform.Sequential([stock, flatten_bindings, _keep_on_stack])
        return body, host, device

    register_tir_pipeline("costmodel_cpu", pipeline)
    return "costmodel_cpu"


def _annotate_function(func: tirx.PrimFunc, _mod: tvm.IRModule, _context: Any) -> tirx.PrimFunc:
    return func.with_body(with_leaves(func.body, _annotate), func.span)


_keep_on_stack = tirx.transform.prim_func_pass(
    _annotate_function, opt_level=0, name="costmodel.KeepOnStack"
)


def _annotate(stmt: Any) -> Any:
    if not isinstance(stmt, tirx.AllocBuffer) or not _fits_stack(stmt.buffer):
        return stmt
    annotations = dict(stmt.annotations.items()) | {
        "disable_lower_builtin": tirx.const(True, "bool")
    }
    return tirx.stmt.AllocBuffer(stmt.buffer, annotations)


def _fits_stack(buffer: Any) -> bool:
    if buffer.scope() != "local" or not all(
        isinstance(extent, tvm.ir.prim.expr.IntImm) for extent in buffer.shape
    ):
        return False
    bits = tvm.DataType(buffer.dtype).bits * tvm.DataType(buffer.dtype).lanes
    return bool(prod(int(extent) for extent in buffer.shape) * bits // 8 <= STACK_BYTES)
