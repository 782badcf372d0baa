"""Which operations IREE makes one dispatch of, read from the program after they were formed."""

from __future__ import annotations

import re

from costmodel.backends.base import Groups
from costmodel.backends.iree.compiler import configured_text
from costmodel.backends.iree.roots import tagged
from costmodel.backends.iree.schedules import Settings
from costmodel.ir import parse, walk
from costmodel.ir.structured import is_structured

__all__ = ["find_groups"]

_PLACES = re.compile(r'"costmodel:(\d+)"')


def find_groups(text: str, settings: Settings) -> Groups:
    """Structured operations by dispatch, in order; an operation may be in several.

    Fills are left out: they go wherever they are needed. Equal dispatches are one executable, so
    that only the operations of the first show. Raises BackendError where the compiler refuses.
    """
    names = _names(text)
    module = parse.parse_trusted(configured_text(tagged(text, settings), flags=settings.arguments))
    groups: dict[tuple[str, ...], None] = {}
    for executable in walk.operations(module.operation):
        if executable.operation.name != "hal.executable":
            continue
        places = {
            int(place)
            for op in walk.operations(executable)
            if is_structured(op)  # loads, stores and copies carry what they serve
            for place in _PLACES.findall(str(op.operation.location))
        }
        group = tuple(names[place] for place in sorted(places) if place in names)
        if group:
            groups.setdefault(group)
    return tuple(groups)


def _names(text: str) -> dict[int, str]:
    module = parse.parse_trusted(text)
    return {
        place: f"{op.operation.name.partition('.')[2]}@{place}"
        for place, op in enumerate(walk.operations(module.operation))
        if is_structured(op) and op.operation.name != "linalg.fill"
    }
