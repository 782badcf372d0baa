"""Upstream's ``transform.tune`` operations in the words of operations that these bindings know.

The MLIR at hand does not register ``transform.tune.knob`` and ``transform.tune.alternatives``,
and a transform script may hold none but registered operations. So their syntax, and no other, is
rewritten before MLIR parses the text: a knob to a constant parameter whose value is a dictionary
of ``name``, ``options`` and ``selected``; alternatives to a loop over a constant for each region,
within a loop that holds them all. A discardable attribute, ``MARK``, tells them from others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from costmodel.errors import ParseError
from costmodel.ir.rewritten import Piece, Rewritten, place_of
from costmodel.ir.tokens import Token, attribute_end, closing, tokens_of

__all__ = ["MARK", "rewrite"]

MARK = "costmodel_tune"
_KNOB, _ALTERNATIVES = "transform.tune.knob", "transform.tune.alternatives"
#: MLIR's verifier takes several times as long for each level of loops in loops.
LIMIT_NESTING = 6
_ANY = "!transform.any_param"
#: MLIR names these in its messages where the user wrote the other.
_STAND_INS = {_KNOB: "transform.param.constant", _ALTERNATIVES: "transform.foreach"}


def rewrite(source: str) -> Rewritten:
    """The text with every ``transform.tune`` operation rewritten; all else is as it was.

    Raises ParseError, in bytes' columns and without a file, for one that is not written as
    upstream MLIR reads it.
    """
    if _KNOB not in source and _ALTERNATIVES not in source:
        return Rewritten(source, [Piece(source, 0, None)], {})
    writer = _Writer(source)
    writer.copy_until(len(writer.tokens))
    writer.copy(writer.position, len(source))
    return Rewritten(source, writer.pieces, _STAND_INS)


class _Writer:
    """Goes through the tokens once and writes the pieces of the new text."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = tokens_of(source)
        self.pieces: list[Piece] = []
        self.position = 0  # offset up to which the source is dealt with
        self._next = 0  # token that comes next
        self._operation = ""
        self._start = 0
        self._count = self._depth = 0
        self._prefix = "costmodel"
        while f"%{self._prefix}" in source:  # names of our own
            self._prefix += "_"

    # Writing

    def copy(self, start: int, end: int) -> None:
        if end > start:
            self.pieces.append(Piece(self.source[start:end], start, None))
        self.position = max(self.position, end)

    def write(self, text: str) -> None:
        self.pieces.append(Piece(text, self._start, self._operation))

    def copy_until(self, end: int) -> None:
        """Copy the source up to the token ``end``, rewriting the operations on the way."""
        while self._next < end:
            token = self.tokens[self._next]
            following = self._text(self._next + 1)
            known = token.text.strip('"') in _STAND_INS
            if known and (token.text[0] == '"') == (following == "(") and following in ("<", "("):
                self.copy(self.position, token.start)
                outer = self._operation, self._start
                self._operation, self._start = token.text.strip('"'), token.start
                self._operation_at(generic=token.text[0] == '"')
                self._operation, self._start = outer
            elif known and token.text[0] != '"' and following not in ("=", ",", "}", "]"):
                self._fail(f'expected <"name"> after {token.text}', self._next)
            else:
                self._next += 1

    def _operation_at(self, *, generic: bool) -> None:
        knob = self._operation == _KNOB
        if generic:
            self._generic_knob() if knob else self._generic_alternatives()
        else:
            self._knob() if knob else self._alternatives()

    # The operations

    def _knob(self) -> None:
        """``transform.tune.knob<NAME> (= ATTRIBUTE from)? options = ATTRIBUTE {..}? -> TYPE``."""
        name = self._name()
        self.write(f'"transform.param.constant"() <{{value = {{name = {name.text}')
        if self._accept("="):
            self._field("selected", lambda at: self._text(at) == "from", "'from' and the options")
            self._expect("from")
        if not self._accept("options"):
            self._fail("expected 'options = [...]': a knob without options has no value to take")
        self._expect("=")
        self._field("options", lambda at: self._text(at) in ("->", "{"), "'->' and a type")
        self.write(f"}}}}> {{{MARK}}} : () -> ")
        if self._text(self._next) == "{":
            self._next = self._close(self._next) + 1
        self._expect("->")
        self.position = self.tokens[self._next].start if self._next < len(self.tokens) else 0

    def _field(self, name: str, ends: Callable[[int], bool], expected: str) -> None:
        self.write(f", {name} = ")
        end = attribute_end(self.tokens, self._next, ends)
        if end is None or end == self._next or self._text(self._next) in ("from", "->"):
            self._fail(f"expected an attribute, and then {expected}")
        self.copy(self.tokens[self._next].start, self.tokens[end - 1].end)
        self._next = end

    def _generic_knob(self) -> None:
        """``"transform.tune.knob"() <{...}> {...}? : () -> TYPE``; ``{...}`` alone in old text."""
        self._next += 1
        self._expect("(")
        self._expect(")")
        properties = self._accept("<")
        if self._text(self._next) != "{":
            self._fail("expected the name and the options of the knob")
        end = self._close(self._next)
        self.write('"transform.param.constant"() <{value = ')
        self.copy(self.tokens[self._next].start, self.tokens[end].end)
        self._next = end + 1
        self.write(f"}}> {{{MARK}}} ")
        if properties:
            self._expect(">")
        if self._text(self._next) == "{":
            self._next = self._close(self._next) + 1
        self.position = self.tokens[self._next].start if self._next < len(self.tokens) else 0

    def _alternatives(self) -> None:
        """Name, ``selected_region = NUMBER or %param``, types, and then the regions."""
        name = self._name()
        selected, param = "", ""
        if self._accept("selected_region"):
            self._expect("=")
            chosen = self._take()
            if chosen.text.startswith("%"):
                param = chosen.text + self._number_of_result()
            elif chosen.text.isdecimal():
                selected = f", selected = {chosen.text}"
            else:
                self._fail("expected the number of a region or a parameter", self._next - 1)
        if self._accept("attributes"):
            self._next = self._close(self._next) + 1
        param_type = self._types() if self._accept(":") else ""
        types = self._types() if self._accept("->") else ""
        if bool(param) != bool(param_type):
            self._fail("a parameter that selects the region is followed by ':' and its type")
        regions = self._regions(self._next, "{")
        self._loops(f"{{name = {name.text}{selected}}}", param, param_type, types, regions)

    def _generic_alternatives(self) -> None:
        """``"..."(%param?) <{...}> ({...}, {...}) {...}? : (TYPE?) -> TYPES``."""
        self._next += 1
        inside = self._close(self._next)
        param = self._between(self._next + 1, inside)
        self._next = inside + 1
        properties, given = self._accept("<"), "{}"
        if self._text(self._next) == "{":
            end = self._close(self._next)
            given = self._between(self._next, end + 1)
            self._next = end + 1
        if properties:
            self._expect(">")
        if self._text(self._next) != "(":
            self._fail("expected the regions, in parentheses")
        begin, end = self._next, self._close(self._next)
        self._next = end + 1
        if self._text(self._next) == "{":
            self._next = self._close(self._next) + 1
        self._expect(":")
        operands_end = self._close(self._next)
        param_type = self._between(self._next + 1, operands_end)
        self._next = operands_end + 1
        self._expect("->")
        after = self._next
        if self._text(after) == "(":
            after = self._close(after) + 1
            types = self._between(self._next + 1, after - 1)
        else:
            types = self._one_type()
            after = self._next
        regions = self._regions(begin + 1, "{")
        self._loops(given, param, param_type, types, regions)
        self._next, self.position = after, self.tokens[after - 1].end

    def _loops(
        self,
        given: str,
        param: str,
        param_type: str,
        types: str,
        regions: list[tuple[int, int]],
    ) -> None:
        """A loop for each region over one constant, in a loop over the parameter, if any."""
        self._count += 1
        self._depth += 1
        if self._depth > LIMIT_NESTING:
            self._fail(f"more than {LIMIT_NESTING} alternatives are nested, which is too deep")
        own = f"%{self._prefix}{self._count}"
        count = len(_split(types))
        argument = f"^bb0({own}p: {param_type}): " if param else ""
        self.write(f'"transform.foreach"({param}) ({{ {argument}')
        self.write(f'{own}c = "transform.param.constant"() <{{value = {given}}}> : () -> {_ANY} ')
        for number, (start, end) in enumerate(regions):
            result = f"{own}r{number}:{count} = " if count else ""
            arrow = f" -> {types}" if count else ""
            self.write(f"{result}transform.foreach {own}c : {_ANY}{arrow} {{ ")
            self.write(f"^bb0({own}u{number}: {_ANY}): ")
            self._next, self.position = start + 1, self.tokens[start].end
            self.copy_until(end)
            self.copy(self.position, self.tokens[end].start)
            self.write("} ")
        values = ", ".join(f"{own}r{len(regions) - 1}#{i}" for i in range(count))
        self.write(f"transform.yield {values}{' : ' + types if count else ''} }}) {{{MARK}}} : ")
        self.write(f"({param_type}) -> ({types})")
        self._depth -= 1
        if regions:
            self._next, self.position = regions[-1][1] + 1, self.tokens[regions[-1][1]].end

    # Reading

    def _name(self) -> Token:
        self._next += 1
        self._expect("<")
        name = self._take()
        if not name.text.startswith('"'):
            self._fail("expected a name in quotes", self._next - 1)
        self._expect(">")
        return name

    def _regions(self, place: int, opening: str) -> list[tuple[int, int]]:
        """The brackets of each of the regions from ``place`` on."""
        found = []
        while True:
            if self._text(place) != opening:
                self._fail("expected a region in braces", place)
            found.append((place, self._close(place)))
            place = found[-1][1] + 1
            if self._text(place) != "," or self._text(place + 1) != opening:
                return found
            place += 1

    def _types(self) -> str:
        """Types with commas between them, up to the brace or the arrow that follows."""
        start = self._next
        end = attribute_end(self.tokens, start, lambda at: self._text(at) in ("->", "{"))
        if end is None or end == start:
            self._fail("expected a type", start)
        self._next = end
        return self._between(start, end)

    def _one_type(self) -> str:
        start = self._next
        self._take()
        if self._text(self._next) == "<":
            end = attribute_end(self.tokens, self._next, lambda at: True)
            self._next = len(self.tokens) if end is None else end
        return self._between(start, self._next)

    def _number_of_result(self) -> str:
        """``#1`` of ``%pair#1``."""
        token = self.tokens[self._next] if self._next < len(self.tokens) else None
        if token is None or not token.text.startswith("#") or not token.text[1:].isdecimal():
            return ""
        self._next += 1
        return token.text

    def _between(self, start: int, end: int) -> str:
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

    def _text(self, place: int) -> str:
        return self.tokens[place].text if place < len(self.tokens) else ""

    def _take(self) -> Token:
        if self._next >= len(self.tokens):
            self._fail(f"{self._operation} is not complete")
        self._next += 1
        return self.tokens[self._next - 1]

    def _accept(self, text: str) -> bool:
        found = self._text(self._next) == text
        self._next += found
        return found

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            self._fail(f"expected {text!r} in {self._operation}")

    def _close(self, place: int) -> int:
        end = closing(self.tokens, place)
        if end is None:
            self._fail(f"the bracket {self._text(place)!r} is not closed as it was opened", place)
        return end

    def _fail(self, message: str, place: int | None = None) -> NoReturn:
        place = self._next if place is None else place
        offset = self.tokens[place].start if place < len(self.tokens) else len(self.source)
        raise ParseError(
            message,
            location=place_of(self.source, offset),
            hint='write it as upstream MLIR does: transform.tune.knob<"name"> options = [1, 2] '
            '-> !transform.any_param, transform.tune.alternatives<"name"> { ... }, { ... }',
        )


def _split(types: str) -> list[str]:
    """The types between the commas that are in no bracket."""
    found, depth = [""], 0
    for token in tokens_of(types):
        depth += (token.text in "([{<") - (token.text in ")]}>")
        if token.text == "," and not depth:
            found.append("")
        else:
            found[-1] += token.text
    return [each for each in found if each]
