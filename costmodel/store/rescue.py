"""Where measurements go when the store cannot take them: JSON lines, in the first place that can.

A file is written record by record and cut back to the last whole one when the place fails, and
begins with the workloads and targets that were given before, so that whatever is in it can be
imported.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from costmodel.records import Measurement
from costmodel.store.codec import dumps
from costmodel.store.entries import Entry, TargetEntry, WorkloadEntry
from costmodel.store.lines import HEADER, encode

__all__ = ["Rescue", "rescue_places"]


def rescue_places(preferred: Path | None) -> list[Path]:
    """Directories to try, in order; on most machines they are on at least two file systems."""
    places = [] if preferred is None else [preferred, preferred.parent]
    places += [Path(tempfile.gettempdir()), Path("/dev/shm"), Path.home()]
    return list(dict.fromkeys(places))


class Rescue:
    """The rescue files of one store in one process; ``files`` are those written so far."""

    def __init__(self, preferred: Path | None) -> None:
        self._preferred = preferred
        self._places: list[Path] | None = None
        self._name = f"costmodel-rescue-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
        self._rescued: set[str] = set()
        #: Lines of the workloads and targets that every file has.
        self._context: list[str] = []
        self.files: list[Path] = []

    def write(self, entries: Iterable[Entry]) -> list[Entry]:
        """Append entries; returns those for which no place was found.

        Measurements may be offered to a store that fails once more; they are written only once.
        """
        lost = []
        for entry in entries:
            name = _name(entry)
            if name in self._rescued:
                continue
            line = dumps(encode(entry)) + "\n"
            if not (self.files and _append(self.files[-1], line)) and not self._start(line):
                lost.append(entry)
                continue
            if name is not None:
                self._rescued.add(name)
            if isinstance(entry, WorkloadEntry | TargetEntry):
                self._context.append(line)
        return lost

    def _start(self, line: str) -> bool:
        """Begin another file in the first place that takes it (a file's size may be limited)."""
        if self._places is None:
            self._places = rescue_places(self._preferred)
        for place in self._places:
            file = place / f"{self._name}-{len(self.files)}.jsonl"
            text = "".join([HEADER, "\n", *self._context, line])
            if not file.exists() and _append(file, text):
                self.files.append(file)
                return True
        return False


def _name(entry: Entry) -> str | None:
    """Of what is written once; None for what may be written again."""
    if isinstance(entry, Measurement):
        return entry.id
    if isinstance(entry, WorkloadEntry):
        return entry.workload.hash
    return entry.target.hash if isinstance(entry, TargetEntry) else None


def _append(file: Path, text: str) -> bool:
    """Append and flush to the disk; leaves the file as it was, and says so, if that fails."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    except OSError:
        return False
    size = os.fstat(descriptor).st_size
    data = text.encode()
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
        return True
    except OSError:
        os.ftruncate(descriptor, size)
        if size == 0:
            file.unlink()
        return False
    finally:
        os.close(descriptor)
