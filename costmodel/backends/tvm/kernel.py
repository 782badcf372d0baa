"""A built TVM library in this process, run on threads that stay on their cores."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from numpy.typing import NDArray

__all__ = ["TVMKernel"]

#: The mode of ``runtime.config_threadpool`` that takes the cores from its caller.
_GIVEN_CORES = -2


class TVMKernel:
    """A library with its buffers, inputs first, then outputs; run on ``threads`` threads.

    ``order`` has the numbers of those buffers in the order in which the library takes them, by
    default their own.
    """

    def __init__(self, library: Path, threads: int, order: Sequence[int] = ()) -> None:
        self._threads = threads
        self._order = order
        self._call = tvm.runtime.load_module(str(library))["main"]
        self._buffers: list[Any] = []
        self._inputs = 0

    def prepare(self, inputs: Sequence[NDArray[Any]], outputs: Sequence[NDArray[Any]]) -> None:
        # ascontiguousarray would turn a 0-d array into one of shape (1,).
        given = (np.asarray(array, order="C") for array in (*inputs, *outputs))
        self._buffers = [tvm.runtime.tensor(array) for array in given]
        self._inputs = len(inputs)

    def run(self, number: int) -> float:
        call = self._call
        buffers = [self._buffers[number] for number in self._order or range(len(self._buffers))]
        with _on_first_core(self._threads):
            start = time.perf_counter()
            for _ in range(number):
                call(*buffers)
            return time.perf_counter() - start

    def results(self) -> list[NDArray[Any]]:
        return [buffer.numpy() for buffer in self._buffers[self._inputs :]]


@contextmanager
def _on_first_core(threads: int) -> Iterator[None]:
    """Keep the calling thread, which is the pool's first, off the cores of the others.

    Where threads are left to the system, it wakes a worker on the core of its waker as often as
    not, and moves it only after milliseconds: short kernels then take twice their time.
    """
    allowed = os.sched_getaffinity(0)
    cores = _pool_cores(tuple(sorted(allowed)), threads)
    if not cores:
        yield
        return
    os.sched_setaffinity(0, cores[:1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@cache
def _pool_cores(allowed: tuple[int, ...], threads: int) -> tuple[int, ...]:
    """Bind the pool's threads, one a core; empty where they cannot have a core each."""
    if not 1 < threads <= len(allowed):
        return ()
    cores = allowed[:threads]
    tvm.get_global_func("runtime.config_threadpool")(
        _GIVEN_CORES, threads, [str(core) for core in cores]
    )
    return cores
