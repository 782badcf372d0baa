"""A child process that reads MLIR, and what its death means."""

from __future__ import annotations

import atexit
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from typing import Any

from costmodel.errors import CostModelError, ParseError

__all__ = ["MEMORY_BYTES", "TIMEOUT_S", "Sandbox", "shared"]

#: Address space of the child. The bindings map 0.5 GiB of it.
MEMORY_BYTES = 4 << 30
#: A kernel takes milliseconds; 16 MiB of constants take a second or two.
TIMEOUT_S = 60.0
#: The child imports from where this process does, be that known to this process alone.
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]);"
    "from costmodel.ir.child import main; main(int(sys.argv[2]))"
)


def _import_path() -> str:
    return json.dumps([entry or os.getcwd() for entry in sys.path])


class Sandbox:
    """One long-lived child, started on first use and again after each death. Thread-safe."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S, memory_bytes: int = MEMORY_BYTES) -> None:
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as this object)

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The child's answer.

        Raises ParseError where the request killed the child or took longer than the time limit,
        CostModelError where the child failed in another way.
        """
        with self._lock:
            child = self._started()
            try:
                reply = self._exchange(child, json.dumps(request).encode() + b"\n")
            except TimeoutError as error:
                self._stop()
                raise ParseError(
                    f"MLIR took more than {self._timeout_s:g} s to read this",
                    hint="give it a smaller kernel",
                ) from error
            except BaseException:
                self._stop()  # half an answer would be taken for the next one
                raise
            if not reply.endswith(b"\n"):
                status = child.wait()
                raise self._death(status)
        answer: dict[str, Any] = json.loads(reply)
        return answer

    def close(self) -> None:
        """End the child; the next request would start another."""
        with self._lock:
            self._stop()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._stop()
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, _import_path(), str(self._memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for the parent to handle
            )
        return self._child

    def _exchange(self, child: subprocess.Popen[bytes], line: bytes) -> bytes:
        """Send a line, return the answer's line; without its end if the child died instead."""
        assert child.stdin is not None
        assert child.stdout is not None
        deadline = time.monotonic() + self._timeout_s
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
                            unsent = unsent[os.write(key.fd, unsent[: 1 << 16]) :]
                        except BrokenPipeError:
                            unsent = unsent[len(unsent) :]
                        if not unsent:
                            ready.unregister(child.stdin)
                    else:
                        pieces.append(os.read(key.fd, 1 << 16))
                        if not pieces[-1] or pieces[-1].endswith(b"\n"):
                            return b"".join(pieces)

    def _death(self, status: int) -> CostModelError:
        self._child = None
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace")
        self._errors.seek(0)
        self._errors.truncate()
        if "MemoryError" in said or "bad_alloc" in said or status == -signal.SIGKILL:
            return ParseError(
                f"MLIR needs more than {self._memory_bytes >> 30} GiB of memory to read this",
                hint="give it a smaller kernel",
            )
        if status < 0:
            return ParseError(
                f"MLIR's parser died of {signal.Signals(-status).name} on this: it is nested too "
                "deeply, or hits a defect of MLIR",
                hint="flatten nested regions, types and expressions",
            )
        return CostModelError(f"the process that reads MLIR failed:\n{said[-4000:]}")

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


_shared: Sandbox | None = None


def shared() -> Sandbox:
    """This process's sandbox."""
    global _shared
    if _shared is None:
        _shared = Sandbox()
    return _shared


def _close() -> None:
    if _shared is not None:
        _shared.close()
        _shared._errors.close()


def _forget() -> None:
    """A forked process must neither talk to its parent's child nor end it."""
    global _shared
    _shared = None


atexit.register(_close)
os.register_at_fork(after_in_child=_forget)
