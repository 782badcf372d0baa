"""Sequences that are told by an argument which region to run: a copy for each that is included.

Upstream decides that while the script runs. Here it has to be known before, so the constant or
the knob that is passed moves into a copy of the sequence, and its copies remain one decision.
"""

from __future__ import annotations

from collections.abc import Iterator

from iree.compiler import ir

from costmodel.errors import UnsupportedError
from costmodel.ir import walk
from costmodel.ir.stand_ins import alternatives_in, refuse

__all__ = ["copy_by_arguments", "sequences_beside"]

#: More copies than these are refused: copies of copies may double each time.
_MOST_COPIES = 64


def sequences_beside(main: ir.OpView) -> dict[str, ir.OpView]:
    """The named sequences of the module that ``main`` is in, by name."""
    return {
        op.attributes["sym_name"].value: op
        for op in main.operation.parent.regions[0].blocks[0].operations
        if op.operation.name == "transform.named_sequence"
    }


def copy_by_arguments(main: ir.OpView) -> None:
    """Change the module of ``main`` so that no argument with a known value selects a region.

    Raises UnsupportedError where that takes too many copies.
    """
    sequences, pending, count = sequences_beside(main), [main], 0
    selectors: dict[str, set[int]] = {}
    while pending:
        for include in list(_includes(pending.pop())):
            callee = sequences.get(_target(include))
            if callee is None:
                continue
            known = {
                place: made
                for place in _selectors(callee, sequences, selectors)
                if (made := _constant(include.operands[place])) is not None
            }
            if not known:
                continue
            count += 1
            if count > _MOST_COPIES:
                raise refuse(UnsupportedError, "too many sequences select by arguments", include)
            name = f"{_target(include)}__{count}"
            while name in sequences:
                name += "_"
            sequences[name] = _copy(callee, name, known)
            with include.operation.context:
                include.attributes["target"] = ir.FlatSymbolRefAttr.get(name)
            pending.append(sequences[name])


def _copy(callee: ir.OpView, name: str, known: dict[int, ir.Operation]) -> ir.OpView:
    """A sequence beside ``callee`` in which the arguments at these places are these constants."""
    with ir.InsertionPoint(callee.operation):
        copied = callee.operation.clone()
    with copied.context:
        copied.attributes["sym_name"] = ir.StringAttr.get(name)
    block = copied.regions[0].blocks[0]
    for place, made in known.items():
        with ir.InsertionPoint.at_block_begin(block):
            constant = made.clone()
        block.arguments[place].replace_all_uses_with(constant.results[0])
    return copied.opview


def _selectors(
    sequence: ir.OpView, sequences: dict[str, ir.OpView], found: dict[str, set[int]]
) -> set[int]:
    """Places of the arguments that select a region, here or in what is included.

    They are kept in ``found`` by name.
    """
    name = sequence.attributes["sym_name"].value
    if name in found or not sequence.regions[0].blocks:
        return found.setdefault(name, set())
    arguments = list(sequence.regions[0].blocks[0].arguments)
    selecting = [op.operands[0] for op in alternatives_in(sequence) if len(op.operands)]
    for include in _includes(sequence):
        callee = sequences.get(_target(include))
        if callee is not None:  # no sequence includes itself: MLIR has seen to that
            selecting += [include.operands[n] for n in _selectors(callee, sequences, found)]
    places = {place for place, argument in enumerate(arguments) if argument in selecting}
    return found.setdefault(name, places)


def _includes(sequence: ir.OpView) -> Iterator[ir.OpView]:
    return (op for op in walk.operations(sequence) if op.operation.name == "transform.include")


def _target(include: ir.OpView) -> str:
    return str(include.attributes["target"]).removeprefix("@").strip('"')


def _constant(value: ir.Value) -> ir.Operation | None:
    made = value.owner
    if isinstance(made, ir.Block) or made.name != "transform.param.constant":
        return None
    return made
