"""MLIR text as tokens, as far as brackets, strings, comments and commas need it.

Nothing here knows MLIR's grammar: it is enough to find where an operation's parts begin and end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Token", "attribute_end", "closing", "normal_form", "tokens_of"]

_LEXEME = re.compile(
    r'(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<comment>//[^\n]*)|(?P<arrow>->)'
    r"|(?P<word>[%@#!^]?[\w$.]+)|(?P<mark>\S)"
)
_PAIRS = {"(": ")", "[": "]", "{": "}"}
_OPENING, _CLOSING = "([{", ")]}"


class Token(NamedTuple):
    """A piece of text without white space; ``start`` and ``end`` are offsets in characters."""

    text: str
    start: int
    end: int


def tokens_of(text: str) -> list[Token]:
    """All tokens, comments left out. A string is one token, quotes included."""
    return [
        Token(match[0], match.start(), match.end())
        for match in _LEXEME.finditer(text)
        if match.lastgroup != "comment"
    ]


def closing(tokens: list[Token], place: int) -> int | None:
    """Index of the bracket that closes the one at ``place``; None where there is none."""
    stack: list[str] = []
    for index in range(place, len(tokens)):
        text = tokens[index].text
        if text in _PAIRS:
            stack.append(_PAIRS[text])
        elif text in _PAIRS.values():
            if not stack or stack.pop() != text:
                return None
            if not stack:
                return index
    return None


def attribute_end(tokens: list[Token], place: int, ends: Callable[[int], bool]) -> int | None:
    """Index of the first token from ``place`` on, in no bracket, at which ``ends`` says so.

    Angle brackets count as MLIR's lexer counts them in an attribute of a dialect: an arrow
    closes none, and neither does ``>`` inside another bracket, where it compares. None where a
    bracket closes that was not opened, or the text is over.
    """
    stack: list[str] = []
    for index in range(place, len(tokens)):
        text = tokens[index].text
        if not stack and index > place and ends(index):
            return index
        if text == "<" or text in _PAIRS:
            stack.append(_PAIRS.get(text, ">"))
        elif text in _PAIRS.values() or text == ">":
            if stack and stack[-1] == text:
                stack.pop()
            elif text != ">":
                return None
    return None


def normal_form(text: str) -> str:
    """The text without comments and empty lines, indented by its brackets."""
    lines: list[list[Token]] = [[]]
    position = 0
    for token in tokens_of(text):
        if lines[-1] and "\n" in text[position : token.start]:
            lines.append([])
        lines[-1].append(token)
        position = token.end
    written: list[str] = []
    depth = 0
    for line in filter(None, lines):
        written.append("  " * max(0, depth - (line[0].text in _CLOSING)) + _joined(text, line))
        net = sum((each.text in _OPENING) - (each.text in _CLOSING) for each in line)
        depth += max(-1, min(1, net))  # one step, however many brackets a line opens
    return "\n".join(written) + "\n"


def _joined(text: str, line: list[Token]) -> str:
    """A line's tokens, with one space where there was any."""
    pieces: list[str] = []
    for before, token in zip([None, *line], line, strict=False):
        if before is not None and before.end < token.start:
            pieces.append(" ")
        pieces.append(token.text)
    return "".join(pieces)
