"""Files that an operator gives: read whole, watched for changes."""

from __future__ import annotations

import stat
import warnings
from collections.abc import Sequence
from pathlib import Path

from costmodel.errors import UsageError
from costmodel.records import SourceLocation

__all__ = ["Watch", "read_file", "warn_if_public"]

#: No file of certificates or clients is larger.
_LARGEST = 4 << 20


def read_file(path: Path, what: str) -> bytes:
    """All bytes of it. Raises UsageError where it cannot be read or is no such file."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(
            f"the {what} cannot be read: {error.strerror}", location=SourceLocation(str(path))
        ) from error
    if len(data) > _LARGEST:
        raise UsageError(
            f"this is no {what}: it has more than {_LARGEST} bytes",
            location=SourceLocation(str(path)),
        )
    return data


def warn_if_public(path: Path, what: str) -> None:
    """Warn where every user of the machine may read a secret."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if mode & stat.S_IROTH:
        warnings.warn(f"anyone can read the {what} in {path}: chmod 600 {path}", stacklevel=3)


class Watch:
    """Whether files are others than at the last look."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = tuple(files)
        self._seen = self._look()

    def changed(self) -> bool:
        """Whether one was written or put in another's place since this was last asked."""
        now = self._look()
        before, self._seen = self._seen, now
        return now != before

    def _look(self) -> tuple[tuple[int, ...] | None, ...]:
        return tuple(map(_mark, self._files))


def _mark(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev
