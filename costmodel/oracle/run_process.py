"""The server's end of a run's process: starting it, hearing it, ending it with all below it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import struct
import sys
import termios
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, cast

import psutil

from costmodel.errors import CostModelError
from costmodel.measure.host import tail
from costmodel.oracle.run_keeper import END

__all__ = ["RunProcess", "end_orphan", "started"]

_log = logging.getLogger(__name__)

#: The process imports from where this one does, be that known to this one alone.
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]);"
    "from costmodel.oracle.run_child import main; main(sys.argv[2])"
)
#: Seconds that ending all of a run may take, before the server does it itself.
_END_S = 10.0
#: How often it looks for what has been forked meanwhile, and seconds between that.
_LOOKS, _LOOK_S = 50, 0.02
#: The longest line that is read, what each counts for at least, and from where on one is read in
#: another thread. Python reads JSON in one go, so that all wait for a line: this one for half a
#: second at the worst.
_LINE_BYTES, _LEAST_BYTES, _LARGE_BYTES = 2 << 20, 1 << 10, 64 << 10
#: Variables of the server's that its runs need; no other may be known to strangers' code.
_PASSED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "CC",
           "COSTMODEL_WEIGHTS")  # fmt: skip

Hear = Callable[[Mapping[str, Any]], Awaitable[None]]


class _Protocol(asyncio.subprocess.SubprocessStreamProtocol):
    """Says when the process itself has ended, and how much had been said by then.

    ``Process.wait`` waits until its pipes are closed, too, which others may hold open.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=_LINE_BYTES, loop=loop)
        self._pipes: asyncio.SubprocessTransport | None = None
        self._received = 0
        #: Bytes that had been written to standard output when it ended.
        self.ended: asyncio.Future[int] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._pipes = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        self._received += len(data)
        super().pipe_data_received(fd, data)

    def process_exited(self) -> None:
        super().process_exited()
        self.ended.set_result(self._received + self._unread())

    def _unread(self) -> int:
        """Bytes that wait in the pipe."""
        pipe = self._pipes and self._pipes.get_pipe_transport(1)
        if pipe is None or pipe.is_closing():
            return 0
        answer = fcntl.ioctl(pipe.get_extra_info("pipe"), termios.FIONREAD, bytes(4))
        (found,) = struct.unpack("=i", answer)
        return int(found)


class RunProcess:
    """One process of ``costmodel.oracle.run_child``, which may write in ``folder`` alone.

    What it writes to standard error goes to ``log``. ``told_to_end`` says that it was told to.
    """

    def __init__(self, folder: Path, log: Path, grace_s: float) -> None:
        self._folder, self._log, self._grace_s = folder, log, grace_s
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._ended: asyncio.Future[int] | None = None
        self._status: int | None = None
        self._heard = 0
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

    async def hear(self, seconds: float, most: int, hear: Hear) -> int:
        """Pass on what it says until it ends, for up to ``seconds``; its exit status.

        Raises CostModelError for what nobody understands, and where it says more than ``most``
        bytes.
        """
        self._after(seconds, self.interrupt)
        try:
            await self._hear(most, hear)
        finally:
            status = await self.end()
        return status

    async def _hear(self, most: int, hear: Hear) -> None:
        assert self._ended is not None
        left = most
        while True:
            try:
                line = await self._line()
            except ValueError:
                raise CostModelError("its process said more at once than it has to say") from None
            if not line.endswith(b"\n"):
                return
            left -= max(len(line), _LEAST_BYTES)
            if left < 0:
                raise CostModelError("its process said more than it has to say")
            message = await _parsed(line)
            if isinstance(message, dict):
                await hear(message)
            if isinstance(message, dict) and ("end" in message or "error" in message):
                # Its last word: it ends by itself, or is ended.
                await asyncio.wait({self._ended}, timeout=self._grace_s)
                return

    async def _line(self) -> bytes:
        """The next line; what is none where nothing more comes.

        When the process has ended, what was said before is heard, however long that takes, and no
        more: whoever else holds its pipe may never close it, or never be silent.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._ended is not None
        reading = asyncio.ensure_future(self._process.stdout.readline())
        try:
            either: set[asyncio.Future[Any]] = {reading, self._ended}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.done() and self._heard >= self._ended.result():
                return b""
            if not reading.done():  # it is there, but for the end of a line that was cut off
                await asyncio.wait({reading}, timeout=self._grace_s)
            line = await reading if reading.done() else b""
            self._heard += len(line)
            return line
        finally:
            reading.cancel()

    async def end(self) -> int:
        """End it and all that it started, and wait for that; its exit status.

        Nothing of the run goes on afterwards. To end it once more does nothing.
        """
        if self._status is None:
            self._status = await self._end()
        return self._status

    async def _end(self) -> int:
        self.kill()
        status = None
        if self._process is not None and self._transport is not None and self._ended is not None:
            await asyncio.wait({self._ended}, timeout=_END_S)
            if not self._ended.done():
                _log.error("the process %s of a run does not end", self._process.pid)
                await asyncio.to_thread(_end_tree, self._process.pid)
                await asyncio.wait({self._ended}, timeout=_END_S)
            await asyncio.to_thread(_end_strays, self._folder)
            status = self._transport.get_returncode()
            self._transport.close()
        for timer in self._timers:
            timer.cancel()
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
        """End it and all below it at once. That takes a moment: see ``end``."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(END)

    def said(self) -> str:
        """The end of what it wrote to standard error."""
        return tail(self._log)

    def _after(self, seconds: float, call: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))


async def _parsed(line: bytes) -> object:
    """What a line says. Raises CostModelError."""
    try:
        if len(line) < _LARGE_BYTES:
            return cast(object, json.loads(line))
        return cast(object, await asyncio.to_thread(json.loads, line))
    except (ValueError, RecursionError):
        raise CostModelError("its process said what nobody understands") from None


def _environment(folder: Path) -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    home = _home(folder)
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


def _home(folder: Path) -> str:
    """The home of a run's processes, by which they are known, too."""
    return str(folder / "home")


def _end_tree(pid: int) -> None:
    """Kill a process and all that it started, itself last: what loses its parent comes to it."""
    try:
        process = psutil.Process(pid)
        for _ in range(_LOOKS):
            below = [one for one in process.children(recursive=True) if _runs(one)]
            if not below:
                break
            _kill(below)
        process.kill()
    except psutil.NoSuchProcess:
        return


def _end_strays(folder: Path) -> None:
    """Kill what is left where the outermost process was killed: it keeps the others together.

    They are known by their environment, which one that wants to hide can change.
    """
    for _ in range(_LOOKS):
        left = [one for one in psutil.process_iter() if _runs(one) and _lives_in(one, folder)]
        if not left:
            return
        _log.warning("ending processes that a run has left behind")
        _kill(left)
    _log.error("processes of the run in %s do not end", folder.parent)


def _lives_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return bool(process.environ().get("HOME") == _home(folder))
    except (psutil.Error, OSError):
        return False


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return False


def _kill(processes: list[psutil.Process]) -> None:
    """And give them a moment."""
    for one in processes:
        with contextlib.suppress(psutil.Error):
            one.kill()
    time.sleep(_LOOK_S)


def started(pid: int) -> float | None:
    """When a process began, which tells it from a later one of the same number."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def end_orphan(pid: int, began: float, folder: Path) -> None:
    """Kill what a server that was killed has left running; nothing where it ended by itself.

    ``folder`` is where the run's process may write.
    """
    if started(pid) == began:
        _log.warning("ending process %s of a run whose server has gone", pid)
        _end_tree(pid)
    _end_strays(folder)
