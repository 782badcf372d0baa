"""What the workers' environment is set to, and what is recorded of the machine."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from costmodel.measure.cores import CorePlan
from costmodel.records import Target

__all__ = ["machine_facts", "worker_environment"]


def worker_environment(threads: int) -> dict[str, str]:
    """Variables that an allocator, a thread pool or a compiler reads once, at its start."""
    return {
        # Freed memory stays with the process: otherwise every run of a memory-bound kernel faults
        # its buffers in again, which has been seen to cost ten times the run. glibc reads the
        # trim threshold as an int, and a larger value would switch trimming on for everything.
        "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
        "MALLOC_TRIM_THRESHOLD_": str((1 << 31) - 1),
        "TVM_NUM_THREADS": str(threads),
        # Without it TVM ignores the cores that the backend gives to the threads of its pool.
        "TVM_BIND_THREADS": "1",
        # TVM's threads spin for work some 60 ms after a run by default, which takes time from
        # whatever is built or timed next. A few milliseconds still span a kernel's own pauses.
        "TVM_THREAD_POOL_SPIN_COUNT": "20000",
        "OMP_NUM_THREADS": str(threads),
        # NumPy only compares results here, and the process that forks must have no threads.
        "OPENBLAS_NUM_THREADS": "1",
        # Compilers' messages in the language in which faults are recognized.
        "LC_ALL": "C.UTF-8",
    }


def machine_facts(target: Target, plan: CorePlan, settings: Mapping[str, str]) -> dict[str, Any]:
    """Facts that explain a latency and that no key needs; equal from run to run of one set-up."""
    return {
        "cpu": target.cpu,
        "system": platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "cores": list(plan.measurer),
        "builders_overlap": plan.overlap,
        "threads": target.threads,
        "environment": dict(settings),
    }
