"""Going through the tokens of an operation, with an error at the one that is not expected."""

from __future__ import annotations

from typing import NoReturn

from costmodel.errors import ParseError
from costmodel.ir.lexer import Token, attribute_end, closing, tokens_of
from costmodel.ir.rewritten import place_of

__all__ = ["Cursor", "split_types"]


class Cursor:
    """The tokens of ``source``; ``next`` is the number of the one that comes next.

    What is not as expected raises ParseError at its line and column (in bytes).
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = tokens_of(source)
        self.next = 0
        self.operation = ""  # what is being read

    def types(self) -> str:
        """Types with commas between them, up to the brace or the arrow that follows."""
        start = self.next
        end = attribute_end(self.tokens, start, lambda at: self.text_at(at) in ("->", "{"))
        if end is None or end == start:
            self.fail("expected a type", start)
        self.next = end
        return self.between(start, end)

    def one_type(self) -> str:
        start = self.next
        self.take()
        if self.text_at(self.next) == "<":
            end = attribute_end(self.tokens, self.next, lambda at: True)
            self.next = len(self.tokens) if end is None else end
        return self.between(start, self.next)

    def number_of_result(self) -> str:
        """``#1`` of ``%pair#1``."""
        token = self.tokens[self.next] if self.next < len(self.tokens) else None
        if token is None or not token.text.startswith("#") or not token.text[1:].isdecimal():
            return ""
        self.next += 1
        return token.text

    def between(self, start: int, end: int) -> str:
        """The source from the token ``start`` to before the token ``end``, on one line."""
        if start >= end:
            return ""
        return " ".join(token.text for token in self._joined(start, end))

    def _joined(self, start: int, end: int) -> list[Token]:
        """Tokens, with those that touch each other put together."""
        found: list[Token] = []
        for token in self.tokens[start:end]:
            if found and found[-1].end == token.start:
                last = found.pop()
                token = Token(last.text + token.text, last.start, token.end)
            found.append(token)
        return found

    def text_at(self, place: int) -> str:
        return self.tokens[place].text if place < len(self.tokens) else ""

    def take(self) -> Token:
        if self.next >= len(self.tokens):
            self.fail(f"{self.operation} is not complete")
        self.next += 1
        return self.tokens[self.next - 1]

    def accept(self, text: str) -> bool:
        found = self.text_at(self.next) == text
        self.next += found
        return found

    def expect(self, text: str) -> None:
        if not self.accept(text):
            self.fail(f"expected {text!r} in {self.operation}")

    def close(self, place: int) -> int:
        end = closing(self.tokens, place)
        if end is None:
            self.fail(f"the bracket {self.text_at(place)!r} is not closed as it was opened", place)
        return end

    def fail(self, message: str, place: int | None = None) -> NoReturn:
        place = self.next if place is None else place
        if place < len(self.tokens):
            offset = self.tokens[place].start
        else:  # the text is over
            offset = self.tokens[-1].end if self.tokens else 0
        raise ParseError(
            message,
            location=place_of(self.source, offset),
            hint='write it as upstream MLIR does: transform.tune.knob<"name"> options = [1, 2] '
            '-> !transform.any_param, transform.tune.alternatives<"name"> { ... }, { ... }',
        )


def split_types(types: str) -> list[str]:
    """The types between the commas that are in no bracket."""
    found, depth = [""], 0
    for token in tokens_of(types):
        depth += (token.text in "([{<") - (token.text in ")]}>")
        if token.text == "," and not depth:
            found.append("")
        else:
            found[-1] += token.text
    return [each for each in found if each]
