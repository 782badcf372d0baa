"""What a transform script leaves open, read from a module whose ``tune`` operations were rewritten.

Read is what ``@__transform_main`` reaches. A decision's name is the decision: a knob that stands
in two places takes one value, and its options have to be the same in both.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from iree.compiler import ir

from costmodel.errors import ParseError, UnsupportedError
from costmodel.ir import parse, script_checks, walk
from costmodel.ir.includes import copy_by_arguments, sequences_beside
from costmodel.ir.lexer import normal_form
from costmodel.ir.stand_ins import (
    fields_of,
    is_alternatives,
    is_knob,
    name_of,
    refuse,
    regions_of,
    selected_of,
    values_of,
)
from costmodel.records import Decision, Script

__all__ = ["decisions", "main_sequence", "read_script"]

#: A schedule carries the script's whole file.
LIMIT_CHARACTERS = 256 << 10
#: More choices under which one decision counts are refused.
_MOST_GUARDS = 64
#: Sequences that are run under more sets of choices, all taken together, are refused.
_MOST_PLACES = 1024

#: ``(name of a decision, number of an option)``, all of which have to be chosen.
Guard = tuple[tuple[str, int], ...]


@dataclass
class Choice:
    """A decision as it is found; ``kind`` is ``knob`` or ``alternatives``."""

    name: str
    kind: str
    options: tuple[ir.Attribute, ...]
    selected: int | None
    guards: list[Guard] = field(default_factory=list)

    def decision(self) -> Decision:
        texts = tuple(str(option) for option in self.options)
        return Decision(self.name, texts, self.selected, tuple(self.guards))


def read_script(module: ir.Module, text: str, function: ir.OpView) -> Script | None:
    """The script that ``text``, parsed as ``module``, has for one of its functions, if any.

    Raises ParseError and UnsupportedError as ``main_sequence`` and ``decisions`` do.
    """
    main = main_sequence(module)
    if main is None:
        return None
    found = decisions(main)
    normal = normal_form(text)
    if len(normal) > LIMIT_CHARACTERS:
        raise refuse(
            UnsupportedError,
            f"a file with a transform script has {len(normal) >> 10} KiB of text; "
            f"{LIMIT_CHARACTERS >> 10} are the most, since every schedule carries it", main,
            "make large constants arguments",
        )  # fmt: skip
    return Script(normal, function.name.value, found)


def main_sequence(module: ir.Module) -> ir.OpView | None:
    """The sequence ``@__transform_main``; None for a file without any transform operation.

    Raises UnsupportedError where there are transform operations and not one such sequence.
    """
    sequences = [
        op for op in walk.operations(module.operation) if walk.dialect_of(op) == "transform"
    ]
    mains = [
        op
        for op in sequences
        if op.operation.name == "transform.named_sequence"
        and op.attributes["sym_name"].value == "__transform_main"
    ]
    if not sequences:
        return None
    if len(mains) != 1 or not mains[0].regions[0].blocks:
        there = f"{len(mains)} sequences @__transform_main" if mains else "no @__transform_main"
        raise UnsupportedError(
            f"the transform script has {there}, which is where it begins",
            location=parse.place((mains[1:] or sequences)[0].location),
            hint="write one `transform.named_sequence @__transform_main(%module: "
            "!transform.any_op {transform.readonly})` with a body",
        )
    return mains[0]


def decisions(main: ir.OpView) -> tuple[Decision, ...]:
    """All that is left open, in the order of the text; ``includes`` may copy sequences first.

    Raises ParseError where upstream MLIR would refuse, UnsupportedError where there is nothing
    to choose from, a choice cannot be known, or an operation may not be used.
    """
    try:
        copy_by_arguments(main)
        reader = _Reader(main)
        reader.sequence(main, ())
    except RecursionError:
        raise refuse(UnsupportedError, "the script is nested too deeply", main) from None
    reader.count_uses()
    return tuple(choice.decision() for choice in reader.found.values())


class _Reader:
    """Follows the script from its main sequence through what that includes."""

    def __init__(self, main: ir.OpView) -> None:
        self.found: dict[str, Choice] = {}
        self._sequences = sequences_beside(main)
        self._open: list[str] = []
        self._places: set[tuple[str, Guard]] = set()
        self._guards: dict[ir.Operation, list[Guard]] = {}
        self._knobs: list[tuple[Choice, ir.OpView]] = []

    def sequence(self, op: ir.OpView, guard: Guard) -> None:
        name = op.attributes["sym_name"].value
        if name in self._open:
            raise refuse(UnsupportedError, f"the sequence @{name} includes itself", op)
        if (name, guard) in self._places or not op.regions[0].blocks:
            return
        self._places.add((name, guard))
        if len(self._places) > _MOST_PLACES:
            raise refuse(UnsupportedError, "the sequences are included in too many ways", op)
        self._open.append(name)
        self._block(op, guard)
        self._open.pop()

    def count_uses(self) -> None:
        """A knob counts where something that runs reads it; one that nothing reads never does."""
        for choice, op in self._knobs:
            for use in op.results[0].uses:
                for guard in self._guards.get(use.owner.operation, []):
                    self._allow(choice, guard, op)

    def _block(self, parent: ir.OpView, guard: Guard) -> None:
        for region in parent.regions:
            for block in region.blocks:
                for op in block.operations:
                    self._operation(op, guard)

    def _operation(self, op: ir.OpView, guard: Guard) -> None:
        script_checks.check_operation(op)
        self._guards.setdefault(op.operation, []).append(guard)
        if is_knob(op):
            self._knobs.append((self._enter(self._knob(op), op), op))
        elif is_alternatives(op):
            self._alternatives(op, guard)
        else:
            for name in script_checks.included(op):
                if name in self._sequences:
                    self.sequence(self._sequences[name], guard)
            self._block(op, guard)

    def _knob(self, op: ir.OpView) -> Choice:
        """Raises an error for a knob that nothing can resolve."""
        name, fields = name_of(op), fields_of(op)
        if "options" not in fields:
            raise refuse(UnsupportedError, f"the knob {name!r} has no options", op)
        options, selected = fields["options"], selected_of(op)
        if not isinstance(options, ir.ArrayAttr) and selected is None:
            raise refuse(
                UnsupportedError, f"the options of the knob {name!r} are no list, {options}", op,
                "list the values to choose from: options = [1, 2, 4]",
            )  # fmt: skip
        values = values_of(op)
        if not values:
            raise refuse(UnsupportedError, f"the knob {name!r} has an empty list of options", op)
        script_checks.check_values(name, values, op)
        if selected is not None and selected not in values:
            message = f"the knob {name!r} is {selected}, which is none of its options"
            raise refuse(ParseError, message, op, f"choose one of {options}")
        return Choice(name, "knob", values, None if selected is None else values.index(selected))

    def _alternatives(self, op: ir.OpView, guard: Guard) -> None:
        """Its regions count only where they are chosen."""
        name, fields, regions = name_of(op), fields_of(op), regions_of(op)
        if len(op.operands):
            by_region = self._by_param(name, op, len(regions))
        else:
            spelled = next((f for f in ("selected", "selected_region_attr") if f in fields), None)
            number = None if spelled is None else fields[spelled]
            if not isinstance(number, ir.IntegerAttr | None):
                raise refuse(ParseError, f"{number} is no number of a region of {name!r}", op)
            chosen = None if number is None else number.value
            script_checks.check_region(name, chosen, len(regions), op)
            with op.operation.context:
                index = ir.IntegerType.get_signless(64)
                numbers = tuple(ir.IntegerAttr.get(index, n) for n in range(len(regions)))
            choice = self._enter(Choice(name, "alternatives", numbers, chosen), op)
            self._allow(choice, guard, op)
            by_region = [[((name, number),)] for number in range(len(regions))]
        for region, ways in zip(regions, by_region, strict=True):
            for way in ways:
                if (inner := _both(guard, way)) is not None:
                    self._block(region, inner)

    def _by_param(self, name: str, op: ir.OpView, count: int) -> list[list[Guard]]:
        """For each region, under which choices the parameter selects it."""
        made = op.operands[0].owner
        if isinstance(made, ir.Block) or made.name != "transform.param.constant":
            raise refuse(
                UnsupportedError,
                f"what selects the region of {name!r} is neither a knob nor a constant", op,
                "select by a knob or a transform.param.constant, also as an argument of a sequence",
            )  # fmt: skip
        knob = is_knob(made)
        options = self._knob(made.opview).options if knob else (made.attributes["value"],)
        by_region: list[list[Guard]] = [[] for _ in range(count)]
        for number, option in enumerate(options):
            if not isinstance(option, ir.IntegerAttr):
                raise refuse(UnsupportedError, f"{option} is no number of a region of {name!r}", op)
            script_checks.check_region(name, option.value, count, op)
            by_region[option.value].append(((name_of(made.opview), number),) if knob else ())
        return by_region

    def _enter(self, choice: Choice, op: ir.OpView) -> Choice:
        """The decision of that name, which has to be the same one."""
        known = self.found.setdefault(choice.name, choice)
        if (known.kind, known.options) != (choice.kind, choice.options):
            raise refuse(
                UnsupportedError, f"there are two decisions {choice.name!r} with different options",
                op, "the same name is the same decision: give the other one another name",
            )  # fmt: skip
        if known.selected is not None and choice.selected not in (None, known.selected):
            raise refuse(UnsupportedError, f"{choice.name!r} is selected in two ways", op)
        known.selected = choice.selected if known.selected is None else known.selected
        return known

    def _allow(self, choice: Choice, guard: Guard, op: ir.OpView) -> None:
        """Have a decision count under these choices too; fewer of them say more."""
        if any(set(known) <= set(guard) for known in choice.guards):
            return
        choice.guards = [known for known in choice.guards if not set(guard) <= set(known)]
        choice.guards.append(guard)
        if len(choice.guards) > _MOST_GUARDS:
            raise refuse(UnsupportedError, f"{choice.name!r} stands in too many places", op)


def _both(guard: Guard, more: Guard) -> Guard | None:
    """Both sets of choices; None where they contradict each other."""
    chosen = dict(guard)
    for name, number in more:
        if chosen.setdefault(name, number) != number:
            return None
    return tuple(sorted(chosen.items()))
