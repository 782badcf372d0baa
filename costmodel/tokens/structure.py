"""What tokens say of a program's structure, read back from them."""

from __future__ import annotations

from dataclasses import dataclass

from costmodel.errors import UsageError
from costmodel.tokens.stream import Kind, TokenStream

__all__ = ["Node", "Source", "structure_of"]


@dataclass(frozen=True)
class Source:
    """What an operand is: a result of an operation or, with ``argument``, of its block's ones."""

    op: int
    number: int
    argument: bool


@dataclass(frozen=True)
class Node:
    """An operation: its name, the operation that it stands in, and what it reads.

    ``parent`` is None for the function itself. An operand is None where it cannot be told.
    """

    name: str
    parent: int | None
    block: int
    operands: tuple[Source | None, ...]


def structure_of(stream: TokenStream) -> tuple[Node, ...]:
    """The operations of a stream, in textual order; of a variant without operands, without these.

    Raises UsageError for tokens that are those of no function.
    """
    names: list[str] = []
    parents: list[tuple[int | None, int]] = []
    operands: list[list[Source | None]] = []
    within: list[list[int]] = []  # operation and block number of each region that is open
    for token in stream:
        if token.kind is Kind.OP:
            names.append(token.word)
            parents.append((within[-1][0], within[-1][1]) if within else (None, 0))
            operands.append([])
        elif token.kind is Kind.STRUCTURE:
            _nest(token.word, token.op, within)
        elif token.kind is Kind.OPERAND:
            operands[token.op].append(_source(token.word, token.op, token.value, token.slot))
    if within:
        raise UsageError("the tokens are not those of a function: a region does not end")
    return tuple(
        Node(name, parent, block, tuple(read))
        for name, (parent, block), read in zip(names, parents, operands, strict=True)
    )


def _nest(word: str, op: int, within: list[list[int]]) -> None:
    if word == "{":
        within.append([op, 0])
    elif not within or within[-1][0] != op:
        raise UsageError("the tokens are not those of a function: a region ends that did not begin")
    elif word == "^":
        within[-1][1] += 1
    else:
        within.pop()


def _source(word: str, op: int, distance: float, number: int) -> Source | None:
    """Distances are values, or, in a variant without these, the ends of words."""
    argument = word.startswith("%arg")
    if distance != distance:  # NaN
        digits = word.removeprefix("%arg" if argument else "%")
        if not digits.isdecimal():
            return None
        distance = float(digits)
    return Source(op - int(distance), number, argument)
