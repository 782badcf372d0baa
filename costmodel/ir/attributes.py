"""Which attributes of an operation say what it computes, and which are somebody's remarks."""

from __future__ import annotations

from iree.compiler import ir

__all__ = ["idle"]

#: Attributes that are part of an operation's definition and still say nothing about it.
_IDLE = frozenset({"doc", "library_call"})


def idle(op: ir.OpView) -> list[str]:
    """The attributes that the operation's definition does not know, and the idle ones."""
    if type(op) is ir.OpView:
        return []  # the bindings do not know this operation's definition: all may matter
    return [name for name in op.attributes if name in _IDLE or not _is_defined(type(op), name)]


def _is_defined(definition: type, name: str) -> bool:
    """Whether ``name`` is an attribute of an operation's definition.

    The generated class of an operation has one property for each operand, result and attribute;
    those of attributes read ``attributes``. Segment sizes have none, and belong to it.
    """
    if name.endswith("SegmentSizes"):
        return True
    accessor = getattr(definition, name, None)
    if not isinstance(accessor, property) or accessor.fget is None:
        return False
    return "attributes" in accessor.fget.__code__.co_names
