"""What happened in a run: kept once, in a file, and read by as many as want to."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from costmodel.oracle.proto import oracle_pb2 as pb

__all__ = ["Events"]


class Events:
    """Belongs to one event loop. In memory while a run goes on, then in the file alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._events: list[pb.TuneEvent] | None = None
        self._news = asyncio.Event()

    def begin(self) -> list[pb.TuneEvent]:
        """Go on with what the file has, which a killed server may have left cut off."""
        self._events = _read(self._path)
        self._path.write_bytes(b"".join(map(_line, self._events)))
        return self._events

    def add(self, event: pb.TuneEvent) -> None:
        """Number the event, give it the time, keep it and tell whoever waits.

        Raises OSError where it cannot be written down; then it has not happened.
        """
        assert self._events is not None
        event.number = len(self._events)
        time = Timestamp()
        time.GetCurrentTime()
        event.time.CopyFrom(time)
        _append(self._path, _line(event))
        self._events.append(event)
        self._wake()

    def end(self) -> None:
        """Nothing more happens."""
        self._events = None
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def watch(self, skip: int) -> AsyncIterator[pb.TuneEvent]:
        """All but the first ``skip``, those that are to come included."""
        events, place = self._events, skip
        if events is None:
            for event in (await asyncio.to_thread(_read, self._path))[skip:]:
                yield event
            return
        while True:
            news, going_on = self._news, self._events is not None
            while place < len(events):
                yield events[place]
                place += 1
            if not going_on:
                return
            await news.wait()


def _line(event: pb.TuneEvent) -> bytes:
    return base64.b64encode(event.SerializeToString()) + b"\n"


def _append(path: Path, line: bytes) -> None:
    """Whole or not at all: what is behind a piece of a line nobody would read. Raises OSError."""
    with path.open("ab", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            while line:
                line = line[file.write(line) :]
        except OSError:
            file.truncate(size)
            raise


def _read(path: Path) -> list[pb.TuneEvent]:
    """The events in a file up to the first that is cut off."""
    found: list[pb.TuneEvent] = []
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return found
    for line in lines[:-1]:
        try:
            found.append(pb.TuneEvent.FromString(base64.b64decode(line, validate=True)))
        except (ValueError, DecodeError):
            break
    return found
