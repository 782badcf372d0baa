"""Which blocks of a scheduled program share a nest of loops, and so run as one kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import s_tir

from costmodel.backends.base import Groups

__all__ = ["groups_of"]

#: Blocks that only bring operands into another layout belong to no operation's kernel.
_LAYOUTS = ("_panel", "_offset")


def groups_of(sch: s_tir.Schedule, names: Sequence[str]) -> Groups:
    """The nests in the order of the program; each block by its name in ``names``.

    A block that a schedule has split into several goes by the name that theirs begin with.
    """
    nests: list[tuple[Any, list[str]]] = []
    for block in sch.get_child_blocks(sch.get_sblock("root")):
        made = str(sch.get(block).name_hint)
        if any(layout in made for layout in _LAYOUTS):
            continue
        loops = sch.get_loops(block)
        nest = sch.get(loops[0] if loops else block)
        if not nests or not nests[-1][0].same_as(nest):
            nests.append((nest, []))
        name = _original(made, names)
        if name not in nests[-1][1]:
            nests[-1][1].append(name)
    return tuple(tuple(found) for _, found in nests)


def _original(made: str, names: Sequence[str]) -> str:
    fitting = [name for name in names if made == name or made.startswith(f"{name}_")]
    return max(fitting, key=len, default=made)
