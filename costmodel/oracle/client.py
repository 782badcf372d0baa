"""The client of the oracle, with the interface of the local functions."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
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
from costmodel.oracle.channel import DEADLINES, channel, deadline, leaving_ends
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
from costmodel.oracle.steps import Local, Pause, Plan, Step, Stream, run
from costmodel.oracle.watching import Following, Watching
from costmodel.records import Measurement, Target
from costmodel.report.files import output_directory
from costmodel.results import PredictResult, ProgressListener, RankResult, Silent, TuneResult

__all__ = ["Client"]

_T = TypeVar("_T")


class Client:
    """The oracle at an address, as if it were here; a context manager, for any thread.

    A kernel is a path, MLIR text, a ``Workload`` or the hash of one that the oracle knows; files
    are read here, and their text is sent. A target is ``cpu``, which is the machine that the
    client runs on, ``server``, which is the oracle's, the hash of one that the oracle knows, or a
    ``Target``.

    Calls are repeated, with growing pauses, where the oracle is away for a moment or busy. What
    is raised is a CostModelError, as the local functions raise it: InputError and its kinds with
    the place in the user's file; and an OracleError: UnreachableError where nobody answers,
    OverloadedError, NotFoundError, RefusedError. After ``close`` each call is a UsageError, and so
    is one that was under way.
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
        """``address`` is ``HOST:PORT`` or ``unix:PATH``, by default $COSTMODEL_ORACLE.

        ``ca`` is a file of who may vouch for the server, ``cert`` and ``key`` are the client's,
        ``token`` says who it is; what is not given comes from the environment, as for
        ``costmodel.oracle.connection.find_connection``. With ``fallback`` ``predict`` and
        ``rank`` answer on this machine where nobody is reached, from ``store`` and ``weights``,
        with a note. A call that is not a stream may take ``timeout`` seconds, its repetitions
        included and what the server is asked to wait not; by default what suits its method.
        Raises UsageError for an address, file, token or time that cannot be used.
        """
        self.connection = own_connection(address, ca, cert, key, token)
        self.fallback = fallback
        self._calls = Calls(self.connection, fallback, store, weights)
        self._timeout = own_timeout(timeout)
        self._channel = channel(self.connection)
        self._stub = OracleStub(self._channel)
        self._closed = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection up; calls under way end as later ones do, with a UsageError."""
        self._closed = True
        self._channel.close()

    def predict(
        self,
        source: Source,
        *,
        function: str | None = None,
        target: Where = "cpu",
        backend: str = "auto",
        threads: int | None = None,
    ) -> PredictResult:
        """What a kernel is expected to cost; see ``costmodel.predict``."""
        return self._run(self._calls.predict(source, function, target, backend, threads))

    def rank(
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
        """Up to ``n`` schedules of a kernel, the fastest first; see ``costmodel.rank``.

        ``seconds`` of the result is what the call took.
        """
        return self._run(self._calls.rank(source, n, seed, function, target, backend, threads))

    def rank_schedules(
        self,
        workload: Source,
        schedules: Iterable[Scheduled],
        target: Where = "cpu",
        *,
        backend: str = "auto",
    ) -> Scores:
        """What the oracle's model says of schedules, in their order; any number of them.

        Each is a ``Schedule``, one as ``rank`` returned it, or a mapping with ``backend`` and
        ``schedule`` as its JSON has them. Raises UsageError for anything else.
        """
        return self._run(self._calls.rank_schedules(workload, schedules, target, backend))

    def lookup(
        self,
        source: Source,
        *,
        function: str | None = None,
        target: Where = "cpu",
        backend: str = "auto",
        threads: int | None = None,
        toolchain: str | None = None,
    ) -> Lookup | None:
        """The best schedule that the oracle's store knows, or None.

        ``toolchain`` is the hash of versions that it must have been measured with, by default
        those that the server has installed; "any" where they do not matter. Raises NotFoundError
        for the hash of a kernel or a target that the oracle does not know.
        """
        return self._run(self._calls.lookup(source, function, target, backend, threads, toolchain))

    def measurements(
        self,
        source: Source,
        *,
        function: str | None = None,
        target: Where = "cpu",
        backend: str = "auto",
        threads: int | None = None,
    ) -> Iterator[Measurement]:
        """All that the oracle's store knows of a kernel on a target, oldest first.

        They come as they are taken, which may take as long as it does.
        """
        asked, request = self._calls.measurements(source, function, target, backend, threads)
        with asked.named():
            for message in self._stream("ListMeasurements", request):
                found = listed_from(message)
                if found is not None:
                    yield found

    def record(
        self,
        measurements: Iterable[Measurement],
        *,
        workloads: Iterable[Source] = (),
        targets: Sequence[Target] = (),
    ) -> int:
        """Have the oracle keep measurements; returns how many were new to it.

        ``workloads`` and ``targets`` are those that it may not know yet. They are sent in pieces,
        in order; each is on the oracle's disk when the next is sent, and recording again does
        nothing.
        """
        return self._run(self._calls.record(measurements, workloads, targets))

    def tune(
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
        """Tune a kernel on the server, and wait for it; see ``costmodel.tune``.

        The run goes on while a connection is lost, and is found again. What it leaves is put into
        ``out``. An interrupt cancels it: what was measured is kept, and the best so far is the
        result; a second one leaves at once, and one before the server has answered within five
        seconds, or ``timeout`` if that is less. Where ``leased``, or for another target than the
        server, clients measure (``lease``). Raises OracleError for a run that fails, and UsageError
        for no trials: ``lookup`` measures nothing.
        """
        start = partial(
            self._calls.start_tune, source, trials, seconds, seed, function, target, backend,
            threads, leased, uuid.uuid4().hex,
        )  # fmt: skip
        with folder_for(out) as folder:
            try:
                begun = self._run(start())
            except KeyboardInterrupt:
                self._abandon(start())
                raise
            following = Following(begun, progress or Silent(), seconds)
            kernel = self._calls.about(source, function, target, backend, threads)
            interrupted = False
            try:
                self._follow(following, kernel)
            except KeyboardInterrupt:
                interrupted = True
                self.cancel_tune(begun.name)
                self._rest(following)
            return self._conclude(following, folder, interrupted=interrupted)

    def _abandon(self, start: Plan[TuneRun]) -> None:
        """End a run that may have begun without an answer, as far as that is soon done."""
        with suppress(CostModelError, KeyboardInterrupt):
            self._run(self._calls.abandon_tune(None, start), leaving_ends(self._timeout))

    def wait_tune(
        self,
        name: str,
        *,
        out: str | os.PathLike[str] | None = None,
        progress: ProgressListener | None = None,
    ) -> TuneResult:
        """The result of a run that was begun, once it is over; as ``tune``, but it cancels none.

        A server that does not answer, as while it is restarted, is waited for up to two minutes.
        """
        with folder_for(out) as folder:
            listener = progress or Silent()
            begun = self._run(self._calls.find_tune(name, listener))
            following = Following(begun, listener, None)
            known = (begun.workload, None, begun.target_hash, begun.backend, None)
            self._follow(following, self._calls.about(*known))
            return self._conclude(following, folder, interrupted=False)

    def _follow(self, following: Following, kernel: Plan[PredictResult | None]) -> None:
        following.begin(self._run(kernel))
        self._rest(following)

    def _rest(self, following: Following) -> None:
        for event in self.watch_tune(following.run.name, skip=following.seen):
            following.take(event)

    def _conclude(
        self, following: Following, folder: Path | None, *, interrupted: bool
    ) -> TuneResult:
        paths: dict[str, str] = {}
        if folder is not None and following.has_result:
            paths = self.download_tune(following.run.name, folder)
        return following.result(paths, interrupted=interrupted)

    def start_tune(
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
        """Begin to tune on the server, and do not wait; the same ``request_id`` is the same run."""
        return self._run(
            self._calls.start_tune(
                source, trials, seconds, seed, function, target, backend, threads, leased,
                request_id,
            )
        )  # fmt: skip

    def watch_tune(self, name: str, *, skip: int = 0) -> Iterator[TuneEvent]:
        """What happened in a run after its first ``skip`` events, and happens, until its end.

        A connection that is lost is made again; each event comes once.
        """
        watching = Watching(name, skip)
        while not watching.over:
            lost = None
            try:
                for message in self._stream("WatchTune", watching.request()):
                    yield watching.take(message)
            except CostModelError as error:
                lost = error
            if not watching.over:
                time.sleep(watching.lost(lost))

    def get_tune(self, name: str) -> TuneRun:
        """A run as it stands. Raises NotFoundError where there is none of that name."""
        return self._run(self._calls.get_tune(name))

    def cancel_tune(self, name: str) -> TuneRun:
        """End a run; what it measured is kept. Raises RefusedError for another client's."""
        return self._run(self._calls.cancel_tune(name))

    def list_tunes(self, most: int | None = None) -> tuple[TuneRun, ...]:
        """Runs that the server knows, newest first; ``most`` of them, or all."""
        return self._run(self._calls.list_tunes(most))

    def download_tune(
        self, name: str, out: str | os.PathLike[str], *, artifacts: Sequence[str] = ()
    ) -> dict[str, str]:
        """Put the files that a run left into ``out``; their paths by kind.

        Of the kinds ``artifacts`` alone, if any are named.
        """
        with output_directory(Path(out)) as folder:
            download = Download(folder)
            request = pb.DownloadTuneRequest(name=name, artifacts=artifacts)
            for chunk in self._stream("DownloadTune", request):
                download.take(chunk)
            return download.end()

    def lease(
        self,
        target: str | Target,
        *,
        count: int = 1,
        wait_s: float = 0.0,
        term_s: float | None = None,
    ) -> tuple[Lease, ...]:
        """Candidates to measure on ``target`` (a hash, or facts), after up to ``wait_s`` seconds.

        One that is not completed within ``term_s`` seconds (60 by default) goes to others.
        """
        return self._run(self._calls.lease(target, count, wait_s, term_s))

    def complete(self, lease: str, measurement: Measurement | None) -> bool:
        """Hand in a leased candidate's measurement, or None to give it back unmeasured.

        Whether its run still waited for it; it is kept in any case.
        """
        return self._run(self._calls.complete(lease, measurement))

    def list_targets(self) -> tuple[KnownTarget, ...]:
        """The targets that the oracle's store knows."""
        return self._run(self._calls.list_targets())

    def register_target(self, target: Target) -> str:
        """Have the oracle know a target, or its rates anew; returns its hash."""
        return self._run(self._calls.register_target(target))

    def _run(self, plan: Plan[_T], ends: float | None = None) -> _T:
        """Follow a plan; none of its calls goes on after ``ends``, of the monotonic clock."""
        return run(plan, partial(self._do, ends))

    def _do(self, ends: float | None, step: Step) -> Any:
        if isinstance(step, Local):
            return step.do()
        if isinstance(step, Pause):
            return time.sleep(step.seconds)
        if isinstance(step, Stream):
            return list(self._stream(step.method, step.requests))
        with self._calling():
            return getattr(self._stub, step.method)(
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
        except ValueError:  # gRPC's, where another thread has closed it since
            if self._closed:
                raise closed_error() from None
            raise

    def _stream(self, method: str, requests: Any) -> Iterator[Any]:
        """Answers one by one; the call is ended where the caller wants no more."""
        given = iter(requests) if isinstance(requests, Sequence) else requests
        with self._calling():
            call = getattr(self._stub, method)(
                given,
                timeout=DEADLINES[method],
                metadata=self.connection.metadata,
            )
            try:
                yield from call
            finally:
                call.cancel()
