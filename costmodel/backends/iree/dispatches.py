"""Which operations of a program IREE compiles together, one kernel each."""

from __future__ import annotations

from costmodel.backends.iree.compiler import staged_text
from costmodel.backends.iree.roots import places_of, tagged
from costmodel.backends.iree.schedules import Settings
from costmodel.ir import parse, walk
from costmodel.ir.structured import is_structured

__all__ = ["find_dispatches", "structured_count"]

#: Made for whoever needs one, in the place of that operation.
_FILL = "linalg.fill"
_DISPATCH = "flow.dispatch.workgroups"


def structured_count(text: str) -> int:
    """Structured operations of a program, fills left out: the most dispatches that it can make."""
    module = parse.parse_trusted(text)
    return sum(
        is_structured(op) and op.operation.name != _FILL for op in walk.operations(module.operation)
    )


def find_dispatches(text: str, settings: Settings | None = None) -> list[frozenset[int]]:
    """For each dispatch, in their order, the structured operations in it by position in ``text``.

    They are formed under the flags and with the cuts of ``settings``.

    An operation may be in several: IREE repeats cheap ones rather than keep their results. Runs
    the compiler up to where it has formed dispatches, before it merges equal ones. Raises
    BackendError where it refuses the program.
    """
    module = parse.parse_trusted(text)
    structured = {
        place for place, op in enumerate(walk.operations(module.operation)) if is_structured(op)
    }
    cut = Settings() if settings is None else settings.tiled({})
    formed = parse.parse_trusted(staged_text(tagged(text, cut), "dispatch-creation", cut.arguments))
    found = []
    for op in walk.operations(formed.operation):
        if op.operation.name != _DISPATCH:
            continue
        places = {
            place
            for inner in walk.operations(op)
            if is_structured(inner) and inner.operation.name != _FILL
            for place in places_of(inner)
        }
        if group := frozenset(places & structured):
            found.append(group)
    return found
