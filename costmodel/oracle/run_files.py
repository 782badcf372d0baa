"""A run's folder: its record, its events, and what its process may write.

``run.json``, ``events`` and ``stderr`` are the server's. All in ``work`` is the process's, which
runs the code of strangers: nothing there is followed, trusted or waited for.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from costmodel.oracle.run_folders import remove, taken
from costmodel.oracle.run_store import left_behind
from costmodel.oracle.status import NotFoundError
from costmodel.records import Measurement
from costmodel.report import write_bytes

__all__ = ["RunFiles"]

_log = logging.getLogger(__name__)


class RunFiles:
    """The folder ``path`` of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.work = path / "work"
        self.events = path / "events"
        self.log = path / "stderr"
        self._record = path / "run.json"

    def make(self) -> None:
        """Raises OSError."""
        self.work.mkdir(mode=0o700, parents=True, exist_ok=True)

    def save(self, record: Mapping[str, Any]) -> None:
        """Durably, and whole or not at all. Raises OSError."""
        write_bytes(self._record, json.dumps(record).encode())

    def load(self) -> dict[str, Any] | None:
        """What was saved; None where that was nothing."""
        try:
            found = json.loads(self._record.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.warning("the run in %s cannot be read: %s", self.path, error)
            return None
        return found if isinstance(found, dict) else None

    def left_behind(self, workload: str, target: str, most: int) -> Iterator[list[Measurement]]:
        """Measurements in the run's own store, see ``costmodel.oracle.run_store``.

        Only to be read when nothing of the run goes on.
        """
        return left_behind(self.work / "store.sqlite", workload, target, most)

    def clear(self) -> None:
        """Remove all but the record, the events and what the run made."""
        for place in self._entries():
            if place.name != "out":
                remove(place)

    def _entries(self) -> list[Path]:
        try:
            return [Path(entry.path) for entry in os.scandir(self.work)]
        except OSError:
            return []

    def remove(self) -> None:
        """Remove the run."""
        remove(self.path)

    def size(self) -> int:
        """Bytes that all in it takes; TOO_DEEP where its folders are nested like no run's."""
        return taken(self.path)

    def open_artifact(self, name: str) -> IO[bytes]:
        """A file that the run made. Raises NotFoundError for one that is none, or not there."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            folder = os.open(self.work / "out", flags | os.O_DIRECTORY)
            try:
                descriptor = os.open(name, flags, dir_fd=folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise NotFoundError(f"the run's file {name} is not there any more") from error
        file = os.fdopen(descriptor, "rb")
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise NotFoundError(f"the run's {name} is no file")
        return file
