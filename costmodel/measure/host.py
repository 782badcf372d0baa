"""The parent's end of the process that forks workers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from costmodel.errors import MeasureError
from costmodel.measure.faults import Death
from costmodel.measure.forkserver import MESSAGE_BYTES

__all__ = ["START_S", "WorkerHost", "tail"]

#: Seconds for the modules to load, or for a worker to start, on a machine that is very busy.
START_S = 120.0
_LOG_BYTES = 2000

_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[2]);"
    "from costmodel.measure.forkserver import main; main(int(sys.argv[1]), sys.argv[3:])"
)


class WorkerHost:
    """Owns the process that forks workers. A context manager; ``close`` ends every descendant.

    ``modules`` are imported before any worker is forked, and ``environment`` is set before that,
    which is the only time at which an allocator or a thread pool reads it.
    """

    def __init__(
        self, directory: Path, *, modules: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self._directory = directory
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        self._ready = False
        self._requests = 0
        self._log = directory / "host.stderr"
        with theirs, self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, str(theirs.fileno()),
                 json.dumps([entry or os.getcwd() for entry in sys.path]), *modules],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # a candidate's printing must not mix with ours
                stderr=log,
                env={**os.environ, **environment},
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # out of reach of the terminal's Ctrl-C
            )  # fmt: skip
        self._workers = 0

    def __enter__(self) -> WorkerHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_ready(self) -> None:
        """Wait until the modules are loaded. Raises MeasureError if they cannot be."""
        if self._ready:
            return
        self._control.settimeout(START_S)
        problem = self._receive()["problem"]
        if problem:
            raise MeasureError(f"a worker process cannot load its modules:\n{problem}")
        self._ready = True

    def spawn(
        self, *, cores: Iterable[int], memory_bytes: int, log: Path
    ) -> tuple[int, Connection]:
        """Fork a worker; its process id and our end of its socket."""
        self.wait_ready()
        ours, theirs = socket.socketpair()
        request = {
            "op": "spawn", "cores": sorted(cores), "memory_bytes": memory_bytes, "stderr": str(log),
        }  # fmt: skip
        with ours, theirs:
            answer = self._ask(request, [theirs.fileno()])
            return answer["pid"], Connection(ours.detach())

    def reap(self, pid: int) -> Death:
        """Wait for a worker that has died or was killed; ends its process group too."""
        answer = self._ask({"op": "reap", "pid": pid}, [])
        return Death(answer["exitcode"], answer["peak_bytes"])

    def log_file(self) -> Path:
        """A path for the standard error of the next worker."""
        self._workers += 1
        return self._directory / f"worker{self._workers}.stderr"

    def _ask(self, request: Mapping[str, Any], descriptors: Sequence[int]) -> dict[str, Any]:
        self._requests += 1
        message = {**request, "id": self._requests}
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], descriptors)
        except OSError as error:
            raise self._gone() from error
        while True:  # an answer that Ctrl-C kept us from reading may come first
            answer = self._receive()
            if answer.get("id") == self._requests:
                return answer

    def _receive(self) -> dict[str, Any]:
        try:
            data = self._control.recv(MESSAGE_BYTES)
        except OSError as error:
            raise self._gone() from error
        if not data:
            raise self._gone()
        answer: dict[str, Any] = json.loads(data)
        return answer

    def _gone(self) -> MeasureError:
        status = self._process.poll()
        said = tail(self._log)
        return MeasureError(
            f"the process that starts workers does not answer (exit status {status}) {said}",
            hint="it was killed from outside, or the machine is out of memory; try again",
        )

    def close(self) -> None:
        """End the host and everything under it. Idempotent."""
        self._control.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def tail(log: Path) -> str:
    """The end of a log, without reading what a candidate that prints in a loop has written."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_BYTES))
            return file.read().decode(errors="replace").strip()
    except FileNotFoundError:
        return ""
