"""Getting the text of an input, and the checks of it that need no MLIR.

The scans here are lexical: they skip strings and comments and look at brackets, never at what
MLIR's grammar makes of them.
"""

from __future__ import annotations

import os
import re
import stat

from costmodel.errors import ParseError, UnsupportedError, UsageError
from costmodel.records import SourceLocation

__all__ = [
    "LIMIT_BYTES",
    "LIMIT_DEPTH",
    "blank_locations",
    "character_column",
    "check_text",
    "given",
    "load",
    "said",
]

#: Larger inputs are refused: they are weights in a text file, not kernels.
LIMIT_BYTES = 16 << 20
#: Deeper nesting of brackets is refused: MLIR's parser recurses, and dies where the stack ends.
LIMIT_DEPTH = 200

#: Characters; Linux opens no longer one.
_LONGEST_PATH = 4096
#: Of a word in a message, which may be all of a text: so much is said whole, of more the ends.
_SAID, _END = 160, 50
_LONG_WORD = re.compile(rf"\S{{{_SAID + 1},}}")

_BYTECODE_MAGIC = b"ML\xefR"
_LEXEMES = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|[\[\](){}]')
_LOCATION = re.compile(
    r'(?P<skip>"(?:[^"\\\n]|\\.)*"|//[^\n]*)|(?:#[\w.$-]+\s*=\s*)?(?<![\w.$@%#^!-])loc\s*\('
)


def given(source: str | os.PathLike[str]) -> tuple[str, str]:
    """The text of an input, and what errors call it: its path, or ``<text>`` for text itself.

    A str with a line end or a brace is text, and so is one that is longer than any path. Raises as
    ``load`` does, and UsageError for anything but a str or a path.
    """
    if not isinstance(source, str | os.PathLike):
        raise UsageError(
            f"a {type(source).__name__} is no kernel", hint="give a path, or MLIR text as a str"
        )
    if isinstance(source, str) and _is_text(source):
        return source, "<text>"
    return load(source), os.fsdecode(source)


def _is_text(source: str) -> bool:
    return "\n" in source or "{" in source or len(source) > _LONGEST_PATH


def said(message: str) -> str:
    """A message as people can read it: of a word that is very long, its ends."""
    return _LONG_WORD.sub(lambda word: _ends(word[0]), message)


def _ends(text: str) -> str:
    return text if len(text) <= _SAID else f"{text[:_END]}...{text[-_END:]}"


def load(path: str | os.PathLike[str]) -> str:
    """The text of the file at ``path``.

    Raises UsageError where there is no readable file, UnsupportedError where it is larger than
    ``LIMIT_BYTES`` and ParseError, with line and column, where it is not UTF-8.
    """
    name = os.fsdecode(path)
    try:
        with open(name, "rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size > LIMIT_BYTES:
                raise _too_large(name, f"{status.st_size / (1 << 20):.1f} MiB large")
            data = file.read(LIMIT_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from error
    if len(data) > LIMIT_BYTES:
        raise _too_large(name, "too large")
    return _decode(data, name)


def check_text(text: str, file: str) -> None:
    """Refuse text that MLIR's parser should not be given.

    Raises UnsupportedError for more than ``LIMIT_BYTES`` and ParseError, with line and column,
    for brackets nested deeper than ``LIMIT_DEPTH`` or characters that UTF-8 does not have.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        message = f"the character U+{ord(text[error.start]):04X} is not text"
        raise ParseError(message, location=_place(text, error.start, file)) from error
    if size > LIMIT_BYTES:
        raise _too_large(file, f"{size / (1 << 20):.1f} MiB large")
    depth = 0
    for match in _LEXEMES.finditer(text):
        first = match[0][0]
        if first in "([{":
            depth += 1
            if depth > LIMIT_DEPTH:
                raise ParseError(
                    f"nested too deeply: more than {LIMIT_DEPTH} brackets are open here",
                    location=_place(text, match.start(), file),
                    hint="flatten the nested regions or types; no kernel needs that many",
                )
        elif first in ")]}":
            depth = max(0, depth - 1)


def blank_locations(text: str) -> str:
    """``text`` with every ``loc(...)`` and every alias of one overwritten by spaces.

    Used to find the place of an error in an operation that claims to come from another file.
    Every remaining character keeps its line and column.
    """
    pieces: list[str] = []
    position = done = 0
    while match := _LOCATION.search(text, position):
        position = match.end()
        if match["skip"] is None:
            position = _closing(text, position)
            pieces.append(text[done : match.start()])
            pieces.append(re.sub(r"[^\n]", " ", text[match.start() : position]))
            done = position
    return "".join([*pieces, text[done:]])


def character_column(text: str, line: int, column: int) -> int:
    """MLIR's column, which counts bytes from 1, as an editor counts it: in characters."""
    lines = text.split("\n", line)
    if not 1 <= line <= len(lines):
        return column
    return len(lines[line - 1].encode()[: column - 1].decode(errors="replace")) + 1


def _closing(text: str, start: int) -> int:
    """Index after the parenthesis that closes the one before ``start``."""
    depth = 1
    for match in _LEXEMES.finditer(text, start):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0:
            return match.end()
    return len(text)


def _place(text: str, index: int, file: str) -> SourceLocation:
    return SourceLocation(file, text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


def _decode(data: bytes, name: str) -> str:
    if data.startswith(_BYTECODE_MAGIC):
        raise ParseError(
            "this is MLIR bytecode, not text",
            location=SourceLocation(name, 1, 1),
            hint="print it as text with mlir-opt or iree-opt",
        )
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        head = data[: error.start].decode()
        raise ParseError(
            f"not UTF-8: byte 0x{data[error.start]:02x} ({error.reason})",
            location=_place(head, len(head), name),
            hint="save the file as UTF-8",
        ) from error


def _too_large(name: str, what: str) -> UnsupportedError:
    return UnsupportedError(
        f"the file is {what}; the limit is {LIMIT_BYTES >> 20} MiB",
        location=SourceLocation(name),
        hint="give one kernel, with large constants turned into arguments",
    )


def _unreadable(name: str, error: OSError | ValueError) -> UsageError:
    if isinstance(error, FileNotFoundError):
        message, hint = "no such file", "check the path"
    elif isinstance(error, IsADirectoryError):
        message, hint = "this is a directory, not a file", "name one .mlir file in it"
    elif isinstance(error, PermissionError):
        message, hint = "no permission to read this file", "make it readable for this user"
    else:
        message, hint = f"cannot be read: {getattr(error, 'strerror', None) or error}", None
    return UsageError(message, location=SourceLocation(_ends(name)), hint=hint)
