"""Readable names for blocks, from what a ``linalg.generic`` does."""

from __future__ import annotations

from typing import Any

from iree.compiler import ir

from costmodel.backends.tvm.lowering.affine import dims_of, plain_dims

__all__ = ["generic_name"]

_REDUCTIONS = {
    "arith.addf": "sum", "arith.addi": "sum", "arith.mulf": "prod", "arith.muli": "prod",
    "arith.maximumf": "max", "arith.maxnumf": "max", "arith.maxsi": "max", "arith.maxui": "max",
    "arith.minimumf": "min", "arith.minnumf": "min", "arith.minsi": "min", "arith.minui": "min",
    "arith.andi": "all", "arith.ori": "any",
}  # fmt: skip

_SILENT = {"arith.constant", "linalg.index", "linalg.yield", "cf.assert"}


def generic_name(op: Any, reductions: frozenset[int]) -> str:
    """``matmul``, ``conv``, ``sum``, ``exp``, ``transpose``: a word for the op's block."""
    block = op.operation.regions[0].blocks[0]
    maps = [attribute.value for attribute in op.operation.attributes["indexing_maps"]]
    words = [body.operation.name for body in block.operations if body.operation.name not in _SILENT]
    if reductions:
        return _reduction_name(words, maps, reductions)
    if not words:
        return _movement_name(maps)
    return "_".join(word.split(".")[-1].removesuffix("f").removesuffix("i") for word in words[-3:])


def _reduction_name(words: list[str], maps: list[Any], reductions: frozenset[int]) -> str:
    compound = any(
        not isinstance(result, ir.AffineDimExpr) and len(dims_of(result)) > 1
        for result in maps[0].results
    )
    multiplies = any(word.startswith("arith.mul") or word == "math.fma" for word in words[:-1])
    if multiplies and len(maps) == 3:
        shared = set.intersection(*({d for d in plain_dims(m) if d is not None} for m in maps))
        if compound:
            return "depthwise_conv" if shared else "conv"
        return "batch_matmul" if shared - reductions else "matmul"
    last = _REDUCTIONS.get(words[-1], "reduce") if words else "reduce"
    return f"pool_{last}" if compound else last


def _movement_name(maps: list[Any]) -> str:
    source, target = plain_dims(maps[0]), plain_dims(maps[-1])
    if len(maps) != 2:
        return "copy"
    if not source:
        return "fill"
    if set(source) < set(target):
        return "broadcast"
    return "copy" if source == target else "transpose"
