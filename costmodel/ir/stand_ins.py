"""What stands for upstream's ``tune`` operations in a module whose text was rewritten."""

from __future__ import annotations

from iree.compiler import ir

from costmodel.errors import InputError, ParseError
from costmodel.ir import parse, walk
from costmodel.ir.tune_syntax import MARK

__all__ = [
    "alternatives_in",
    "fields_of",
    "is_alternatives",
    "is_knob",
    "knobs_in",
    "name_of",
    "refuse",
    "regions_of",
    "selected_of",
    "values_of",
]


def is_knob(op: ir.OpView | ir.Operation) -> bool:
    """Whether an operation is a rewritten knob."""
    return MARK in op.attributes and op.operation.name == "transform.param.constant"


def is_alternatives(op: ir.OpView | ir.Operation) -> bool:
    """Whether an operation holds the regions of rewritten ``alternatives``."""
    return MARK in op.attributes and op.operation.name == "transform.foreach"


def knobs_in(root: ir.OpView | ir.Operation) -> list[ir.OpView]:
    """Every rewritten knob inside ``root``."""
    return [op for op in walk.operations(root) if is_knob(op)]


def alternatives_in(root: ir.OpView | ir.Operation) -> list[ir.OpView]:
    """Every rewritten ``alternatives`` inside ``root``, outer ones first."""
    return [op for op in walk.operations(root) if is_alternatives(op)]


def regions_of(op: ir.OpView) -> list[ir.OpView]:
    """The loops of rewritten ``alternatives``, one for each region."""
    return list(op.regions[0].blocks[0].operations)[1:-1]


def name_of(op: ir.OpView) -> str:
    """The name in a rewritten operation. Raises ParseError where it has none."""
    fields = fields_of(op)
    if "name" not in fields or not isinstance(fields["name"], ir.StringAttr):
        raise refuse(ParseError, "it has no name", op)
    return str(fields["name"].value)


def fields_of(op: ir.OpView) -> ir.DictAttr:
    """Name, options and selection of a rewritten operation."""
    if op.operation.name == "transform.foreach":
        op = op.regions[0].blocks[0].operations[0]
    value = op.attributes["value"]
    if not isinstance(value, ir.DictAttr):
        raise refuse(ParseError, "it has no name and no options", op)
    return value


def selected_of(op: ir.OpView) -> ir.Attribute | None:
    """What the file itself selects of a rewritten knob."""
    fields = fields_of(op)
    return fields["selected"] if "selected" in fields else None  # noqa: SIM401 (no dictionary)


def values_of(op: ir.OpView) -> tuple[ir.Attribute, ...]:
    """The options of a rewritten knob, each once.

    Where they are no list, as upstream allows beside a selection, the selected one alone.
    """
    options, selected = fields_of(op)["options"], selected_of(op)
    if isinstance(options, ir.ArrayAttr):
        return tuple(dict.fromkeys(options))
    return () if selected is None else (selected,)


def refuse(
    kind: type[InputError], message: str, op: ir.OpView, hint: str | None = None
) -> InputError:
    """An error at the place of an operation."""
    return kind(message, location=parse.place(op.location), hint=hint)
