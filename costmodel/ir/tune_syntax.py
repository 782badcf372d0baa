"""Upstream's ``transform.tune`` operations in the words of operations that these bindings know.

The MLIR at hand does not register ``transform.tune.knob`` and ``transform.tune.alternatives``,
and a transform script may hold none but registered operations. So their syntax, and no other, is
rewritten before MLIR parses the text: a knob to a constant parameter whose value is a dictionary
of ``name``, ``options`` and ``selected``; alternatives to a loop over a constant for each region,
within a loop that holds them all. A discardable attribute, ``MARK``, tells them from others.
"""

from __future__ import annotations

from collections.abc import Callable

from costmodel.ir.cursor import Cursor, split_types
from costmodel.ir.lexer import Token, attribute_end
from costmodel.ir.rewritten import Piece, Rewritten

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


class _Writer(Cursor):
    """Goes through the tokens once and writes the pieces of the new text."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.pieces: list[Piece] = []
        self.position = 0  # offset up to which the source is dealt with
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
        self.pieces.append(Piece(text, self._start, self.operation))

    def copy_until(self, end: int) -> None:
        """Copy the source up to the token ``end``, rewriting the operations on the way."""
        while self.next < end:
            token = self.tokens[self.next]
            following = self.text_at(self.next + 1)
            known = token.text.strip('"') in _STAND_INS
            if known and (token.text[0] == '"') == (following == "(") and following in ("<", "("):
                self.copy(self.position, token.start)
                outer = self.operation, self._start
                self.operation, self._start = token.text.strip('"'), token.start
                self._operation_at(generic=token.text[0] == '"')
                self.operation, self._start = outer
            elif known and token.text[0] != '"' and following not in ("=", ",", "}", "]"):
                self.fail(f'expected <"name"> after {token.text}', self.next)
            else:
                self.next += 1

    def _operation_at(self, *, generic: bool) -> None:
        knob = self.operation == _KNOB
        if generic:
            self._generic_knob() if knob else self._generic_alternatives()
        else:
            self._knob() if knob else self._alternatives()

    # The operations

    def _knob(self) -> None:
        """``transform.tune.knob<NAME> (= ATTRIBUTE from)? options = ATTRIBUTE {..}? -> TYPE``."""
        name = self._name()
        self.write(f'"transform.param.constant"() <{{value = {{name = {name.text}')
        if self.accept("="):
            self._field("selected", lambda at: self.text_at(at) == "from", "'from' and the options")
            self.expect("from")
        if not self.accept("options"):
            self.fail("expected 'options = [...]': a knob without options has no value to take")
        self.expect("=")
        self._field("options", lambda at: self.text_at(at) in ("->", "{"), "'->' and a type")
        self.write(f"}}}}> {{{MARK}}} : () -> ")
        if self.text_at(self.next) == "{":
            self.next = self.close(self.next) + 1
        self.expect("->")
        self._go_on()

    def _go_on(self) -> None:
        """The source from the next token on is copied again."""
        if self.next >= len(self.tokens):
            self.fail(f"{self.operation} is not complete: expected a type")
        self.position = self.tokens[self.next].start

    def _field(self, name: str, ends: Callable[[int], bool], expected: str) -> None:
        self.write(f", {name} = ")
        end = attribute_end(self.tokens, self.next, ends)
        if end is None or end == self.next or self.text_at(self.next) in ("from", "->"):
            self.fail(f"expected an attribute, and then {expected}")
        self.copy(self.tokens[self.next].start, self.tokens[end - 1].end)
        self.next = end

    def _generic_knob(self) -> None:
        """``"transform.tune.knob"() <{...}> {...}? : () -> TYPE``; ``{...}`` alone in old text."""
        self.next += 1
        self.expect("(")
        self.expect(")")
        properties = self.accept("<")
        if self.text_at(self.next) != "{":
            self.fail("expected the name and the options of the knob")
        end = self.close(self.next)
        self.write('"transform.param.constant"() <{value = ')
        self.copy(self.tokens[self.next].start, self.tokens[end].end)
        self.next = end + 1
        self.write(f"}}> {{{MARK}}} ")
        if properties:
            self.expect(">")
        if self.text_at(self.next) == "{":
            self.next = self.close(self.next) + 1
        self._go_on()

    def _alternatives(self) -> None:
        """Name, ``selected_region = NUMBER or %param``, types, and then the regions."""
        name = self._name()
        selected, param = "", ""
        if self.accept("selected_region"):
            self.expect("=")
            chosen = self.take()
            if chosen.text.startswith("%"):
                param = chosen.text + self.number_of_result()
            elif chosen.text.isdecimal():
                selected = f", selected = {chosen.text}"
            else:
                self.fail("expected the number of a region or a parameter", self.next - 1)
        if self.accept("attributes"):
            self.next = self.close(self.next) + 1
        param_type = self.types() if self.accept(":") else ""
        types = self.types() if self.accept("->") else ""
        if bool(param) != bool(param_type):
            self.fail("a parameter that selects the region is followed by ':' and its type")
        regions = self._regions(self.next)
        self._loops(f"{{name = {name.text}{selected}}}", param, param_type, types, regions)

    def _generic_alternatives(self) -> None:
        """``"..."(%param?) <{...}> ({...}, {...}) {...}? : (TYPE?) -> TYPES``."""
        self.next += 1
        inside = self.close(self.next)
        param = self.between(self.next + 1, inside)
        self.next = inside + 1
        properties, given = self.accept("<"), "{}"
        if self.text_at(self.next) == "{":
            end = self.close(self.next)
            given = self.between(self.next, end + 1)
            self.next = end + 1
        if properties:
            self.expect(">")
        if self.text_at(self.next) != "(":
            self.fail("expected the regions, in parentheses")
        begin, end = self.next, self.close(self.next)
        self.next = end + 1
        if self.text_at(self.next) == "{":
            self.next = self.close(self.next) + 1
        self.expect(":")
        operands_end = self.close(self.next)
        param_type = self.between(self.next + 1, operands_end)
        self.next = operands_end + 1
        self.expect("->")
        after = self.next
        if self.text_at(after) == "(":
            after = self.close(after) + 1
            types = self.between(self.next + 1, after - 1)
        else:
            types = self.one_type()
            after = self.next
        regions = self._regions(begin + 1)
        self._loops(given, param, param_type, types, regions)
        self.next, self.position = after, self.tokens[after - 1].end

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
            self.fail(f"more than {LIMIT_NESTING} alternatives are nested, which is too deep")
        own = f"%{self._prefix}{self._count}"
        count = len(split_types(types))
        argument = f"^bb0({own}p: {param_type}): " if param else ""
        self.write(f'"transform.foreach"({param}) ({{ {argument}')
        self.write(f'{own}c = "transform.param.constant"() <{{value = {given}}}> : () -> {_ANY} ')
        for number, (start, end) in enumerate(regions):
            result = f"{own}r{number}:{count} = " if count else ""
            arrow = f" -> {types}" if count else ""
            self.write(f"{result}transform.foreach {own}c : {_ANY}{arrow} {{ ")
            self.write(f"^bb0({own}u{number}: {_ANY}): ")
            self.next, self.position = start + 1, self.tokens[start].end
            self.copy_until(end)
            self.copy(self.position, self.tokens[end].start)
            self.write("} ")
        values = ", ".join(f"{own}r{len(regions) - 1}#{i}" for i in range(count))
        self.write(f"transform.yield {values}{' : ' + types if count else ''} }}) {{{MARK}}} : ")
        self.write(f"({param_type}) -> ({types})")
        self._depth -= 1
        if regions:
            self.next, self.position = regions[-1][1] + 1, self.tokens[regions[-1][1]].end

    # Reading

    def _name(self) -> Token:
        self.next += 1
        self.expect("<")
        name = self.take()
        if not name.text.startswith('"'):
            self.fail("expected a name in quotes", self.next - 1)
        self.expect(">")
        return name

    def _regions(self, place: int) -> list[tuple[int, int]]:
        """The brackets of each of the regions from ``place`` on."""
        found = []
        while True:
            if self.text_at(place) != "{":
                self.fail("expected a region in braces", place)
            found.append((place, self.close(place)))
            place = found[-1][1] + 1
            if self.text_at(place) != "," or self.text_at(place + 1) != "{":
                return found
            place += 1
