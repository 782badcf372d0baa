"""The outermost process of a run, which ends all of the run when the run's own process has ended.

What loses its parent becomes its child, be it in a session of its own. It runs nothing of strangers
and stays out of the cage, so that from Linux 6.12 on nothing in there can signal it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["END", "keep_apart"]

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
#: Has it end all at once. So does the end of the server.
END = signal.SIGUSR1
_HEARD = (END, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
#: Seconds between looks at processes that are ending.
_LOOK_S = 0.005


def keep_apart(parent: int) -> None:
    """Go on in a child; this process stays, and ends as the child does when nothing is left.

    ``parent`` is the id of the process that started this one, which is to have one thread. The
    child leads a session of its own.
    """
    libc = ctypes.CDLL(None)
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where it is ignored nobody has a status
    libc.prctl(_PR_SET_PDEATHSIG, END, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    own = os.getpid()
    child = os.fork()
    if child:
        try:
            _keep(child)
        finally:
            os._exit(1)
    os.setsid()
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != own:
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)


def _keep(child: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):  # the child's end is to be heard
        os.dup2(null, descriptor)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    status = None
    while status is None:
        number = signal.sigwait(_HEARD)
        if number == signal.SIGCHLD:
            status = _reap().get(child)
        else:
            os.kill(child, signal.SIGKILL if number == END else signal.SIGTERM)
    _end_all()
    exitcode = os.waitstatus_to_exitcode(status)
    if exitcode < 0:
        with suppress(OSError):  # SIGKILL is as it is
            signal.signal(-exitcode, signal.SIG_DFL)
        os.kill(own := os.getpid(), -exitcode)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [-exitcode])
        os.kill(own, signal.SIGKILL)
    os._exit(exitcode)


def _reap() -> dict[int, int]:
    """The exit statuses of children that have ended, by their ids."""
    ended: dict[int, int] = {}
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended.update([found])
    return ended


def _end_all() -> None:
    """Kill children until there are none; those of a child that has ended are children then.

    Without a pause as long as there are new ones: they may fork as fast as this loop goes round.
    """
    killed: set[int] = set()
    while True:
        new = set(_children()) - killed
        for pid in new:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed |= new
        try:
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                killed.discard(pid)
        except ChildProcessError:
            return
        if not new:
            time.sleep(_LOOK_S)


def _children() -> list[int]:
    try:
        return [
            int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        ]
    except FileNotFoundError:  # a kernel without this list, which takes microseconds
        import psutil

        return [process.pid for process in psutil.Process().children()]
