"""Measurements on their way to an oracle: in the background, in order, again after a failure."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from costmodel.errors import CostModelError
from costmodel.oracle.client import Client
from costmodel.oracle.status import OverloadedError, RefusedError, passes
from costmodel.records import Measurement, Target, Workload

__all__ = ["Sender"]

#: Measurements that are sent together.
_BATCH = 256
#: Seconds after which a failed try is repeated, at first and at the most.
_PAUSE_S, _LONGEST_S = 1.0, 60.0
#: Seconds that a run may wait at its end.
_FLUSH_S = 15.0


class Sender:
    """Sends in a thread of its own, which is there while it has something to do."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._news = threading.Condition()
        self._waiting: deque[Measurement] = deque()
        self._workloads: dict[str, Workload] = {}
        self._targets: dict[str, Target] = {}
        self._busy = False
        self._closed = False
        #: Whether somebody waits, so that a failure is told and not repeated.
        self._hurried = False
        self._refused = 0
        self._why = ""
        #: That the oracle takes nothing of ours: it is asked once until somebody was told.
        self._barred: RefusedError | None = None
        self._thread: threading.Thread | None = None

    def introduce(self, workload: Workload, target: Target) -> None:
        """What measurements will be of, for the oracle that may not know it."""
        with self._news:
            self._workloads[workload.hash] = workload
            self._targets[target.hash] = target

    def offer(self, measurements: Sequence[Measurement]) -> None:
        """Never waits, and never raises."""
        if not measurements:
            return
        with self._news:
            if self._closed:
                return
            self._waiting.extend(measurements)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
                self._thread.start()
            self._news.notify_all()

    def flush(self, seconds: float = _FLUSH_S) -> str | None:
        """Wait until all is sent, or fails once more; what was not sent, and why, or None."""
        ends = time.monotonic() + seconds
        with self._news:
            self._hurried = True
            self._news.notify_all()
            while (self._waiting or self._busy) and self._hurried:
                left = ends - time.monotonic()
                if left <= 0:
                    self._why = self._why or "it takes too long"
                    break
                self._news.wait(left)
            self._hurried = False
            count = len(self._waiting) + self._refused
            self._refused = 0
            if not count:
                return None
            what = "1 measurement was" if count == 1 else f"{count} measurements were"
            when = ", by who may record," if self._barred is not None else ""
            self._barred = None
            return (
                f"{what} not recorded at the oracle: {self._why}; the local store has all, and "
                f"tuning this kernel with the oracle again{when} sends them"
            )

    def close(self) -> None:
        """Send no more."""
        with self._news:
            self._closed = True
            self._news.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(_FLUSH_S)

    def _run(self) -> None:
        pause = 0.0
        while True:
            with self._news:
                if pause and not self._hurried:
                    self._news.wait_for(lambda: self._hurried or self._closed, pause)
                self._news.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                batch = list(self._waiting)[:_BATCH]
                self._busy = True
            pause = self._try(batch, pause)

    def _try(self, batch: list[Measurement], pause: float) -> float:
        """Send a batch; the seconds to wait before the next try."""
        refused, again = 0, 0.0
        error: CostModelError | None = None
        try:
            if self._barred is not None:
                raise self._barred
            self._record(batch)
        except RefusedError as raised:
            error, refused = raised, len(batch)
            self._barred = raised
        except CostModelError as raised:
            error = raised
            if passes(raised):
                again = min(max(2 * pause, _PAUSE_S), _LONGEST_S)
                if isinstance(raised, OverloadedError):
                    again = max(again, raised.retry_s)
            elif len(batch) > 1:  # one that is refused is not to take the others with it
                return self._each(batch)
            else:
                refused = 1
        except Exception as raised:  # the thread's last line of defence: the user is told
            error, refused = CostModelError(f"unexpected {raised!r}"), len(batch)
        self._told(0 if again else len(batch), refused, error)
        return again

    def _each(self, batch: list[Measurement]) -> float:
        for one in batch:
            if pause := self._try([one], 0.0):
                return pause
        return 0.0

    def _record(self, batch: list[Measurement]) -> None:
        with self._news:
            workloads, targets = dict(self._workloads), dict(self._targets)
        self._client.record(
            batch, workloads=list(workloads.values()), targets=list(targets.values())
        )
        with self._news:
            for hash in workloads:
                self._workloads.pop(hash, None)
            for hash in targets:
                self._targets.pop(hash, None)

    def _told(self, done: int, refused: int, error: CostModelError | None) -> None:
        with self._news:
            for _ in range(done):
                self._waiting.popleft()
            self._refused += refused
            if error is not None:
                self._why = error.message
                self._hurried = self._hurried and not passes(error)
            self._busy = False
            self._news.notify_all()
