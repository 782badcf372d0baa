"""A child process that answers a line with a line, and is started anew after each death."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import IO

__all__ = ["ChildDiedError", "LineProcess"]

#: The child imports from where this process does, be that known to this process alone.
_BOOT = (
    "import sys, json, importlib; sys.path[:] = json.loads(sys.argv[1]);"
    "importlib.import_module(sys.argv[2]).main(*sys.argv[3:])"
)
_PIECE = 1 << 16
#: Bytes of standard error that are read after a death, and that a child may fill meanwhile.
_SAID, _FULL = 1 << 16, 1 << 20


class ChildDiedError(Exception):
    """The child ended in the middle of a request.

    ``status`` is its exit status, negative for a signal; ``said`` what it wrote to standard error.
    """

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"the process ended with status {status}")
        self.status = status
        self.said = said


class LineProcess:
    """Runs ``main(*arguments)`` of a module in a child, on first use and again after each death.

    That function reads lines on standard input and answers each with one on standard output, until
    standard input ends. Thread-safe: requests wait for each other.
    """

    def __init__(
        self, module: str, arguments: Sequence[str] = (), *, timeout_s: float, nice: int = 0
    ) -> None:
        self._module, self._arguments = module, tuple(arguments)
        self._timeout_s, self._nice = timeout_s, nice
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as this)
        self._released = False

    @property
    def pid(self) -> int | None:
        """Of the child that runs, if one does."""
        return None if self._child is None else self._child.pid

    @property
    def running(self) -> bool:
        """Whether the next request finds a child that has been started already."""
        child = self._child
        return child is not None and child.poll() is None

    def ask(self, line: bytes, *, timeout_s: float | None = None) -> bytes:
        """The answer to a line; neither has its end.

        Raises TimeoutError where there was none in time, ChildDiedError where the child died of
        it; it is gone in both cases.
        """
        with self._lock:
            child = self._started()
            try:
                reply = self._exchange(child, line + b"\n", timeout_s or self._timeout_s)
            except BaseException:
                self._stop()  # half an answer would be taken for the next one
                raise
            if not reply.endswith(b"\n"):
                status = child.wait()
                self._stop()
                raise ChildDiedError(status, self._said())
            if os.fstat(self._errors.fileno()).st_size > _FULL:
                self._forget()  # a child that lives long may say much
        return reply[:-1]

    def close(self) -> None:
        """End the child; the next request would start another."""
        with self._lock:
            self._stop()

    def kill(self) -> None:
        """End the child now, also in the middle of a request, which then raises ChildDiedError."""
        child = self._child
        if child is not None:
            child.kill()

    def release(self) -> None:
        """Close what belongs to this process, before it ends; nothing is waited for."""
        self._released = True
        self.kill()
        self.close()
        self._errors.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._stop()
            self._forget()
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, _import_path(), self._module, *self._arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for the parent to handle
            )
            if self._nice:  # not between fork and exec, where threads that hold locks are missing
                os.setpriority(os.PRIO_PROCESS, self._child.pid, self._nice)
            if self._released:  # too late for ``release`` to have ended it
                self._child.kill()
        return self._child

    def _exchange(self, child: subprocess.Popen[bytes], line: bytes, timeout_s: float) -> bytes:
        """Send a line, return the answer's line; without its end if the child died instead."""
        assert child.stdin is not None
        assert child.stdout is not None
        deadline = time.monotonic() + timeout_s
        unsent, pieces = memoryview(line), []
        with selectors.DefaultSelector() as ready:
            os.set_blocking(child.stdin.fileno(), False)
            ready.register(child.stdin, selectors.EVENT_WRITE)
            ready.register(child.stdout, selectors.EVENT_READ)
            while True:
                events = ready.select(max(0.0, deadline - time.monotonic()))
                if not events:
                    raise TimeoutError
                for key, _ in events:
                    if key.fileobj is child.stdin:
                        try:
                            unsent = unsent[os.write(key.fd, unsent[:_PIECE]) :]
                        except BrokenPipeError:
                            unsent = unsent[len(unsent) :]
                        if not unsent:
                            ready.unregister(child.stdin)
                    else:
                        pieces.append(os.read(key.fd, _PIECE))
                        if not pieces[-1] or pieces[-1].endswith(b"\n"):
                            return b"".join(pieces)

    def _said(self) -> str:
        number = self._errors.fileno()
        start = max(0, os.fstat(number).st_size - _SAID)
        return os.pread(number, _SAID, start).decode(errors="replace")

    def _forget(self) -> None:
        os.ftruncate(self._errors.fileno(), 0)
        os.lseek(self._errors.fileno(), 0, os.SEEK_SET)  # where the child writes, too

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


def _import_path() -> str:
    return json.dumps([entry or os.getcwd() for entry in sys.path])
