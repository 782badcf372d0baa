"""Files that come in pieces, put into a folder: each whole, or not at all."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.status import OracleError
from costmodel.report.files import write_bytes

__all__ = ["Download"]

#: More than any run leaves.
_MOST_BYTES = 4 << 30


class Download:
    """Takes the pieces of a run's files. ``paths`` has those that are complete, by kind.

    A name that comes from elsewhere never leads out of ``out``.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._open: tuple[str, str] | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self.paths: dict[str, str] = {}

    def take(self, chunk: pb.ArtifactChunk) -> None:
        """Raises OracleError for what is no piece of a file, OSError where it cannot be written."""
        key = chunk.artifact, chunk.file_name
        if self._open not in (None, key):
            raise OracleError(f"the oracle's {self._open} was cut off by {key}")
        self._open = key
        self._parts.append(chunk.data)
        self._size += len(chunk.data)
        if self._size > _MOST_BYTES:
            raise OracleError(f"the oracle's {chunk.file_name} has no end")
        if chunk.last:
            path = self._out / _plain(chunk.file_name)
            write_bytes(path, b"".join(self._parts))
            self.paths[chunk.artifact] = str(path)
            self._open, self._parts = None, []

    def end(self) -> dict[str, str]:
        """The paths. Raises OracleError where the last file was cut off."""
        if self._open is not None:
            raise OracleError(f"the oracle's {self._open[1]} was cut off", hint="download it again")
        return self.paths


def _plain(name: str) -> str:
    """A name of a file in this folder; hidden files are nobody's artifacts."""
    one = {PurePosixPath(name).name, PureWindowsPath(name).name} == {name}
    if not name or not one or name.startswith(".") or "\0" in name:
        raise OracleError(f"the oracle names a file {name!r}, which is no plain name")
    return name
