"""Tuning runs: begun, watched, cancelled, listed, and kept past the end of whoever asked.

A run is a folder and, while it goes on, a process (``costmodel.oracle.run_execution``). It outlives
the client's connection; what it measures is in the server's store as it comes. One that a killed
server left behind has failed, one that waited begins.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import uuid
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from costmodel.errors import UsageError
from costmodel.oracle import confine, resources
from costmodel.oracle.access import Principal, Scope
from costmodel.oracle.convert import FieldError
from costmodel.oracle.events import Events
from costmodel.oracle.leases import LeasePool
from costmodel.oracle.limits import Keep, RunLimits, RunSpec
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.run_execution import Execution, collect, conclude
from costmodel.oracle.run_files import RunFiles
from costmodel.oracle.run_process import end_orphan
from costmodel.oracle.run_record import RunRecord, now, same_request
from costmodel.oracle.status import (
    NotFoundError,
    OverloadedError,
    RefusedError,
    UnreachableError,
)
from costmodel.records import Measurement, Target

__all__ = ["Runs"]

_log = logging.getLogger(__name__)

#: Trials and length of a page where a request names none, and the most of a page.
_TRIALS, _PAGE, _LARGEST_PAGE = 64, 100, 1000
#: Bytes of a page, which is to fit a message that any client of gRPC takes, and of a piece of a
#: file.
_PAGE_BYTES, _PIECE = 3 << 20, 256 << 10
#: Seconds after which somebody who was refused may come again.
_RETRY_S = 30.0


class Runs:
    """Belongs to one event loop. ``await open()`` before anything else, ``await close()`` after.

    ``state`` is a folder of its own for the runs; ``store`` is the server's, which is only read
    (``keep`` writes to it); ``own`` is the machine that the server runs on, with its rates. Runs
    are confined unless the operator trusts every client (``confined=False``).
    """

    def __init__(
        self,
        state: Path,
        store: Path,
        own: Target,
        keep: Keep,
        limits: RunLimits,
        *,
        weights: Path | None = None,
        confined: bool = True,
    ) -> None:
        self._state, self._own, self._keep, self._limits = state, own, keep, limits
        self._confined = confined
        self._pool = LeasePool(keep)
        self._execution = Execution(store, keep, limits, self._pool, weights, confined)
        self._runs: dict[str, RunRecord] = {}
        self._requests: dict[tuple[str, str], str] = {}
        self._queues: dict[bool, deque[RunRecord]] = {False: deque(), True: deque()}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._lock: IO[bytes] | None = None
        self._closing = False

    # The server's beginning and end

    async def open(self) -> None:
        """Take over what an earlier server left behind, and begin what was waiting.

        Raises UsageError where another server uses the folder, it cannot be written, or the kernel
        cannot confine.
        """
        if self._confined:
            confine.check()
            for gap in confine.gaps():
                _log.warning("runs are confined, but this kernel does not keep them from %s", gap)
        try:
            self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = (self._state / "lock").open("wb")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"another server keeps its runs in {self._state}",
                hint="give this one a folder of its own: --state DIR",
            ) from error
        except OSError as error:
            raise UsageError(f"runs cannot be kept in {self._state}: {error.strerror}") from error
        self._state = self._state.resolve()
        found = [RunRecord.load(RunFiles(place)) for place in self._state.iterdir()
                 if place.is_dir()]  # fmt: skip
        for run in sorted((one for one in found if one is not None), key=lambda r: r.created_ns):
            await self._enter_found(run)
        await self._remove_old()
        self._begin_waiting()

    async def _enter_found(self, run: RunRecord) -> None:
        """One that cannot be gone on with is left as it is, and keeps no server from its start."""
        self._enter(run)
        try:
            await self._take_over(run)
        except Exception:
            _log.exception("the run in %s cannot be taken over", run.files.path)
            if not run.ended:
                del self._runs[run.id]

    async def _take_over(self, run: RunRecord) -> None:
        if not run.ended and run.operation.state == pb.TUNE_STATE_QUEUED and run.spec is not None:
            run.events.begin()
            self._queues[run.operation.leased].append(run)
            return
        if not run.ended:
            if run.process_id:
                end_orphan(run.process_id, run.process_began, run.files.work)
            trials = [one.trial for one in run.events.begin() if one.HasField("trial")]
            run.operation.measured = len(trials)
            best = [one.best_us for one in trials if one.HasField("best_us")]
            if best:
                run.operation.best_us = best[-1]
            refused = await collect(run, self._keep)
            said = "; ".join(filter(None, ("the server ended while it ran", refused)))
            conclude(run, pb.TUNE_STATE_FAILED, said)
        elif not run.collected:
            await collect(run, self._keep)
            run.save()

    def end_soon(self) -> None:
        """Have all runs conclude, so that who watches sees their ends before calls are ended.

        None begins any more; who waits for candidates is told that there are none.
        """
        self._closing = True
        self._pool.close()
        for id in self._tasks:
            self._interrupt(self._runs[id], "the server was stopped")

    async def close(self) -> None:
        """End the runs within their grace time; what they measured is kept, leases return.

        Those that have not begun wait for the next server.
        """
        self.end_soon()
        if self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._lock is not None:
            self._lock.close()

    # What clients ask

    async def start(self, spec: RunSpec, client: str) -> pb.TuneOperation:
        """Begin to tune, or queue it; the same client and ``request_id`` give the same run.

        Raises FieldError for what exceeds the limits, OverloadedError where too many wait,
        UnreachableError where the server is ending, OSError where it cannot be written down.
        """
        spec = self._checked(spec)
        known = self._requests.get((client, spec.request_id))
        if known is not None and known in self._runs:
            run = self._runs[known]
            if run.request.partition(":")[0] != same_request(spec):
                raise FieldError(
                    "request_id", "an earlier request of this id asked for something else",
                    hint="give each request an id of its own",
                )  # fmt: skip
            return _copy(run)
        if self._closing:
            raise UnreachableError("the server is ending")
        if len(self._queues[spec.leased]) >= self._limits.queued:
            raise OverloadedError(
                f"{self._limits.queued} runs are waiting already", hint="come again later",
                retry_s=_RETRY_S,
            )  # fmt: skip
        run = self._made(spec, client)
        try:
            run.files.make()
            run.events.begin()
            run.save()
        except OSError:
            run.files.remove()
            raise
        self._enter(run)
        self._queues[spec.leased].append(run)
        self._begin_waiting()
        return _copy(run)

    def _checked(self, spec: RunSpec) -> RunSpec:
        limits = self._limits
        if not 1 <= len(spec.request_id) <= 128:
            raise FieldError("request_id", "a request has an id of 1 to 128 characters")
        trials, seconds = spec.trials or _TRIALS, spec.seconds
        if trials > limits.trials:
            raise FieldError(
                "trials", f"a run has up to {limits.trials} trials here",
                hint="the server's operator may allow more: `costmodel serve --max-trials N`",
            )  # fmt: skip
        if seconds is not None and not 0 < seconds <= limits.seconds:
            raise FieldError(
                "budget", f"a run takes up to {limits.seconds:g} s here",
                hint="start one again when its time is over: it goes on from there",
            )  # fmt: skip
        leased = spec.leased or spec.target.hash != self._own.hash
        target = self._own if spec.target.hash == self._own.hash else spec.target
        return replace(spec, trials=trials, leased=leased, target=target)

    def _made(self, spec: RunSpec, client: str) -> RunRecord:
        id = uuid.uuid4().hex
        files = RunFiles(self._state / id)
        operation = pb.TuneOperation(
            name=resources.tune_name(id),
            state=pb.TUNE_STATE_QUEUED,
            workload=spec.workload.hash,
            function=spec.workload.function,
            target_hash=spec.target.hash,
            backend=spec.backend,
            trials=spec.trials,
            created=now(),
            leased=spec.leased,
            client=client,
        )
        request = f"{same_request(spec)}:{spec.request_id}"
        return RunRecord(id, operation, request, files, Events(files.events), spec)

    def _enter(self, run: RunRecord) -> None:
        self._runs[run.id] = run
        self._requests[run.operation.client, run.request.partition(":")[2]] = run.id

    def get(self, name: str) -> pb.TuneOperation:
        """A run as it stands. Raises FieldError for what is no name, NotFoundError."""
        return _copy(self._find(name))

    def _find(self, name: str) -> RunRecord:
        run = self._runs.get(resources.tune_id(name))
        if run is None:
            raise NotFoundError(f"no run is called {name}", hint="old runs are removed")
        return run

    def watch(self, name: str, skip: int) -> AsyncIterator[pb.TuneEvent]:
        """What happens in a run but for the first ``skip`` events; ends with the run.

        Raises FieldError and NotFoundError, at once.
        """
        return self._find(name).events.watch(skip)

    async def cancel(self, name: str, caller: Principal) -> pb.TuneOperation:
        """Ask a run to end. It concludes with what it has, which takes a moment: see ``watch``.

        Raises FieldError, NotFoundError, and RefusedError for another client's run.
        """
        run = self._find(name)
        _check_owner(run, caller)
        queue = self._queues[run.operation.leased]
        if run not in queue:
            self._interrupt(run, "")
            return _copy(run)
        queue.remove(run)
        run.collected = True
        conclude(run, pb.TUNE_STATE_CANCELLED, "")
        cancelled = _copy(run)
        await self._remove_old()  # who starts runs and cancels them fills no disk
        return cancelled

    def _interrupt(self, run: RunRecord, why: str) -> None:
        if not run.ended:
            run.ending = why if run.ending is None else run.ending
            if run.process is not None:
                run.process.interrupt()

    def list(self, page_size: int, page_token: str) -> pb.ListTunesResponse:
        """Newest first, fewer than asked for where they are large.

        Raises FieldError for a token that is none.
        """
        start = resources.page_start(page_token) if page_token else None
        newest = sorted(
            ((run.created_ns, run.id) for run in self._runs.values()), reverse=True
        )  # fmt: skip
        rest = [key for key in newest if start is None or key < start]
        tunes: list[pb.TuneOperation] = []
        total = 0
        for _, id in rest[: min(page_size or _PAGE, _LARGEST_PAGE)]:
            operation = self._runs[id].operation
            total += operation.ByteSize()
            if tunes and total > _PAGE_BYTES:
                break
            tunes.append(operation)
        more = len(rest) > len(tunes)
        token = resources.page_token(*rest[len(tunes) - 1]) if more else ""
        return pb.ListTunesResponse(tunes=tunes, next_page_token=token)

    def download(self, name: str, kinds: Sequence[str]) -> AsyncIterator[pb.ArtifactChunk]:
        """The files that a run made, of some kinds or all, in pieces.

        Raises FieldError for a kind that there is not, NotFoundError; both at once.
        """
        run = self._find(name)
        made = dict(run.operation.result.artifacts)
        for place, kind in enumerate(kinds):
            if kind not in made:
                known = ", ".join(sorted(made)) or "none"
                raise FieldError(
                    f"artifacts[{place}]", f"the run has no file of the kind {kind!r}",
                    hint=f"there are: {known}",
                )  # fmt: skip
        return _pieces(run.files, {kind: made[kind] for kind in kinds or sorted(made)})

    async def lease(
        self, target: str, count: int, wait_s: float, term_s: float
    ) -> Sequence[pb.LeasedCandidate]:
        """Candidates to measure for the target of a hash; empty where none came in time."""
        return await self._pool.lease(target, count, wait_s, term_s)

    async def complete(self, lease: str, measurement: Measurement | None) -> bool:
        """Whether a run still waited for it; see ``LeasePool.complete``."""
        return await self._pool.complete(lease, measurement)

    # Runs under way

    def _begin_waiting(self) -> None:
        """As many as may run at once."""
        for leased, most in ((False, self._limits.concurrent), (True, self._limits.leased)):
            queue = self._queues[leased]
            while queue and not self._closing and self._under_way(leased) < most:
                run = queue.popleft()
                task = asyncio.create_task(self._execute(run), name=run.operation.name)
                self._tasks[run.id] = task

    def _under_way(self, leased: bool) -> int:
        return sum(self._runs[id].operation.leased == leased for id in self._tasks)

    async def _execute(self, run: RunRecord) -> None:
        try:
            await self._execution.run(run)
        except Exception as error:
            _log.exception("a run failed")
            if not run.ended:
                conclude(run, pb.TUNE_STATE_FAILED, f"unexpected {error!r}")
        finally:
            del self._tasks[run.id]
            self._begin_waiting()
        if not self._closing:
            await self._remove_old()

    async def _remove_old(self) -> None:
        """Keep the latest that have ended, as far as their number and their files allow."""
        ended = [run for run in self._runs.values() if run.ended and run.collected]
        ended.sort(key=lambda run: run.operation.ended.ToNanoseconds(), reverse=True)
        for run in ended:
            if run.size is None:  # nothing is put into it any more
                run.size = await asyncio.to_thread(run.files.size)
        total = 0
        for place, run in enumerate(ended):
            total += run.size or 0
            too_much = place >= self._limits.kept or total > self._limits.kept_bytes
            if too_much and self._runs.pop(run.id, None) is not None:
                await asyncio.to_thread(run.files.remove)
        known = self._requests.items()
        self._requests = {key: id for key, id in known if id in self._runs}


def _check_owner(run: RunRecord, caller: Principal) -> None:
    """Raise RefusedError for another's run. Those of the first servers have no owner."""
    owner = run.operation.client
    if owner and owner != caller.name and not caller.may(Scope.ADMIN):
        raise RefusedError(
            f"{caller.name} may not cancel {run.operation.name}, which {owner} started",
            hint=f"{owner} may, and clients with the scope {Scope.ADMIN}",
        )


def _copy(run: RunRecord) -> pb.TuneOperation:
    """As it stands: the run goes on."""
    operation = pb.TuneOperation()
    operation.CopyFrom(run.operation)
    return operation


async def _pieces(files: RunFiles, names: dict[str, str]) -> AsyncIterator[pb.ArtifactChunk]:
    for kind, name in names.items():
        with await asyncio.to_thread(files.open_artifact, name) as file:
            size, sent = os.fstat(file.fileno()).st_size, 0
            while True:
                data = await asyncio.to_thread(file.read, _PIECE)
                sent += len(data)
                last = sent >= size or not data
                yield pb.ArtifactChunk(artifact=kind, file_name=name, data=data, last=last)
                if last:
                    break
