"""Processes that score, and the queue before them: what waits together is asked together."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import signal
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from costmodel.errors import CostModelError, InputError, UnsupportedError
from costmodel.lines import ChildDiedError, LineProcess
from costmodel.measure.cores import usable_cores
from costmodel.oracle import metrics
from costmodel.oracle.convert import FieldError
from costmodel.oracle.status import KINDS, OverloadedError, TooSlowError, UnreachableError
from costmodel.records import SourceLocation, Target
from costmodel.store.codec import target_to_json

__all__ = ["Scoring", "ScoringOptions"]

Question = Mapping[str, Any]
Answer = dict[str, Any]

_log = logging.getLogger(__name__)

#: Schedules and questions that one process is given at once.
_SCHEDULES, _QUESTIONS = 1024, 32
#: Of a process that has just been started: it imports compilers and the network.
_START_S = 120.0
#: How much less than the server's own a scoring process may get of a busy core.
_NICE = 5


@dataclass(frozen=True)
class ScoringOptions:
    """``processes`` that score, each with so many bytes of address space.

    A question that takes longer than ``timeout_s`` seconds ends its process; more than ``waiting``
    questions, or ``waiting_bytes`` of them, are refused.
    """

    processes: int
    memory_bytes: int = 16 << 30
    timeout_s: float = 60.0
    waiting: int = 512
    waiting_bytes: int = 256 << 20


@dataclass
class _Asked:
    question: Question
    answer: asyncio.Future[Answer]
    ends: float
    #: Of its texts.
    bytes: int
    since: float = field(default_factory=time.monotonic)

    @property
    def size(self) -> int:
        """Schedules to score, those to draw among them; 1 where none are asked for."""
        return max(1, len(self.question.get("schedules", ())) or self.question.get("count", 0))

    @property
    def over(self) -> bool:
        """Whether nobody waits any more."""
        return self.answer.done() or time.monotonic() >= self.ends


class Scoring:
    """Asks processes of ``costmodel.oracle.answers``; belongs to one event loop."""

    def __init__(
        self, store: Path, weights: Path | None, own: Target, options: ScoringOptions
    ) -> None:
        self._options = options
        self._own = [own.hash, *target_to_json(own)]
        self._cores = len(usable_cores())
        arguments = [str(store), str(weights or ""), str(options.memory_bytes)]
        self._children = [
            LineProcess(
                "costmodel.oracle.answers", arguments, timeout_s=options.timeout_s, nice=_NICE
            )
            for _ in range(options.processes)
        ]
        self._threads = ThreadPoolExecutor(options.processes + 1, thread_name_prefix="scoring")
        self._waiting: deque[_Asked] = deque()
        self._idle = 0
        self._news = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        #: By backend, the hash of the versions that are installed.
        self.toolchains: dict[str, str] = {}

    async def start(self) -> None:
        """Start the processes and wait until they can answer. Raises CostModelError."""
        found = await asyncio.gather(*(self._wake(child) for child in self._children))
        self.toolchains = found[0]["toolchains"]
        self._tasks = [asyncio.create_task(self._serve(child)) for child in self._children]
        self._tasks.append(asyncio.create_task(self._warm_all()))

    async def close(self) -> None:
        """End the processes; whoever waits is refused."""
        for task in self._tasks:
            task.cancel()
        for child in self._children:
            child.kill()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for child in self._children:
            await asyncio.to_thread(child.release)
        self._threads.shutdown(wait=False)
        while self._waiting:
            asked = self._waiting.popleft()
            if not asked.answer.done():
                asked.answer.set_exception(_ending())

    async def ask(self, question: Question, *, seconds: float | None = None) -> Answer:
        """The answer; ``seconds`` is how long it is waited for at the most.

        Raises what the question deserves, OverloadedError where too many wait already.
        """
        if len(self._waiting) >= self._options.waiting:  # those who left hold nobody up
            self._waiting = deque(one for one in self._waiting if not one.over)
        size = _bytes(question)
        if (
            len(self._waiting) >= self._options.waiting
            or size + sum(one.bytes for one in self._waiting) > self._options.waiting_bytes
        ):
            raise OverloadedError(
                f"{len(self._waiting)} questions are waiting already",
                hint="come again in a moment; the server's operator may have more processes score: "
                "`costmodel serve --processes N`",
            )
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        ends = time.monotonic() + (math.inf if seconds is None else seconds)
        self._waiting.append(_Asked(question, future, ends, size))
        metrics.WAITING.set(len(self._waiting))
        async with self._news:
            self._news.notify()
        answer = await future
        if "error" in answer:
            raise _error(answer["error"])
        return answer

    async def _wake(self, child: LineProcess) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            (answer,) = await loop.run_in_executor(
                self._threads, lambda: _exchange(child, [{"kind": "ready"}], timeout_s=_START_S)
            )
        except (ChildDiedError, TimeoutError) as error:
            said = getattr(error, "said", "")[-2000:]
            raise CostModelError(f"the process that scores cannot be started: {said}") from None
        if "error" in answer:
            raise _error(answer["error"])
        return answer

    async def _serve(self, child: LineProcess) -> None:
        """Give one process what waits, again and again."""
        while True:
            batch = await self._take()
            metrics.BATCH.observe(sum(asked.size for asked in batch))
            for asked in batch:
                metrics.QUEUED.observe(time.monotonic() - asked.since)
            try:
                await self._answer(child, batch)
            except asyncio.CancelledError:
                _fail(batch, _ending())
                raise
            except Exception as error:  # it cannot be started, or what it says is no answer
                _log.exception("a process that scores failed")
                child.kill()
                known = error if isinstance(error, CostModelError) else None
                _fail(batch, known or CostModelError(f"{error!r}: this is a fault of costmodel"))

    async def _warm_all(self) -> None:
        """One after the other: the others answer meanwhile."""
        for child in self._children:
            await self._warm(child)

    async def _warm(self, child: LineProcess) -> None:
        """Have a process load the compilers, which the first to ask would wait for."""
        loop = asyncio.get_running_loop()
        question = {"kind": "warm", "target": self._own}
        try:
            (answer,) = await loop.run_in_executor(
                self._threads, lambda: _exchange(child, [question], timeout_s=_START_S)
            )
        except (ChildDiedError, TimeoutError) as error:
            answer = _death(error, _START_S)
        if "error" in answer:
            _log.warning("the compilers were not loaded: %s", answer["error"]["message"])

    async def _take(self) -> list[_Asked]:
        """What waits, shared out evenly among the processes that have nothing to do."""
        self._idle += 1
        try:
            async with self._news:
                while True:
                    while self._waiting and self._waiting[0].over:
                        self._waiting.popleft()
                    if self._waiting:
                        return self._share()
                    await self._news.wait()
        finally:
            self._idle -= 1
            metrics.WAITING.set(len(self._waiting))

    def _share(self) -> list[_Asked]:
        count = min(_QUESTIONS, math.ceil(len(self._waiting) / self._idle))
        batch, size = [self._waiting.popleft()], 0
        while self._waiting and len(batch) < count:
            size += batch[-1].size
            if size + self._waiting[0].size > _SCHEDULES:
                break
            asked = self._waiting.popleft()
            if not asked.over:
                batch.append(asked)
        return batch

    @property
    def _share_of_cores(self) -> int:
        """Threads for what is asked now: cores of processes that have nothing to do are free."""
        return min(1 + self._idle, self._cores)

    async def _answer(
        self, child: LineProcess, batch: Sequence[_Asked], *, again: bool = False
    ) -> None:
        """Have the process answer; where that ends it, each question alone, to find the guilty.

        It is guilty that ends the process a second time (``again``).
        """
        batch = [asked for asked in batch if not asked.over]
        if not batch:
            return
        if not child.running:  # its start is not the question's time, nor its fault
            await self._wake(child)
        loop = asyncio.get_running_loop()
        questions = [asked.question for asked in batch]
        try:
            answers = await loop.run_in_executor(
                self._threads, _exchange, child, questions, self._share_of_cores
            )
        except (ChildDiedError, TimeoutError) as error:
            metrics.DEATHS.inc()
            # Others of the batch, or whoever killed the process, may be to blame.
            doubtful = isinstance(error, ChildDiedError) and not again
            if len(batch) > 1 or doubtful:
                for asked in batch:
                    await self._answer(child, [asked], again=len(batch) == 1)
                return
            _log.warning("a question ended the process that scores: %s", error)
            answers = [_death(error, self._options.timeout_s)]
        for asked, answer in zip(batch, answers, strict=True):
            if not asked.answer.done():
                asked.answer.set_result(answer)
            if asked.question["kind"] == "rank" and "error" not in answer:
                metrics.SCORES.inc(asked.size)


def _exchange(
    child: LineProcess,
    questions: Sequence[Question],
    threads: int = 1,
    *,
    timeout_s: float | None = None,
) -> list[Answer]:
    line = json.dumps({"threads": threads, "questions": questions}).encode()
    answers: list[Answer] = json.loads(child.ask(line, timeout_s=timeout_s))
    return answers


def _fail(batch: Sequence[_Asked], error: CostModelError) -> None:
    for asked in batch:
        if not asked.answer.done():
            asked.answer.set_exception(error)


def _ending() -> UnreachableError:
    """What whoever still asks is told when the server ends: another may answer in a moment."""
    return UnreachableError("the server is ending")


def _bytes(question: Question) -> int:
    source = question.get("source", {})
    text = source["known"]["text"] if "known" in source else source.get("mlir", "")
    return len(text) + sum(len(text) for _, text in question.get("schedules", ()))


def _death(error: Exception, timeout_s: float) -> Answer:
    """What the end of a process means to who asked."""
    hint = "give it a smaller kernel, or fewer schedules"
    if isinstance(error, ChildDiedError):
        kind = UnsupportedError.__name__
        named = -error.status in list(signal.Signals)
        how = signal.Signals(-error.status).name if named else f"status {error.status}"
        message = f"the compilers ended on this ({how})"
        _log.warning("it said: %s", error.said[-2000:])
    else:
        kind = TooSlowError.__name__
        message = f"this took more than {timeout_s:g} s"
        hint += "; the server's operator may give it longer: `costmodel serve --timeout S`"
    return {"error": {"class": kind, "message": message, "hint": hint,
                      "field": "", "place": None}}  # fmt: skip


def _error(fields: Mapping[str, Any]) -> CostModelError:
    """The error that was raised in the process."""
    if not fields["class"]:
        _log.error("a defect: %s", fields["traceback"])
        return CostModelError(f"{fields['message']}: this is a fault of costmodel")
    message, hint = fields["message"], fields["hint"]
    if fields["field"]:
        return FieldError(fields["field"], message, hint=hint)
    found = KINDS.get(fields["class"], CostModelError)(message, hint=hint)
    if isinstance(found, InputError) and fields["place"] is not None:
        found.location = SourceLocation(*fields["place"])
    return found
