"""Writing files so that a reader sees the old one or the new one, never half of it."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from costmodel.errors import UsageError

__all__ = ["output_directory", "prepare_out", "write_bytes", "write_text"]

HINT = "give another directory with --out"


def prepare_out(out: Path) -> Path:
    """Make the directory ``out`` and see that files can be made in it; returns it absolute.

    Meant to be called when the input is known to be good and before time is spent on it. Raises
    UsageError where ``out`` is a file or cannot be written; it leaves nothing inside.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"{out} is not a directory", hint=HINT) from error
    except OSError as error:
        raise UsageError(f"cannot write into {out}: {error.strerror}", hint=HINT) from error
    return out.resolve()


@contextmanager
def output_directory(out: Path) -> Iterator[Path]:
    """``prepare_out``, for as long as it takes to fill it: a new directory left empty goes away."""
    made = [place for place in (out, *out.parents) if not place.exists()]
    try:
        yield prepare_out(out)
    finally:
        for place in made:
            with suppress(OSError):  # not empty, or never made
                place.rmdir()


def write_text(path: Path, text: str) -> None:
    """Put ``text`` at ``path`` as UTF-8; see ``write_bytes``."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write beside ``path``, make it durable, rename. Raises OSError and leaves ``path`` as it was.

    The file has the permissions that a plain ``open`` gives it, from the beginning: a confined
    process could not change them, as it would have to a temporary file's.
    """
    name = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with name.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            name.unlink()
        raise
