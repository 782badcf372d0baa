"""Tilings for what IREE has made of an operation, by a tuning spec that finds it in its dispatch.

Many operations are rewritten before they are tiled (dimensions collapsed, convolutions brought into
another layout), and what is said of them in the input is lost. IREE reads a tuning spec, a library
of the transform dialect, when all of that is done: it gives a tiling to each operation that looks
like the one in a matcher. A matcher here is the text of a block that holds such an operation.
"""

from __future__ import annotations

from collections.abc import Mapping

from iree.compiler import ir

from costmodel.backends.iree.schedules import Tiling
from costmodel.ir import walk

__all__ = ["SPEC", "matcher_of", "tuning_spec"]

#: What the spec's file is called beside an exported program.
SPEC = "tuning_spec.mlir"

_MODULE = """module @costmodel attributes {{
    transform.with_named_sequence, iree_codegen.tuning_spec_with_default_entrypoint}} {{
  transform.named_sequence @tile(
      %op: !transform.any_op {{transform.readonly}},
      %tiling: !transform.any_param {{transform.readonly}}) {{
    transform.annotate %op "compilation_info" = %tiling : !transform.any_op, !transform.any_param
    transform.yield
  }}
{matchers}  transform.named_sequence @__kernel_config(
      %variant: !transform.any_op {{transform.consumed}}) -> !transform.any_op
      attributes {{iree_codegen.tuning_spec_entrypoint}} {{
    %tiled = transform.foreach_match in %variant
        {uses}
        : (!transform.any_op) -> !transform.any_op
    transform.yield %tiled : !transform.any_op
  }}
}}
"""

_MATCHER = """  transform.named_sequence @match_{number}(
      %op: !transform.any_op {{transform.readonly}}) -> (!transform.any_op, !transform.any_param) {{
    %ins, %outs = transform.iree.match.cast_compatible_dag_from_root %op {{
{block}
    }} : (!transform.any_op) -> (!transform.any_value, !transform.any_value)
    %tiling = transform.param.constant {attribute} -> !transform.any_param
    transform.yield %op, %tiling : !transform.any_op, !transform.any_param
  }}
"""


def tuning_spec(tilings: Mapping[str, Tiling]) -> str:
    """The spec that gives each operation its tiling, by matcher; empty where there is none."""
    if not tilings:
        return ""
    matchers = [
        _MATCHER.format(number=number, block=block, attribute=tiling.attribute())
        for number, (block, tiling) in enumerate(sorted(tilings.items()))
    ]
    uses = [f"@match_{number} -> @tile" for number in range(len(matchers))]
    return _MODULE.format(matchers="".join(matchers), uses=",\n        ".join(uses))


def matcher_of(op: ir.OpView) -> str | None:
    """The matcher of a configured operation, the same wherever it stands.

    None for an operation on buffers, with several results, or whose body reads what is no
    constant from outside: no spec is written for those.
    """
    if len(op.results) != 1 or not isinstance(op.results[0].type, ir.RankedTensorType):
        return None
    captured = list(dict.fromkeys(walk.read_outside(op)))
    if any(isinstance(value.owner, ir.Block) or value.owner.name != "arith.constant"
           for value in captured):  # fmt: skip
        return None
    types = [operand.type for operand in op.operands]
    with op.context, ir.Location.unknown():
        holder = ir.Operation.create("costmodel.matcher", regions=1)
        block = holder.regions[0].blocks.append(*types)
        constants = {value: value.owner.clone() for value in captured}
        known = {value: constant.results[0] for value, constant in constants.items()}
        clone = walk.cloned(op.operation, known)
        for inner in (*constants.values(), clone):
            block.append(inner)
        for number, argument in enumerate(block.arguments):
            clone.operands[number] = argument
        for name in ("lowering_config", "compilation_info"):
            if name in clone.attributes:
                del clone.attributes[name]
        arguments = ", ".join(f"%arg{number}: {kind}" for number, kind in enumerate(types))
        lines = [inner.get_asm(use_local_scope=True) for inner in (*constants.values(), clone)]
    return f"^bb0({arguments}):\n" + "\n".join(line.strip() for line in lines)
