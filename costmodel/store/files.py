"""Files to import from and export to: plain or gzip, named in every error, written whole or not."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

from costmodel.errors import CostModelError, InputError, UsageError
from costmodel.records import SourceLocation

__all__ = ["open_text", "same_file", "write_text"]

_GZIP = b"\x1f\x8b"
_SQLITE = b"SQLite format 3\x00"


def same_file(first: Path, second: Path) -> bool:
    """Whether both paths are one existing file."""
    try:
        return first.samefile(second)
    except OSError:
        return False


@contextlib.contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """The text of a file, unpacked if it is gzip; raises InputError for what cannot be read."""
    try:
        with path.open("rb") as raw, _unpacked(raw, path) as text:
            yield text
    except UnicodeDecodeError as error:
        raise InputError(
            "the file is not UTF-8 text", location=SourceLocation(str(path))
        ) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(
            f"the gzip file is damaged: {error}", location=SourceLocation(str(path))
        ) from error
    except OSError as error:
        raise InputError(
            f"cannot read the file: {error.strerror or error}", location=SourceLocation(str(path))
        ) from error


def _unpacked(raw: io.BufferedReader, path: Path) -> IO[str]:
    magic = raw.peek(len(_SQLITE))
    if magic.startswith(_SQLITE):
        raise UsageError(
            f"{path} is a store, not an exported file", hint=f"use: costmodel cache merge {path}"
        )
    binary = gzip.GzipFile(fileobj=raw) if magic.startswith(_GZIP) else raw
    return io.TextIOWrapper(cast(IO[bytes], binary), encoding="utf-8-sig")


def write_text(path: Path, write: Callable[[IO[str]], object]) -> None:
    """Write a file as a whole or not at all; gzip if its name ends in ``.gz``.

    Raises UsageError where the place cannot be written, and CostModelError where it is full.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with contextlib.ExitStack() as stack:
            binary: IO[bytes] = stack.enter_context(draft.open("xb"))
            if path.suffix == ".gz":  # no time and no name, so that equal contents are equal files
                packer = gzip.GzipFile(filename="", fileobj=binary, mode="wb", mtime=0)
                binary = cast(IO[bytes], stack.enter_context(packer))
            text = stack.enter_context(io.TextIOWrapper(binary, encoding="utf-8", newline="\n"))
            write(text)
        draft.replace(path)
    except (PermissionError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror}", hint="name another file with --output"
        ) from error
    except OSError as error:
        raise CostModelError(
            f"cannot write {path}: {error.strerror or error}", hint="free some space and try again"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
