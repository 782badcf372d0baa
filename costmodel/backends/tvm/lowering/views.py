"""Memrefs as TVM's buffers: whole ones, and the parts of them that ``memref.subview`` shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from iree.compiler import ir

from costmodel.backends.tvm.lowering.types import (
    Expr,
    immediate,
    kept_dimensions,
    unsupported,
)

__all__ = ["View", "subview"]

_INDEX = "int64"


@dataclass(frozen=True)
class View:
    """What a memref shows of a buffer: its shape, and the buffer's indices for its own."""

    buffer: Any
    shape: tuple[int, ...]
    place: Callable[[Sequence[Expr]], Sequence[Expr]]

    @classmethod
    def whole(cls, buffer: Any) -> View:
        """The buffer itself."""
        return cls(buffer, tuple(int(extent) for extent in buffer.shape), tuple)


def subview(op: Any, source: View, dynamic: Sequence[Expr]) -> View:
    """What a ``memref.subview`` of ``source`` shows; ``dynamic`` are its operands but the first.

    Raises UnsupportedError for a size that is not known before the program runs.
    """
    unknown = ir.ShapedType.get_dynamic_size()
    given = iter(dynamic)

    def listed(name: str, sentinel: int) -> list[Expr]:
        return [
            next(given) if value == sentinel else immediate(_INDEX, value)
            for value in op.attributes[name]
        ]

    sizes = list(op.attributes["static_sizes"])
    if unknown in sizes:
        raise unsupported(op, "a size is not known", "give every dimension a size")
    offset = ir.ShapedType.get_dynamic_stride_or_offset()
    starts, steps = listed("static_offsets", offset), listed("static_strides", offset)
    shape = tuple(op.results[0].type.shape)
    shown = kept_dimensions(sizes, shape)

    def place(indices: Sequence[Expr]) -> Sequence[Expr]:
        own = dict(zip(shown, indices, strict=True))
        return source.place(
            [
                start + own[axis] * step if axis in own else start
                for axis, (start, step) in enumerate(zip(starts, steps, strict=True))
            ]
        )

    return View(source.buffer, shape, place)
