"""A script with its decisions filled in, in upstream's own syntax, for upstream's tools."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from costmodel.ir.lexer import Token, attribute_end, closing, tokens_of

__all__ = ["filled"]

#: What is written over the text between two offsets.
_Edit = tuple[int, int, str]


def filled(text: str, choices: Mapping[str, str]) -> str:
    """``text`` with ``= VALUE from`` in knobs and ``selected_region = NUMBER`` in alternatives.

    ``choices`` are MLIR attributes by the names of the decisions; what is not named in it, since
    it does not count, stays as it is. ``text`` has to be a script that was read.
    """
    tokens = tokens_of(text)
    edits: list[_Edit] = []
    for place, token in enumerate(tokens):
        after = tokens[place + 1].text if place + 1 < len(tokens) else ""
        if token.text == "transform.tune.knob" and after == "<":
            edits += _knob(tokens, place, choices)
        elif token.text == "transform.tune.alternatives" and after == "<":
            edits += _alternatives(tokens, place, choices)
        elif token.text == '"transform.tune.knob"' and after == "(":
            edits += _fields(tokens, place, "selected", choices, str)
        elif token.text == '"transform.tune.alternatives"' and after == "(":
            edits += _fields(tokens, place, "selected_region_attr", choices, _index)
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _knob(tokens: list[Token], place: int, choices: Mapping[str, str]) -> Iterator[_Edit]:
    choice = choices.get(_plain(tokens[place + 2].text))
    if choice is None:
        return
    bracket = tokens[place + 3]
    if tokens[place + 4].text != "=":
        yield bracket.end, bracket.end, f" = {choice} from"
        return
    end = attribute_end(tokens, place + 5, lambda at: tokens[at].text == "from")
    if end is not None:
        yield tokens[place + 5].start, tokens[end - 1].end, choice


def _alternatives(tokens: list[Token], place: int, choices: Mapping[str, str]) -> Iterator[_Edit]:
    choice = choices.get(_plain(tokens[place + 2].text))
    if choice is None:
        return
    number, bracket = choice.partition(" ")[0], tokens[place + 3]
    if tokens[place + 4].text == "selected_region":
        if not tokens[place + 6].text.startswith("%"):
            yield tokens[place + 6].start, tokens[place + 6].end, number
    else:
        yield bracket.end, bracket.end, f" selected_region = {number}"


def _fields(
    tokens: list[Token],
    place: int,
    key: str,
    choices: Mapping[str, str],
    spelled: Callable[[str], str],
) -> Iterator[_Edit]:
    """In the generic form the selection is a field among others."""
    inside = closing(tokens, place + 1)
    opening = 0 if inside is None else inside + 1
    opening += opening < len(tokens) and tokens[opening].text == "<"
    end = closing(tokens, opening)
    if end is None or tokens[opening].text != "{":
        return
    fields = dict(_split(tokens, opening + 1, end))
    choice = choices.get(_plain(tokens[fields["name"][0]].text)) if "name" in fields else None
    if choice is None:
        return
    new = spelled(choice)
    if key in fields:
        first, last = fields[key]
        yield tokens[first].start, tokens[last].end, new
    else:
        yield tokens[end].start, tokens[end].start, f", {key} = {new}"


def _split(tokens: list[Token], start: int, end: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Key, and first and last token of the value, of each field of a dictionary."""
    while start + 2 < end:
        after = attribute_end(tokens, start + 2, lambda at: tokens[at].text == "," or at >= end)
        after = end if after is None else min(after, end)
        yield _plain(tokens[start].text), (start + 2, after - 1)
        start = after + 1


def _index(choice: str) -> str:
    return f"{choice.partition(' ')[0]} : index"


def _plain(name: str) -> str:
    """A name without its quotes, escapes and all: those of MLIR are ``\\XX`` and ``\\\\``."""

    def unescaped(match: re.Match[str]) -> str:
        simple = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
        return simple.get(match[1]) or chr(int(match[1], 16))

    return re.sub(r'\\([0-9A-Fa-f]{2}|[nt"\\])', unescaped, name.strip('"'))
