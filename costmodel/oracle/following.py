"""The lines between a server and the process of a run: JSON objects in both directions.

From the server: the job first, then, in a leased run, ``{"measured": entry}`` for each candidate
that is done. From the process: ``{"phase"}``, ``{"trial", "best_us"}``, ``{"kept": [entries]}``
for what it measured and put into its store, ``{"ask", "versions"}`` for the candidates that
clients are to measure from then on, and last ``{"end", "interrupted"}`` with the result, or
``{"error"}``. Entries are those of ``costmodel.store.lines``.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from costmodel.errors import MeasureError
from costmodel.records import Measurement
from costmodel.results import TrialRecord, TuneResult, TuneStart
from costmodel.store.entries import Entry, FeaturesEntry
from costmodel.store.lines import encode

__all__ = ["Lines", "Teller"]

#: Bytes of entries that a line has, or more where one entry is larger: the server takes no line
#: that is much longer.
_PIECE_BYTES = 256 << 10


class Lines:
    """This process's end. What anything prints to standard output goes to standard error instead.

    When the server ends, however it ends, so does this process.
    """

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self._in = _lines(0)
        self._lock = threading.Lock()
        self._received: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def job(self) -> dict[str, Any]:
        """The first line."""
        found: dict[str, Any] = json.loads(next(self._in))
        return found

    def follow(self) -> None:
        """Have a thread receive what comes from now on."""
        threading.Thread(target=self._receive, name="following", daemon=True).start()

    def _receive(self) -> None:
        for line in self._in:
            self._received.put(json.loads(line))
        os._exit(1)  # the workers see this process go, and go

    def receive(self, timeout_s: float | None) -> dict[str, Any] | None:
        """The next message; None where none came in time."""
        try:
            return self._received.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def send(self, message: Mapping[str, Any]) -> None:
        """Raises MeasureError where the server has gone."""
        data = json.dumps(message).encode() + b"\n"
        try:
            with self._lock:
                self._out.write(data)
                self._out.flush()
        except OSError as error:
            raise MeasureError(f"the server has gone: {error}") from error

    def send_kept(self, entries: Iterable[Entry]) -> None:
        """Tell of measurements and features that are in this run's store.

        The server has the workload and the target already.
        """
        piece: list[dict[str, Any]] = []
        size = 0
        for entry in entries:
            if isinstance(entry, Measurement | FeaturesEntry):
                piece.append(encode(entry))
                size += len(json.dumps(piece[-1]))
            if size >= _PIECE_BYTES:
                self.send({"kept": piece})
                piece, size = [], 0
        if piece:
            self.send({"kept": piece})


def _lines(descriptor: int) -> Iterator[bytes]:
    """By no buffered file of Python's: a thread that reads one cannot be left behind at the end."""
    rest = b""
    while data := os.read(descriptor, 1 << 20):
        *whole, rest = (rest + data).split(b"\n")
        yield from whole


class Teller:
    """A ProgressListener that sends what it is told."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def on_phase(self, name: str) -> None:
        self._lines.send({"phase": name})

    def on_start(self, start: TuneStart) -> None:
        """The server knows it all."""

    def on_trial(self, trial: TrialRecord, best_us: float | None) -> None:
        self._lines.send({"trial": trial.to_json(), "best_us": best_us})

    def on_end(self, result: TuneResult) -> None:
        """The process sends it, with the winner and the files."""
