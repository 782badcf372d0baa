"""The server's end of a run's process: starting it, hearing it, ending it with all below it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from costmodel.errors import CostModelError
from costmodel.measure.host import tail

__all__ = ["RunProcess", "end_orphan", "end_tree", "started"]

_log = logging.getLogger(__name__)

#: The process imports from where this one does, be that known to this one alone.
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]);"
    "from costmodel.oracle.run_child import main; main(sys.argv[2])"
)
#: The longest line that is read, which holds measurements or features of a batch.
_LINE_BYTES = 64 << 20
#: Variables of the server's that its runs need; no other may be known to strangers' code.
_PASSED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "CC",
           "COSTMODEL_WEIGHTS")  # fmt: skip

Hear = Callable[[Mapping[str, Any]], Awaitable[None]]


class _Protocol(asyncio.subprocess.SubprocessStreamProtocol):
    """Says when the process itself has ended.

    ``Process.wait`` waits until its pipes are closed, too, which others may hold open.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=_LINE_BYTES, loop=loop)
        self._clock = loop.time
        #: When it ended, by the loop's clock.
        self.ended: asyncio.Future[float] = loop.create_future()

    def process_exited(self) -> None:
        super().process_exited()
        self.ended.set_result(self._clock())


class RunProcess:
    """One process of ``costmodel.oracle.run_child``, which may write in ``folder`` alone.

    What it writes to standard error goes to ``log``. ``told_to_end`` says that it was told to.
    """

    def __init__(self, folder: Path, log: Path, grace_s: float) -> None:
        self._folder, self._log, self._grace_s = folder, log, grace_s
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._ended: asyncio.Future[float] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._to_end = False
        self.told_to_end = False

    @property
    def pid(self) -> int | None:
        """Of the process, once it runs."""
        return None if self._process is None else self._process.pid

    async def start(self, job: Mapping[str, Any]) -> None:
        """Start it and give it its job. Raises OSError where that cannot be."""
        for name in ("tmp", "home"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        path = json.dumps([os.path.abspath(entry) for entry in sys.path])
        loop = asyncio.get_running_loop()
        with self._log.open("wb") as log:
            self._transport, protocol = await loop.subprocess_exec(
                lambda: _Protocol(loop),
                sys.executable, "-P", "-c", _BOOT, path, str(os.getpid()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=self._folder,
                env=_environment(self._folder),
                start_new_session=True,
            )  # fmt: skip
        self._process = asyncio.subprocess.Process(self._transport, protocol, loop)
        self._ended = protocol.ended
        self.send(job)
        if self._to_end:  # before it began
            self.interrupt()

    async def hear(self, seconds: float, hear: Hear) -> int:
        """Pass on what it says until it ends, for up to ``seconds``; its exit status."""
        self._after(seconds, self.interrupt)
        try:
            await self._hear(hear)
        finally:
            status = await self.end()
        return status

    async def _hear(self, hear: Hear) -> None:
        assert self._ended is not None
        while True:
            try:
                line = await self._line()
            except ValueError:
                raise CostModelError("its process said more at once than it has to say") from None
            if not line.endswith(b"\n"):
                return
            try:
                message = json.loads(line)
            except (ValueError, RecursionError):
                raise CostModelError("its process said what nobody understands") from None
            if isinstance(message, dict):
                await hear(message)
            if isinstance(message, dict) and ("end" in message or "error" in message):
                # Its last word: it ends by itself, or is ended.
                await asyncio.wait({self._ended}, timeout=self._grace_s)
                return

    async def _line(self) -> bytes:
        """The next line; what is none where nothing more comes.

        When the process has ended, what it said before is heard for as long as a run may take to
        conclude, and no longer: whoever else holds its pipe may never close it, or never be silent.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._ended is not None
        reading = asyncio.ensure_future(self._process.stdout.readline())
        try:
            either: set[asyncio.Future[Any]] = {reading, self._ended}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.done():
                clock = asyncio.get_running_loop().time
                left = self._ended.result() + self._grace_s - clock()
                if left <= 0:
                    return b""
                await asyncio.wait({reading}, timeout=left)
            return await reading if reading.done() else b""
        finally:
            reading.cancel()

    async def end(self) -> int:
        """End it and all below it, if it runs, and wait for that; its exit status."""
        self.kill()
        if self._transport is not None and self._ended is not None:
            await asyncio.wait({self._ended})
            self._transport.close()
        for timer in self._timers:
            timer.cancel()
        status = None if self._transport is None else self._transport.get_returncode()
        return -signal.SIGKILL if status is None else status

    def send(self, message: Mapping[str, Any]) -> None:
        """Give it a line; one that has ended does not get it."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                self._process.stdin.write(json.dumps(message).encode() + b"\n")

    def interrupt(self) -> None:
        """Have it conclude with what it has; it is killed where that takes longer than allowed."""
        self._to_end = True
        if self._process is None or self._process.returncode is not None or self.told_to_end:
            return
        self.told_to_end = True
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        self._after(self._grace_s, self.kill)

    def kill(self) -> None:
        """End it and all below it at once."""
        if self._process is not None and self._process.returncode is None:
            end_tree(self._process.pid)

    def said(self) -> str:
        """The end of what it wrote to standard error."""
        return tail(self._log)

    def _after(self, seconds: float, call: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))


def _environment(folder: Path) -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    home = str(folder / "home")
    return {
        **passed,
        "HOME": home,
        "TMPDIR": str(folder / "tmp"),
        "XDG_CACHE_HOME": f"{home}/cache",
        "XDG_CONFIG_HOME": f"{home}/config",
        "XDG_DATA_HOME": f"{home}/data",
        "USER": "costmodel",
        "LOGNAME": "costmodel",
        "PYTHONDONTWRITEBYTECODE": "1",
        # A process is confined before it has threads; the search multiplies no large matrices.
        "OPENBLAS_NUM_THREADS": "1",
    }


def end_tree(pid: int) -> None:
    """Kill a process and all that it started, also what is in other sessions."""
    try:
        process = psutil.Process(pid)
        below = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for one in (process, *below):
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()


def started(pid: int) -> float | None:
    """When a process began, which tells it from a later one of the same number."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def end_orphan(pid: int, began: float) -> None:
    """Kill what a server that was killed has left running; nothing where it ended by itself."""
    if started(pid) == began:
        _log.warning("ending process %s of a run whose server has gone", pid)
        end_tree(pid)
