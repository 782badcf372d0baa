"""Which operations IREE makes one dispatch of, by name."""

from __future__ import annotations

from costmodel.backends.base import Groups
from costmodel.backends.iree.dispatches import find_dispatches
from costmodel.backends.iree.schedules import Settings
from costmodel.ir import parse, walk

__all__ = ["find_groups"]


def find_groups(text: str, settings: Settings) -> Groups:
    """Structured operations by dispatch, in order, as ``name@position``; one may be in several.

    Fills are left out: they go wherever they are needed. Raises BackendError where the compiler
    refuses the program under the settings.
    """
    module = parse.parse_trusted(text)
    names = [op.operation.name for op in walk.operations(module.operation)]
    return tuple(
        tuple(f"{names[place].partition('.')[2]}@{place}" for place in sorted(group))
        for group in find_dispatches(text, settings)
    )
