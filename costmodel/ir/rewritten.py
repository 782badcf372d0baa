"""Text that was rewritten for MLIR's parser, and the way back to what the user wrote."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from costmodel.records import SourceLocation

__all__ = ["Piece", "Rewritten", "place_of"]


@dataclass(frozen=True)
class Piece:
    """Text that was copied from ``source``, or that stands for the ``operation`` there."""

    text: str
    source: int
    operation: str | None


class Rewritten:
    """Text for MLIR to parse, and where each of its characters comes from."""

    def __init__(self, source: str, pieces: Sequence[Piece], stand_ins: Mapping[str, str]) -> None:
        """``stand_ins`` says what each rewritten operation is called in the text."""
        self._source = source
        self._pieces = pieces
        self._stand_ins = stand_ins
        self._starts = [0]
        for piece in pieces:
            self._starts.append(self._starts[-1] + len(piece.text))
        self.text = "".join(piece.text for piece in pieces)

    def place(self, place: SourceLocation) -> SourceLocation:
        """From a place in ``text`` to the one in the source; columns are in bytes."""
        if not place.line:
            return place
        piece, start = self._at(place)
        within = 0 if piece.operation else _offset(self.text, place) - start
        return place_of(self._source, piece.source + within)

    def message(self, message: str, place: SourceLocation) -> str:
        """MLIR's message about a place in ``text``, naming what the user wrote there."""
        piece, _ = self._at(place)
        if piece.operation is None:
            return message
        return message.replace(self._stand_ins[piece.operation], piece.operation)

    def _at(self, place: SourceLocation) -> tuple[Piece, int]:
        offset = _offset(self.text, place)
        index = min(bisect_right(self._starts, offset) - 1, len(self._pieces) - 1)
        return self._pieces[index], self._starts[index]


def place_of(source: str, offset: int) -> SourceLocation:
    """Line and column (in bytes, as MLIR counts them), both from 1."""
    start = source.rfind("\n", 0, offset) + 1
    column = len(source[start:offset].encode()) + 1
    return SourceLocation("", source.count("\n", 0, offset) + 1, column)


def _offset(text: str, place: SourceLocation) -> int:
    start = 0
    for _ in range(place.line - 1):
        start = text.find("\n", start) + 1
    end = text.find("\n", start)
    line = text[start : len(text) if end < 0 else end]
    return start + len(line.encode()[: place.column - 1].decode(errors="replace"))
