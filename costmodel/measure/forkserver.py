"""The process that forks workers: it has the heavy modules loaded and does nothing else.

Why not ``multiprocessing``'s fork server (alone, or under pebble's ``ProcessPool``): it is one per
parent process, so that allocator and thread settings cannot be set for it; its children import
the user's main module again, which fails in notebooks, and in scripts without a main guard starts
the script over; and a pool's workers share one locked pipe, which a worker killed at a bad moment
leaves locked. Here a worker has its own socket and its own process group.

Whatever happens to the parent, workers end: this process ends when its socket closes or its
parent changes, and takes every descendant along; the kernel ends the workers if it is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, NoReturn

__all__ = ["MESSAGE_BYTES", "main"]

#: Largest message on the control socket, which keeps message boundaries (SOCK_SEQPACKET).
MESSAGE_BYTES = 1 << 16

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(descriptor: int, modules: Sequence[str]) -> None:
    """Serve fork requests on the inherited socket ``descriptor`` until it closes."""
    parent = os.getppid()
    # Ctrl-C is for the parent, which then ends the workers in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    with socket.socket(fileno=descriptor) as control:
        problem = _preload(["costmodel.measure.worker", *modules])
        control.send(json.dumps({"problem": problem}).encode())
        gc.collect()
        gc.freeze()  # so that a collection in a worker copies no shared page
        server = _Server(control)
        try:
            while os.getppid() == parent and server.serve(timeout_s=1.0):
                pass
        finally:
            server.end_all()


def _preload(modules: Sequence[str]) -> str:
    try:
        for name in modules:
            importlib.import_module(name)
    except Exception:  # said to the parent, which raises it
        return traceback.format_exc(limit=-3)
    return ""


def _prctl(option: int, value: int) -> None:
    """Linux's ``prctl``; elsewhere it is missing, and then the parent's death is polled only."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._workers: set[int] = set()

    def serve(self, timeout_s: float) -> bool:
        """Answer one request, if one comes in time; false when the parent has gone."""
        if not select.select([self._control], [], [], timeout_s)[0]:
            return True
        data, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 1)
        if not data:
            return False
        request = json.loads(data)
        if request["op"] == "spawn":
            os.set_inheritable(descriptors[0], False)
            answer = self._spawn(request, descriptors[0])
        else:
            answer = self._reap(request["pid"])
        try:
            self._control.send(json.dumps({**answer, "id": request["id"]}).encode())
        except BrokenPipeError:
            return False
        return True

    def _spawn(self, request: Mapping[str, Any], descriptor: int) -> dict[str, int]:
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._control.close()
            _become_worker(request, descriptor, server)
        os.close(descriptor)
        # In both processes, since either may go on first.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpgid(pid, pid)
        self._workers.add(pid)
        return {"pid": pid}

    def _reap(self, pid: int) -> dict[str, int]:
        """End what is left of a worker that died or has to; how it ended, and its peak memory."""
        if pid not in self._workers:
            return {"exitcode": 0, "peak_bytes": 0}
        _, status, usage = os.wait4(pid, 0)
        self._workers.discard(pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        self._end_strays()
        exitcode = os.waitstatus_to_exitcode(status)
        return {"exitcode": exitcode, "peak_bytes": usage.ru_maxrss * 1024}

    def _end_strays(self) -> None:
        """End what dead workers left behind in sessions of its own: it has become our child."""
        import psutil

        for child in psutil.Process().children():
            if child.pid not in self._workers:
                for process in [*child.children(recursive=True), child]:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child.pid, 0)

    def end_all(self) -> None:
        for pid in list(self._workers):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            self._reap(pid)


def _become_worker(request: Mapping[str, Any], descriptor: int, server: int) -> NoReturn:
    """Limits and descriptors of a fresh worker, then its loop; never returns."""
    status = 1
    try:
        with contextlib.suppress(PermissionError):
            os.setpgid(0, 0)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:  # it died before the line above
            os._exit(1)
        log = os.open(request["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        os.dup2(log, 2)
        os.sched_setaffinity(0, request["cores"])
        # A crash is an outcome that is expected; gigabytes of core files are not.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # DATA counts what can be written and not what is merely reserved, so that a compiler's
        # mapped libraries do not eat the limit.
        limit, most = request["memory_bytes"], resource.getrlimit(resource.RLIMIT_DATA)[1]
        if most != resource.RLIM_INFINITY:  # of whoever started us, who means it
            limit = min(limit, most)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        from costmodel.measure.worker import serve

        serve(Connection(descriptor))
        status = 0
    except BaseException:  # the boundary of the process: nothing may unwind into the server's loop
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)
