"""StableHLO as frameworks export it, turned into linalg on tensors by IREE's own passes."""

from __future__ import annotations

from iree.compiler import ir

from costmodel.ir import parse, walk

__all__ = ["is_stablehlo", "lower"]

_DIALECTS = frozenset({"stablehlo", "chlo", "vhlo"})
#: Exporters put activations into functions of their own, which linalg kernels must not call.
_PIPELINE = "builtin.module(iree-stablehlo-input-transformation-pipeline,inline,symbol-dce)"


def is_stablehlo(module: ir.Module) -> bool:
    """Whether any operation is one of StableHLO's dialects."""
    return any(walk.dialect_of(op) in _DIALECTS for op in walk.operations(module.operation))


def lower(module: ir.Module) -> str:
    """The module as linalg on tensors, with calls inlined; the given one is changed.

    Raises UnsupportedError, at the operation where MLIR names one, for what has no such form.
    """
    parse.run_passes(_PIPELINE, module, failure="this StableHLO has no form as linalg on tensors")
    return str(module.operation.get_asm(use_local_scope=True, large_elements_limit=None))
