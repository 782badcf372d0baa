"""What an SSA value is while a function is lowered: tensors that can be read at indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tvm import tirx

from costmodel.backends.tvm.lowering.types import Expr, immediate

__all__ = ["InBuffer", "Splat", "Tensor", "Undefined"]


class Tensor(Protocol):
    """A tensor of known shape and dtype, in a buffer or not."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> str: ...

    def load(self, indices: Sequence[Expr]) -> Expr:
        """The element at the indices."""
        ...


@dataclass(frozen=True)
class InBuffer:
    """A tensor whose elements lie in a buffer."""

    buffer: Any
    shape: tuple[int, ...]
    dtype: str

    def load(self, indices: Sequence[Expr]) -> Expr:
        return tirx.BufferLoad(self.buffer, list(indices))


@dataclass(frozen=True)
class Splat:
    """A tensor of equal elements, which needs no memory: what a fill or a splat makes."""

    value: Expr
    shape: tuple[int, ...]
    dtype: str

    def load(self, indices: Sequence[Expr]) -> Expr:
        return self.value


@dataclass(frozen=True)
class Undefined:
    """What ``tensor.empty`` makes. Its elements may be anything; reading them gives zero."""

    shape: tuple[int, ...]
    dtype: str

    def load(self, indices: Sequence[Expr]) -> Expr:
        return immediate(self.dtype, 0)
