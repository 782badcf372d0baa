"""A worker process as its parent sees it: starting, asking, time-outs, and how it ended."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from costmodel.errors import MeasureError
from costmodel.measure.faults import Death, kernel_oom_kills
from costmodel.measure.host import START_S, WorkerHost, tail
from costmodel.measure.worker import Done, Failed, Stage

__all__ = ["Died", "Reply", "TimedOut", "Worker", "first_replies"]


@dataclass(frozen=True)
class TimedOut:
    """The task was killed for staying longer than ``seconds`` in ``stage``."""

    stage: str
    seconds: float


@dataclass(frozen=True)
class Died:
    """The worker ended by itself (or by another's hand) while in ``stage``."""

    stage: str
    death: Death
    stderr: str
    oom_killed: bool


Reply = Done | Failed | TimedOut | Died


class Worker:
    """One worker process, started when first needed and again after each death.

    ``context`` makes the cloudpickled bytes that the process shares among its tasks. ``tasks`` is
    how many tasks the present process has been given.
    """

    def __init__(
        self,
        host: WorkerHost,
        context: Callable[[], bytes],
        *,
        cores: Sequence[int],
        memory_bytes: int,
    ) -> None:
        self._host = host
        self._context = context
        self.cores = tuple(cores)
        self._memory_bytes = memory_bytes
        self._log = host.log_file()
        self._connection: Connection | None = None
        self.pid = 0
        self.tasks = 0
        self.busy = False
        self._stage = Stage("start", START_S)
        self._deadline = 0.0
        self._oom_kills = 0

    @property
    def connection(self) -> Connection:
        """Our end of the running process's socket."""
        if self._connection is None:
            raise MeasureError("the worker is not running")
        return self._connection

    @property
    def stage(self) -> Stage:
        """The stage that the present or last task has come to."""
        return self._stage

    @property
    def deadline(self) -> float:
        """When (``time.monotonic``) the present stage has to be over."""
        return self._deadline

    def start(self) -> None:
        """Start the process if it does not run. Raises MeasureError if it cannot."""
        if self._connection is not None:
            return
        try:
            self._launch()
        except BaseException:
            self.stop()
            raise

    def _launch(self) -> None:
        self.pid, self._connection = self._host.spawn(
            cores=self.cores, memory_bytes=self._memory_bytes, log=self._log
        )
        self.tasks = 0
        self._enter(Stage("start", START_S))
        with contextlib.suppress(BrokenPipeError):  # what is polled below says how it died
            self._connection.send_bytes(self._context())
        reply = None
        while reply is None:
            wait([self._connection], timeout=max(0.0, self._deadline - time.monotonic()))
            reply = self.poll()
        if not isinstance(reply, Done):
            raise MeasureError(f"a measuring worker cannot start: {reply}")

    def submit(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], stage: Stage
    ) -> None:
        """Give the process a task; ``stage`` is its first."""
        self.start()
        self._oom_kills = kernel_oom_kills()
        self._enter(stage)
        self.tasks += 1
        self.busy = True
        # A process that was killed while idle shows in poll, as one killed in the task does.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send((function, arguments))

    def poll(self) -> Reply | None:
        """What has become of the task; None while it runs."""
        connection = self.connection
        try:
            while connection.poll():
                message = connection.recv()
                if isinstance(message, Stage):
                    self._enter(message)
                    continue
                self.busy = False
                return message  # type: ignore[no-any-return]
        # The last two: it died, or its memory was damaged, in the middle of a message.
        except (EOFError, OSError, pickle.UnpicklingError):
            return self._died()
        if time.monotonic() < self._deadline:
            return None
        self.stop()
        return TimedOut(self._stage.name, self._stage.seconds)

    def _enter(self, stage: Stage) -> None:
        self._stage = stage
        self._deadline = time.monotonic() + stage.seconds

    def _died(self) -> Died:
        # The socket can close before the process ends; what goes on without it is stopped.
        death = self._end(grace_s=2.0)
        oom_killed = kernel_oom_kills() > self._oom_kills
        return Died(self._stage.name, death, tail(self._log), oom_killed)

    def _end(self, grace_s: float = 0.0) -> Death:
        """Let the process die for ``grace_s``, then kill its group; how it ended."""
        ends = time.monotonic() + grace_s
        while time.monotonic() < ends and not _is_dead(self.pid):
            time.sleep(0.002)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.connection.close()
        self._connection = None
        self.busy = False
        return self._host.reap(self.pid)

    def stop(self) -> None:
        """Kill the process and all of its group, if it runs; the next task starts another."""
        if self._connection is not None:
            self._end()


def _is_dead(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has collected its status."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] in "ZX"


def first_replies(workers: Sequence[Worker]) -> list[tuple[Worker, Reply]]:
    """Block until at least one of the busy ``workers`` is done, dead or out of time."""
    while True:
        timeout = min(worker.deadline for worker in workers) - time.monotonic()
        wait([worker.connection for worker in workers], timeout=max(0.0, timeout))
        replies = [(worker, worker.poll()) for worker in workers]
        found = [(worker, reply) for worker, reply in replies if reply is not None]
        if found:
            return found
