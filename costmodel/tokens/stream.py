"""A function as a stream of tokens: what is written once and read by every learned model."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

__all__ = ["NUMBER", "Kind", "Token", "TokenStream", "Variant"]

#: The word of a number whose value stands beside it.
NUMBER = "#"


class Kind(enum.IntEnum):
    """What a token says."""

    OP = 0  # an operation begins: its name
    STRUCTURE = 1  # a region or a block begins or ends
    OPERAND = 2  # where a value that the operation reads is made
    TYPE = 3  # of a result, or of an argument of a block
    ATTRIBUTE = 4
    ACCESS = 5  # which loops move an operand of a structured operation
    LOOP = 6  # of the iteration space of a structured operation
    COST = 7  # what follows from the others: how often, how many FLOP of which type, how many bytes
    READ = 8  # what an operand is that has a shape: its element type, its size in bytes


class Variant(enum.StrEnum):
    """How much a model reads; the first two are those of arXiv 2302.11405."""

    OPS = "ops"  # names of operations and the nesting
    OPERANDS = "operands"  # also operands, types and attributes; numbers are words
    VALUES = "values"  # all; numbers by their values


_SHOWN = {
    Variant.OPS: {Kind.OP, Kind.STRUCTURE},
    Variant.OPERANDS: set(Kind) - {Kind.COST, Kind.READ},
    Variant.VALUES: set(Kind),
}


class Token(NamedTuple):
    """One token; ``op`` is the number of the operation that it belongs to, in textual order.

    ``value`` is NaN where there is no number. ``group`` is the operand or result that the token
    is about. ``slot`` is its place there: of sizes, loops and indices counted from the innermost,
    since that is where they matter.
    """

    kind: Kind
    word: str
    op: int
    value: float = math.nan
    group: int = 0
    slot: int = 0


@dataclass(frozen=True)
class TokenStream:
    """The tokens of a function; ``ops`` is the number of its operations."""

    tokens: tuple[Token, ...]
    ops: int = field(default=0)

    def __iter__(self) -> Iterator[Token]:
        return iter(self.tokens)

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def words(self) -> list[str]:
        return [token.word for token in self.tokens]

    def shown(self, variant: Variant) -> TokenStream:
        """The tokens that a variant has. Where numbers are words, ``"#"`` becomes ``"#128"``."""
        if variant is Variant.VALUES:
            return self
        kinds = _SHOWN[variant]
        shown = (token for token in self.tokens if token.kind in kinds)
        return TokenStream(tuple(_spelled(shown)), self.ops)

    def text(self) -> str:
        """The words with spaces between them, each operation on a line of its own."""
        pieces: list[str] = []
        for token in self.tokens:
            begins = token.kind is Kind.OP
            pieces.append(f"{chr(10) if begins and pieces else ' ' if pieces else ''}{token.word}")
        return "".join(pieces)


def _spelled(tokens: Iterable[Token]) -> Iterator[Token]:
    """Numbers become parts of words."""
    for token in tokens:
        known = not math.isnan(token.value)
        yield (
            token._replace(word=f"{token.word}{token.value:g}", value=math.nan) if known else token
        )
