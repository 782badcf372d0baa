"""From a script and its decisions to a module that the transform interpreter runs.

Upstream's meaning of a knob is a constant, of alternatives the region that is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping

from iree.compiler import ir

from costmodel.errors import UsageError
from costmodel.ir import checks, isolate, parse, scripts, source, stand_ins
from costmodel.ir.guards import active
from costmodel.ir.tune_syntax import MARK, rewrite
from costmodel.records import Decision

__all__ = ["resolved"]


def resolved(text: str, function: str, choices: Mapping[str, str]) -> str:
    """The module of one function and of its script, with every decision made by ``choices``.

    ``choices`` are options as text, of exactly the decisions that count. Nothing of ``text`` is
    trusted but that parsing it ends well: raises InputError for what cannot be read, and
    UsageError for choices that are not this script's.
    """
    source.check_text(text, "the script")
    module = parse.parse_vetted(rewrite(text).text, parse.new_context())
    main = scripts.main_sequence(module)
    if main is None:
        raise UsageError("the schedule's text has no script")
    numbers = _numbers(scripts.decisions(main), choices)
    chosen = isolate.choose(module, function)
    checks.check_dialects(chosen)
    payload = isolate.isolate(module, chosen)
    with payload.context, ir.Location.unknown():
        function_there = parse.main_function(payload)
        function_there.attributes["sym_name"] = ir.StringAttr.get(function)
        payload.operation.attributes["transform.with_named_sequence"] = ir.UnitAttr.get()
        with ir.InsertionPoint(payload.body):
            for op in main.operation.parent.regions[0].blocks[0].operations:
                if op.operation.name == "transform.named_sequence":
                    op.operation.clone()
        _decide(payload, numbers)
    return str(payload.operation.get_asm(use_local_scope=True, large_elements_limit=None))


def _numbers(decisions: tuple[Decision, ...], choices: Mapping[str, str]) -> dict[str, int]:
    """Numbers of the chosen options; what does not count is set to the first."""
    numbers = {each.name: 0 for each in decisions}
    for each in decisions:
        if each.name in choices:
            if choices[each.name] not in each.options:
                raise UsageError(f"{choices[each.name]} is no option of {each.name!r}")
            numbers[each.name] = each.options.index(choices[each.name])
    if active(decisions, numbers).keys() != choices.keys():
        raise UsageError("the choices are not those that the script leaves open")
    return numbers


def _decide(module: ir.Module, numbers: Mapping[str, int]) -> None:
    """Replace every knob and all alternatives; those that nothing reaches by anything."""
    regions = {
        op.operation: stand_ins.regions_of(op) for op in stand_ins.alternatives_in(module.operation)
    }
    for outer, loops in list(regions.items())[::-1]:
        _keep_region(outer.opview, loops[_selected(outer.opview, numbers, len(loops))])
    for op in stand_ins.knobs_in(module.operation):
        values = stand_ins.values_of(op) or (stand_ins.fields_of(op)["options"],)  # in no use
        op.attributes["value"] = values[numbers.get(stand_ins.name_of(op), 0)]
        del op.attributes[MARK]


def _selected(op: ir.OpView, numbers: Mapping[str, int], count: int) -> int:
    if not len(op.operands):
        return numbers.get(stand_ins.name_of(op), 0)
    made = op.operands[0].owner
    if isinstance(made, ir.Block):
        return 0  # in a sequence that is never run
    value = made.attributes["value"]
    if stand_ins.is_knob(made):
        knob = made.opview
        value = stand_ins.values_of(knob)[numbers.get(stand_ins.name_of(knob), 0)]
    return int(value.value) if 0 <= value.value < count else 0


def _keep_region(outer: ir.OpView, loop: ir.OpView) -> None:
    """Put the loop of the chosen region, which runs once, in the place of them all."""
    constant = outer.regions[0].blocks[0].operations[0]
    with constant.operation.context:
        number = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 0)
        constant.attributes["value"] = number
    constant.operation.move_before(outer.operation)
    loop.operation.move_before(outer.operation)
    for old, new in zip(outer.operation.results, loop.operation.results, strict=True):
        old.replace_all_uses_with(new)
    outer.operation.erase()
