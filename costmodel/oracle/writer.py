"""The one writer to the store: what many clients record at once becomes one transaction."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from costmodel.errors import StoreLockedError
from costmodel.oracle import metrics
from costmodel.oracle.status import OverloadedError
from costmodel.records import Measurement, Target, Workload
from costmodel.store.entries import Entry, FeaturesEntry, TargetEntry, WorkloadEntry
from costmodel.store.sqlite import SQLiteStore

__all__ = ["Writer"]

#: Requests that become one transaction, and bytes that may wait in all.
_TOGETHER, _WAITING = 64, 256 << 20


@dataclass(frozen=True)
class _Request:
    entries: Sequence[Entry]
    added: asyncio.Future[int]
    loop: asyncio.AbstractEventLoop


class Writer:
    """Writes in a thread of its own. ``keep`` returns when what was given is in the file."""

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._waiting = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    async def keep(
        self,
        workloads: Sequence[Workload] = (),
        targets: Sequence[Target] = (),
        measurements: Sequence[Measurement] = (),
        features: Sequence[FeaturesEntry] = (),
    ) -> int:
        """How many measurements were new; all that was given is in the store now.

        Raises StoreError and its kinds, StoreFullError; OverloadedError where too many wait.
        """
        size = sum(map(_bytes, measurements)) + sum(len(each.text) for each in workloads)
        if self._closed or self._waiting + size > _WAITING:
            raise OverloadedError("too many measurements wait to be stored")
        now = time.time()
        entries: list[Entry] = [WorkloadEntry(each, now) for each in workloads]
        entries += [TargetEntry(each, now) for each in targets]
        entries += [*measurements, *features]
        loop = asyncio.get_running_loop()
        request = _Request(entries, loop.create_future(), loop)
        self._waiting += size
        request.added.add_done_callback(lambda _: self._written(size))
        self._requests.put(request)
        # Written even where the client has gone: it may have been told so by its own store.
        return await asyncio.shield(request.added)

    def _written(self, size: int) -> None:
        """A request waits until it was written, also where nobody waits for it any more."""
        self._waiting -= size

    async def close(self) -> None:
        """Write what waits, and end."""
        self._closed = True
        self._requests.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while True:
            batch = [self._requests.get()]
            while batch[-1] is not None and len(batch) < _TOGETHER and not self._requests.empty():
                batch.append(self._requests.get())
            self._write([one for one in batch if one is not None])
            if batch[-1] is None:
                return

    def _write(self, batch: Sequence[_Request]) -> None:
        """In one transaction; where it fails each by itself, so that nobody pays for another.

        Where others hold the store that is nobody's fault, and to try each would hold up all.
        """
        if not batch:
            return
        try:
            added = self._store.add_groups([one.entries for one in batch])
        except Exception as error:  # whoever asked is told
            alone = len(batch) == 1 or isinstance(error, StoreLockedError)
            for one in batch:
                if alone:
                    _tell(one, error)
                else:
                    self._write([one])
            return
        metrics.RECORDED.inc(sum(added))
        for one, count in zip(batch, added, strict=True):
            _tell(one, count)


def _bytes(measurement: Measurement) -> int:
    """About what a measurement takes while it waits."""
    texts = (measurement.error, measurement.schedule.text, str(measurement.extra))
    return 1000 + 8 * len(measurement.samples_us) + sum(map(len, texts))


def _tell(request: _Request, result: int | Exception) -> None:
    def set_it() -> None:
        if request.added.done():
            return
        if isinstance(result, Exception):
            request.added.set_exception(result)
        else:
            request.added.set_result(result)

    request.loop.call_soon_threadsafe(set_it)
