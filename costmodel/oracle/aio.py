"""The client for asyncio: the methods of ``Client`` as coroutines and asynchronous iterators."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import grpc

from costmodel.errors import CostModelError
from costmodel.oracle.calls import (
    Calls,
    Source,
    Where,
    call_error,
    check_open,
    closed_error,
    folder_for,
    own_connection,
    own_timeout,
)
from costmodel.oracle.channel import DEADLINES, aio_channel, deadline, leaving_ends
from costmodel.oracle.connection import Connection
from costmodel.oracle.downloads import Download
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.proto.oracle_pb2_grpc import OracleStub
from costmodel.oracle.replies import (
    KnownTarget,
    Lease,
    Lookup,
    Scores,
    TuneEvent,
    TuneRun,
    listed_from,
)
from costmodel.oracle.requests import Scheduled
from costmodel.oracle.steps import Local, Pause, Plan, Step, Stream, run_async
from costmodel.oracle.watching import Following, Watching
from costmodel.records import Measurement, Target
from costmodel.results import PredictResult, ProgressListener, RankResult, Silent, TuneResult

__all__ = ["AsyncClient"]

_T = TypeVar("_T")


class AsyncClient:
    """``Client`` for one event loop; an asynchronous context manager.

    Its methods take and give what those of ``Client`` do, where they are explained. A task that is
    cancelled while it waits for ``tune`` cancels the run, as far as the server can be asked to
    within five seconds, or ``timeout`` if that is less.
    """

    def __init__(
        self,
        address: str | Connection | None = None,
        *,
        ca: Path | None = None,
        cert: Path | None = None,
        key: Path | None = None,
        token: str | None = None,
        fallback: bool = False,
        store: str | os.PathLike[str] | None = None,
        weights: str | os.PathLike[str] | None = None,
        timeout: float | None = None,
    ) -> None:
        """See Client; to be made where the event loop runs."""
        self.connection = own_connection(address, ca, cert, key, token)
        self.fallback = fallback
        self._calls = Calls(self.connection, fallback, store, weights)
        self._timeout = own_timeout(timeout)
        self._channel = aio_channel(self.connection)
        self._stub = OracleStub(self._channel)
        self._closed = False

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        self._closed = True
        await self._channel.close()

    async def predict(
        self,
        source: Source,
        *,
        function: str | None = None,
        target: Where = "cpu",
        backend: str = "auto",
        threads: int | None = None,
    ) -> PredictResult:
        return await self._run(self._calls.predict(source, function, target, backend, threads))

    async def rank(
        self,
        source: Source,
        *,
        n: int = 256,
        seed: int = 0,
        function: str | None = None,
        target: Where = "cpu",
        backend: str = "auto",
        threads: int | None = None,
    ) -> RankResult:
        return await self._run(
            self._calls.rank(source, n, seed, function, target, backend, threads)
        )

    async def rank_schedules(
        self,
        workload: Source,
        schedules: Iterable[Scheduled],
        target: Where = "cpu",
        *,
        backend: str = "auto",
    ) -> Scores:
        return await self._run(self._calls.rank_schedules(workload, schedules, target, backend))

    async def lookup(
        self,
        source: Source,
        *,
        function: str | None = None,
        target: Where = "cpu",
        backend: str = "auto",
        threads: int | None = None,
        toolchain: str | None = None,
    ) -> Lookup | None:
        return await self._run(
            self._calls.lookup(source, function, target, backend, threads, toolchain)
        )

    async def measurements(
        self,
        source: Source,
        *,
        function: str | None = None,
        target: Where = "cpu",
        backend: str = "auto",
        threads: int | None = None,
    ) -> AsyncGenerator[Measurement, None]:
        asked, request = self._calls.measurements(source, function, target, backend, threads)
        with asked.named():
            async with aclosing(self._stream("ListMeasurements", request)) as messages:
                async for message in messages:
                    found = listed_from(message)
                    if found is not None:
                        yield found

    async def record(
        self,
        measurements: Iterable[Measurement],
        *,
        workloads: Iterable[Source] = (),
        targets: Sequence[Target] = (),
    ) -> int:
        return await self._run(self._calls.record(measurements, workloads, targets))

    async def tune(
        self,
        source: Source,
        *,
        trials: int = 64,
        seconds: float | None = None,
        seed: int = 0,
        out: str | os.PathLike[str] | None = None,
        target: Where = "server",
        backend: str = "auto",
        function: str | None = None,
        threads: int | None = None,
        leased: bool = False,
        progress: ProgressListener | None = None,
    ) -> TuneResult:
        start = partial(
            self._calls.start_tune, source, trials, seconds, seed, function, target, backend,
            threads, leased, uuid.uuid4().hex,
        )  # fmt: skip
        begun: TuneRun | None = None
        with folder_for(out) as folder:
            try:
                begun = await self._run(start())
                following = Following(begun, progress or Silent(), seconds)
                kernel = self._calls.about(source, function, target, backend, threads)
                await self._follow(following, kernel)
            except asyncio.CancelledError:
                await asyncio.shield(self._abandon(begun, start()))
                raise
            return await self._conclude(following, folder)

    async def _abandon(self, begun: TuneRun | None, start: Plan[TuneRun]) -> None:
        """End a run whose caller was cancelled, which no failure may hide."""
        with suppress(CostModelError):
            await self._run(self._calls.abandon_tune(begun, start), leaving_ends(self._timeout))

    async def wait_tune(
        self,
        name: str,
        *,
        out: str | os.PathLike[str] | None = None,
        progress: ProgressListener | None = None,
    ) -> TuneResult:
        with folder_for(out) as folder:
            listener = progress or Silent()
            begun = await self._run(self._calls.find_tune(name, listener))
            following = Following(begun, listener, None)
            known = (begun.workload, None, begun.target_hash, begun.backend, None)
            await self._follow(following, self._calls.about(*known))
            return await self._conclude(following, folder)

    async def _follow(self, following: Following, kernel: Plan[PredictResult | None]) -> None:
        following.begin(await self._run(kernel))
        async with aclosing(self.watch_tune(following.run.name)) as events:
            async for event in events:
                following.take(event)

    async def _conclude(self, following: Following, folder: Path | None) -> TuneResult:
        paths: dict[str, str] = {}
        if folder is not None and following.has_result:
            paths = await self.download_tune(following.run.name, folder)
        return following.result(paths, interrupted=False)

    async def start_tune(
        self,
        source: Source,
        *,
        trials: int = 64,
        seconds: float | None = None,
        seed: int = 0,
        target: Where = "server",
        backend: str = "auto",
        function: str | None = None,
        threads: int | None = None,
        leased: bool = False,
        request_id: str | None = None,
    ) -> TuneRun:
        return await self._run(
            self._calls.start_tune(
                source, trials, seconds, seed, function, target, backend, threads, leased,
                request_id,
            )
        )  # fmt: skip

    async def watch_tune(self, name: str, *, skip: int = 0) -> AsyncGenerator[TuneEvent, None]:
        watching = Watching(name, skip)
        while not watching.over:
            lost = None
            try:
                async with aclosing(self._stream("WatchTune", watching.request())) as messages:
                    async for message in messages:
                        yield watching.take(message)
            except CostModelError as error:
                lost = error
            if not watching.over:
                await asyncio.sleep(watching.lost(lost))

    async def get_tune(self, name: str) -> TuneRun:
        return await self._run(self._calls.get_tune(name))

    async def cancel_tune(self, name: str) -> TuneRun:
        return await self._run(self._calls.cancel_tune(name))

    async def list_tunes(self, most: int | None = None) -> tuple[TuneRun, ...]:
        return await self._run(self._calls.list_tunes(most))

    async def download_tune(
        self, name: str, out: str | os.PathLike[str], *, artifacts: Sequence[str] = ()
    ) -> dict[str, str]:
        with folder_for(out) as folder:
            assert folder is not None
            download = Download(folder)
            request = pb.DownloadTuneRequest(name=name, artifacts=artifacts)
            async with aclosing(self._stream("DownloadTune", request)) as chunks:
                async for chunk in chunks:
                    await asyncio.to_thread(download.take, chunk)
            return download.end()

    async def lease(
        self,
        target: str | Target,
        *,
        count: int = 1,
        wait_s: float = 0.0,
        term_s: float | None = None,
    ) -> tuple[Lease, ...]:
        return await self._run(self._calls.lease(target, count, wait_s, term_s))

    async def complete(self, lease: str, measurement: Measurement | None) -> bool:
        return await self._run(self._calls.complete(lease, measurement))

    async def list_targets(self) -> tuple[KnownTarget, ...]:
        return await self._run(self._calls.list_targets())

    async def register_target(self, target: Target) -> str:
        return await self._run(self._calls.register_target(target))

    async def _run(self, plan: Plan[_T], ends: float | None = None) -> _T:
        return await run_async(plan, partial(self._do, ends))

    async def _do(self, ends: float | None, step: Step) -> Any:
        if isinstance(step, Local):
            return await asyncio.to_thread(step.do)
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, Stream):
            return [message async for message in self._stream(step.method, step.requests)]
        with self._calling():
            return await getattr(self._stub, step.method)(
                step.request,
                timeout=deadline(step.method, step.waits, self._timeout, ends),
                metadata=self.connection.metadata,
            )

    @contextmanager
    def _calling(self) -> Iterator[None]:
        """Around a call: its error is raised as ours."""
        check_open(closed=self._closed)
        try:
            yield
        except grpc.RpcError as error:
            raise call_error(error, self.connection.address, closed=self._closed) from None
        except asyncio.CancelledError:
            # gRPC cancels the calls of a channel that is closed; nobody has cancelled the task.
            if self._closed and not _cancelled():
                raise closed_error() from None
            raise

    async def _stream(self, method: str, requests: Any) -> AsyncGenerator[Any, None]:
        given = iter(requests) if isinstance(requests, Sequence) else requests
        with self._calling():
            call = getattr(self._stub, method)(
                given, timeout=DEADLINES[method], metadata=self.connection.metadata
            )
            try:
                async for message in call:
                    yield message
            finally:
                call.cancel()


def _cancelled() -> bool:
    """Whether the task that runs is to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
