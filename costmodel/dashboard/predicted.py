"""What the trained model says today of stored schedules, asked when a page is looked at."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cachetools import LRUCache

from costmodel.dashboard.comparing import Compared
from costmodel.lines import ChildDiedError, LineProcess
from costmodel.records import Target, Workload
from costmodel.store.codec import target_to_json, types_to_json

__all__ = ["MOST", "Model", "Point", "Predicted", "choose_schedules"]

#: Schedules that the model is asked about at once.
MOST = 256
_TIMEOUT_S = 60.0
#: Address space of the process that asks; the network and the compilers map much of it.
_MEMORY = 16 << 30
#: How much less than others the process gets of a busy core: it must not disturb a running tune.
_NICE = 10
#: Seconds after which a process that nobody asks is ended.
_IDLE_S = 120.0
_KEPT = 64
#: Seconds before it is asked again after it has failed: a page that is looked at asks often.
_PAUSE_S = 30.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Point:
    """A schedule measured and predicted, with the bounds of 90%; microseconds."""

    measured_us: float
    predicted_us: float
    low_us: float
    high_us: float
    backend: str


@dataclass(frozen=True)
class Predicted:
    """Points of a workload on a target, of which ``asked`` schedules there should be.

    ``note`` is what to know of them; without points, why there are none. ``made`` is when the model
    was asked, in seconds of the epoch. ``failed`` says that it may do better when asked again.
    """

    points: tuple[Point, ...]
    asked: int
    note: str
    made: float
    failed: bool = False

    @property
    def spearman(self) -> float | None:
        """Correlation of the ranks; None where it has no meaning."""
        told = [point.predicted_us for point in self.points]
        measured = [point.measured_us for point in self.points]
        if len(set(told)) < 3 or len(set(measured)) < 3:
            return None
        from scipy.stats import spearmanr

        return float(spearmanr(told, measured).statistic)

    @property
    def typical_factor(self) -> float | None:
        """The median of how many times too much or too little was predicted."""
        factors = sorted(
            math.exp(abs(math.log(p.predicted_us / p.measured_us))) for p in self.points
        )
        return factors[len(factors) // 2] if factors else None

    @property
    def covered(self) -> int:
        """Measured latencies within the predicted interval."""
        return sum(point.low_us <= point.measured_us <= point.high_us for point in self.points)


def choose_schedules(compared: Sequence[Compared]) -> list[Compared]:
    """Up to ``MOST`` of those with a latency, each schedule once, evenly over the ranks."""
    newest: dict[str, Compared] = {}
    for one in compared:
        before = newest.get(one.schedule.hash)
        if one.median_us is not None and (before is None or one.last > before.last):
            newest[one.schedule.hash] = one
    ranked = sorted(newest.values(), key=lambda one: one.median_us or 0.0)
    if len(ranked) <= MOST:
        return ranked
    step = (len(ranked) - 1) / (MOST - 1)
    return [ranked[round(place * step)] for place in range(MOST)]


class Model:
    """Asks the trained model, one question at a time, in a process that is started when needed.

    Answers are kept; belongs to one event loop.
    """

    def __init__(self, weights: Path | None, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._child = LineProcess(
            "costmodel.dashboard.asked", [str(weights or ""), str(_MEMORY)],
            timeout_s=timeout_s, nice=_NICE,
        )  # fmt: skip
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._kept: LRUCache[object, asyncio.Task[Predicted]] = LRUCache(_KEPT)
        self._idle: asyncio.TimerHandle | None = None
        self._closed = False

    async def ask(
        self, state: object, workload: Workload, target: Target, compared: Sequence[Compared],
        *, patience_s: float,
    ) -> Predicted | None:  # fmt: skip
        """What it says, at once if it was asked in this ``state``; None if that takes longer."""
        key = (
            state,
            workload.hash,
            target.hash,
            target.bandwidth,
            *sorted(target.peak_flops.items()),
        )
        task = self._kept.get(key)
        if task is None or _to_be_asked_again(task):
            task = asyncio.create_task(self._ask(workload, target, choose_schedules(compared)))
            self._kept[key] = task
        done, _ = await asyncio.wait([task], timeout=patience_s)
        return task.result() if done else None

    def close(self) -> None:
        """End the process; whoever waits for it gets a note."""
        self._closed = True
        if self._idle is not None:
            self._idle.cancel()
        self._child.kill()
        self._thread.shutdown(wait=True)
        self._child.release()

    async def _ask(
        self, workload: Workload, target: Target, chosen: Sequence[Compared]
    ) -> Predicted:
        if not chosen:
            return Predicted((), 0, "no schedule has been measured with success", time.time())
        question = {
            "workload": {
                "hash": workload.hash, "text": workload.text, "function": workload.function,
                "inputs": types_to_json(workload.inputs),
                "outputs": types_to_json(workload.outputs),
            },
            "target": [target.hash, *target_to_json(target)],
            "schedules": [[one.schedule.backend, one.schedule.text] for one in chosen],
        }  # fmt: skip
        loop = asyncio.get_running_loop()
        line = json.dumps(question).encode()
        try:
            reply = json.loads(await loop.run_in_executor(self._thread, self._exchange, line))
        except TimeoutError:
            note = f"the trained model was asked for {self._timeout_s:g} s and gave no answer"
            return Predicted((), len(chosen), note, time.time(), failed=True)
        except ChildDiedError as error:
            return Predicted((), len(chosen), _death(error), time.time(), failed=True)
        finally:
            self._rest(loop)
        bands = reply["bands"] or [None] * len(chosen)
        points = (_point(one, band) for one, band in zip(chosen, bands, strict=True))
        found = tuple(point for point in points if point is not None)
        return Predicted(found, len(chosen), reply["note"], time.time())

    def _exchange(self, line: bytes) -> bytes:
        if self._closed:
            raise ChildDiedError(-signal.SIGTERM, "")
        return self._child.ask(line)

    def _rest(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the process in a while, unless it is asked again: it holds much memory."""
        if self._idle is not None:
            self._idle.cancel()
        if not self._closed:
            self._idle = loop.call_later(_IDLE_S, self._thread.submit, self._child.close)


def _to_be_asked_again(task: asyncio.Task[Predicted]) -> bool:
    """Whether it failed, of what was not the question, and some time ago."""
    if not task.done():
        return False
    if task.cancelled() or task.exception() is not None:
        return True
    found = task.result()
    return found.failed and time.time() - found.made >= _PAUSE_S


def _point(one: Compared, band: Sequence[float] | None) -> Point | None:
    if band is None or one.median_us is None:
        return None
    low, middle, high = (math.exp(min(700.0, each)) for each in band)
    return Point(one.median_us, middle, low, high, one.schedule.backend)


def _death(error: ChildDiedError) -> str:
    how = f"exit status {error.status}"
    if error.status < 0:
        how = signal.Signals(-error.status).name
    _log.info("the process that asks the model said: %s", error.said[-2000:])
    last = error.said.strip().splitlines()[-1:] or [""]
    said = f": {last[0][:200]}" if last[0] else ""
    return f"the process that asks the trained model ended on this workload ({how}{said})"
