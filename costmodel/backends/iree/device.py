"""IREE's ``local-task`` device with as many workers as asked for, on the cores of this process.

And the thread that calls it, which leaves those cores to the workers.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["as_caller", "local_task_device"]

_T = TypeVar("_T")

#: Workers start on their own; they are waited for no longer than this.
_WORKERS_START_S = 2.0


@cache
def local_task_device(threads: int) -> Any:
    """A ``local-task`` device with ``threads`` workers; the calling thread only waits.

    The number of workers is a flag of the whole process, read when a driver is made; the drivers
    that IREE's Python interface hands out are shared and keep their first number.
    """
    from iree.runtime._binding import create_hal_driver
    from iree.runtime.flags import parse_flags

    others = _workers()
    parse_flags(f"--task_topology_group_count={threads}")
    device = create_hal_driver("local-task").create_device_by_uri("local-task")
    _confine(others, threads)
    return device


def _confine(others: set[int], threads: int) -> None:
    """Give new workers, all but ``others``, a core each of those that this process may use.

    IREE would let them run on all that the machine has, and the system wakes two of them on one
    core as often as not, which takes short kernels twice their time. Only on Linux.
    """
    if not hasattr(os, "sched_getaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    deadline = time.monotonic() + _WORKERS_START_S
    while len(_workers() - others) < threads and time.monotonic() < deadline:
        time.sleep(0.001)
    for place, worker in enumerate(sorted(_workers() - others)):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(worker, {cores[place % len(cores)]})


def _workers() -> set[int]:
    """Kernel ids of this process's threads that are IREE's workers, which name themselves so."""
    found = set()
    for task in Path("/proc/self/task").glob("*"):
        with contextlib.suppress(OSError):
            if (task / "comm").read_text(encoding="utf-8").startswith("iree-worker"):
                found.add(int(task.name))
    return found


def as_caller(function: Callable[[int], _T], number: int) -> _T:
    """The function of a number, in the thread that calls IREE."""
    return _caller().submit(function, number).result()


@cache
def _caller() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "iree-caller", initializer=_give_way)


def _give_way() -> None:
    """Run only where a core would be idle, and on the first worker's core; only on Linux.

    IREE's caller spins while it waits. There is no core for it beside the workers', and where the
    system lets it finish its slice before the worker of its core, that work is done by the others
    or late: short kernels then take two to five times their time. The first worker is the one that
    a call wakes: from another core that takes an interrupt, which costs a virtual machine 40 us,
    so that short kernels would take one of two times, depending on where the caller happens to be.
    """
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
