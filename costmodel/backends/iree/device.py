"""IREE's ``local-task`` device with as many workers as asked for, on the cores of this process."""

from __future__ import annotations

import contextlib
import os
import time
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["local_task_device"]

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
