"""Following a run on the server over connections that may be lost, and telling a listener of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import grpc

from costmodel.errors import CostModelError
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.replies import TuneEvent, TuneRun, TuneState, event_from
from costmodel.oracle.status import OracleError, OverloadedError, UnreachableError
from costmodel.oracle.steps import answers
from costmodel.results import PredictResult, ProgressListener, TuneResult, TuneStart

__all__ = ["Following", "Watching"]

#: Seconds that a server may be away, for a restart, before watching is given up.
PATIENCE_S = 120.0
_FIRST_S, _LONGEST_S = 0.5, 5.0
#: Seconds within which a try has found out that nobody is there.
_CONNECTING_S = 10.0
#: How a call ends whose server goes away in order.
_ENDED = (grpc.StatusCode.CANCELLED, grpc.StatusCode.ABORTED)


@dataclass
class Watching:
    """The events of a run, each once: those that were seen are passed over after a loss."""

    name: str
    seen: int = 0
    clock: Callable[[], float] = time.monotonic
    #: Whether calls are streams: no other call shows by its length that somebody was there.
    streams: bool = True
    over: bool = False
    _pause_s: float = _FIRST_S
    #: When the try under way began or last had an event; when the first that failed since began.
    _began: float | None = None
    _since: float | None = None

    def begin(self) -> None:
        """Another try begins."""
        self._began = self.clock()

    def request(self) -> pb.WatchTuneRequest:
        """For another try, which begins with it."""
        self.begin()
        return pb.WatchTuneRequest(name=self.name, skip=self.seen)

    def take(self, message: pb.TuneEvent) -> TuneEvent:
        """An event as it came."""
        with answers():
            event = event_from(message)
        self.seen, self._pause_s, self._since = event.number + 1, _FIRST_S, None
        self.over, self._began = event.end is not None, self.clock()
        return event

    def lost(self, error: CostModelError | None) -> float:
        """Seconds to wait before the next try; None is a stream that ended before its run did.

        Raises ``error`` where it is none of the connection, and UnreachableError where nobody has
        been there for two minutes.
        """
        if error is not None and not _of_connection(error):
            raise error
        now = self.clock()
        began, self._began = now if self._began is None else self._began, None
        if self._streamed(error, now - began):
            self._since, self._pause_s = now, _FIRST_S
        elif self._since is None:
            self._since = began
        if now - self._since > PATIENCE_S:
            raise UnreachableError(
                f"the connection to {self.name} was lost: {error.message if error else 'it ended'}",
                hint=f"the run may go on there: `costmodel runs watch {self.name}`",
            )
        pause, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_S)
        return max(pause, error.retry_s) if isinstance(error, OverloadedError) else pause

    def _streamed(self, error: CostModelError | None, seconds: float) -> bool:
        """Whether somebody was there for so long: proxies end streams of runs that are silent."""
        if not self.streams:
            return False
        if isinstance(error, OverloadedError):  # its seconds are those of gRPC's own pauses
            return False
        shortest = _CONNECTING_S if isinstance(error, UnreachableError) else self._pause_s
        return seconds > shortest


def _of_connection(error: CostModelError) -> bool:
    if isinstance(error, UnreachableError):
        return error.passing
    if isinstance(error, OverloadedError):
        return True
    return isinstance(error, OracleError) and error.code in _ENDED


@dataclass
class Following:
    """Tells a listener what happens in a run, as ``costmodel.tune`` would of its own."""

    run: TuneRun
    listener: ProgressListener
    seconds: float | None
    seen: int = 0
    end: TuneRun | None = None
    kernel: PredictResult | None = None

    def begin(self, kernel: PredictResult | None) -> None:
        """Tell of the run itself; of its start where ``kernel``, what is tuned, is known."""
        self.kernel = kernel
        if self.run.state is TuneState.QUEUED:
            self.listener.on_phase("queued")
        if self.kernel is not None:
            self.listener.on_start(
                TuneStart(
                    workload=self.kernel.workload,
                    function=self.kernel.function,
                    target=self.kernel.target,
                    backend=self.run.backend,
                    trials=self.run.trials,
                    seconds=self.seconds,
                    flops=self.kernel.flops,
                    bytes=self.kernel.bytes,
                    roofline_us=self.kernel.roofline_us,
                    stored=None,  # the server has not said
                )
            )

    @property
    def has_result(self) -> bool:
        return self.end is not None and self.end.result is not None

    def take(self, event: TuneEvent) -> None:
        """Tell of one event."""
        self.seen = event.number + 1
        if event.phase is not None:
            self.listener.on_phase(event.phase)
        elif event.trial is not None:
            self.listener.on_trial(event.trial, event.best_us)
        elif event.end is not None:
            self.end = event.end

    def result(self, paths: Mapping[str, str], *, interrupted: bool) -> TuneResult:
        """The result, with ``paths`` for the artifacts; the listener is told that it is over.

        Raises OracleError for a run that failed, and for one that ended without a result.
        """
        end = self.end
        if end is None or end.result is None:
            raise _failed(self.run.name, end)
        found = replace(end.result, artifacts=dict(paths), interrupted=interrupted)
        if self.kernel is not None:
            found = replace(
                found, target=self.kernel.target, flops=self.kernel.flops, bytes=self.kernel.bytes
            )
        if end.state is TuneState.FAILED:
            found = replace(found, problems=(*found.problems, end.error))
        elif end.state is TuneState.CANCELLED and not interrupted:
            why = f"{self.run.name} was cancelled before its trials were over"
            if end.error:
                why = f"{why}: {end.error}"
            found = replace(found, problems=(*found.problems, why))
        self.listener.on_end(found)
        return found


def _failed(name: str, end: TuneRun | None) -> OracleError:
    if end is not None and end.state is TuneState.CANCELLED:
        return OracleError(f"{name} was cancelled before anything correct was measured")
    why = end.error if end is not None and end.error else "it ended without a result"
    return OracleError(f"{name} failed on the server: {why}")
