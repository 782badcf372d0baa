"""What a transform script may do and which values its parameters can hold.

Scripts come with files and with shared stores. Operations that run passes by name or that bring
in other files are refused: a pass may write wherever it is told to.
"""

from __future__ import annotations

from collections.abc import Sequence

from iree.compiler import ir
from iree.compiler.dialects import transform

from costmodel.errors import ParseError, UnsupportedError
from costmodel.ir import parse

__all__ = ["LIMIT_OPTIONS", "check_operation", "check_region", "check_values", "included"]

#: A knob with more options is refused; nobody measures that many.
LIMIT_OPTIONS = 4096

#: Of ``transform.NAME``, and of ``transform.GROUP.NAME``; other dialects only in pattern lists.
_REFUSED = frozenset({"apply_registered_pass", "apply_conversion_patterns"})
_GROUPS = frozenset({
    "affine", "apply_patterns", "bufferization", "debug", "func", "loop", "match", "memref",
    "param", "scf", "structured", "tensor", "vector",
})  # fmt: skip
_IREE = frozenset({"apply_licm", "copy_tensor_operand", "decompose_aggregate_op",
                   "eliminate_empty_tensors", "fuse_consumer", "fuse_forall", "match"})  # fmt: skip


def check_operation(op: ir.OpView) -> None:
    """Raise UnsupportedError for an operation that a script may not have."""
    dialect, _, name = str(op.operation.name).partition(".")
    group, _, member = name.partition(".")
    allowed = dialect == "transform" and group not in _REFUSED
    if member:
        allowed = dialect == "transform" and group in _GROUPS
        allowed |= group == "iree" and member.partition(".")[0] in _IREE
    if not allowed:
        raise UnsupportedError(
            f"a script may not use {op.operation.name}",
            location=parse.place(op.location),
            hint="it may match, tile, fuse, pad, pack, generalize, annotate, and apply patterns",
        )


def check_values(name: str, values: Sequence[ir.Attribute], op: ir.OpView) -> None:
    """Raise UnsupportedError for options that the result's type does not take, or too many."""
    if len(values) > LIMIT_OPTIONS:
        raise UnsupportedError(
            f"the knob {name!r} has {len(values)} options; {LIMIT_OPTIONS} are the most",
            location=parse.place(op.location),
        )
    kind = op.results[0].type
    if not isinstance(kind, transform.ParamType):
        return
    for value in values:
        if getattr(value, "type", None) != kind.type:
            raise UnsupportedError(
                f"the option {value} of the knob {name!r} is no {kind.type}, which its type "
                f"{kind} holds",
                location=parse.place(op.location),
                hint="give options of that type, or the result type !transform.any_param",
            )


def check_region(name: str, number: int | None, count: int, op: ir.OpView) -> None:
    """Raise ParseError for the number of a region that is not there."""
    if number is not None and not 0 <= number < count:
        raise ParseError(
            f"region {number} of {name!r} is selected, which has {count} regions",
            location=parse.place(op.location),
            hint="regions are numbered from 0",
        )


def included(op: ir.OpView) -> list[str]:
    """Names of the sequences that an operation runs."""
    found: list[str] = []
    for key in ("target", "matcher", "matchers", "actions"):
        if key not in op.attributes:
            continue
        value = op.attributes[key]
        symbols = value if isinstance(value, ir.ArrayAttr) else [value]
        found += [
            str(each).removeprefix("@").strip('"')
            for each in symbols
            if isinstance(each, ir.SymbolRefAttr | ir.FlatSymbolRefAttr)
        ]
    return found
