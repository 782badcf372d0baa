"""Compiling and running programs for this machine, in process."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tvm
from numpy.typing import NDArray

from costmodel.backends.tvm.knobs import Machine
from costmodel.backends.tvm.pipeline import compile_module
from costmodel.backends.tvm.replay import machine_of, tvm_target
from costmodel.measure.inputs import poisoned_outputs
from costmodel.records import Target, Workload
from costmodel.target import host_target

_ALIGNMENT = 64
_NO_ACCESS = 0  # PROT_NONE
_LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(scope="session")
def target() -> Target:
    return host_target(measure=False)


@pytest.fixture(scope="session")
def machine(target: Target) -> Machine:
    return machine_of(target)


class Library:
    """A compiled module, to be run on arrays.

    They are passed without a copy and lie, but for alignment, right beside pages that cannot be
    touched: a program that reads or writes past their end (with ``at_end``, else before their
    start) ends the process, even where its results are right.
    """

    def __init__(self, module: tvm.IRModule, workload: Workload, target: Target) -> None:
        self.executable = compile_module(module, tvm_target(target))
        self._main = self.executable.jit()["main"]
        self._workload = workload

    def __call__(
        self, inputs: Sequence[NDArray[Any]], *, at_end: bool = True
    ) -> list[NDArray[Any]]:
        arrays = [guarded(array, at_end) for array in inputs]
        poison = poisoned_outputs(self._workload.outputs)
        outputs = [guarded(array, at_end) for array in poison]
        self._main(*map(tensor, (*arrays, *outputs)))
        return [output.copy() for output in outputs]


@pytest.fixture(scope="session")
def library() -> type[Library]:
    return Library


def guarded(array: NDArray[Any], at_end: bool) -> NDArray[Any]:
    """A copy between two pages that cannot be touched, close to the second or to the first."""
    page = mmap.PAGESIZE
    size = -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    room = -(-size // page) * page
    memory = mmap.mmap(-1, page + room + page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for border in (address, address + page + room):
        if _LIBC.mprotect(ctypes.c_void_p(border), ctypes.c_size_t(page), _NO_ACCESS):
            raise OSError(ctypes.get_errno(), "mprotect")
    start = page + (room - size if at_end else 0)
    copy = np.frombuffer(memory, array.dtype, array.size, start).reshape(array.shape)
    copy[...] = array
    return copy


def tensor(array: NDArray[Any]) -> Any:
    """The array's own memory as a TVM tensor."""
    if array.dtype.kind in "fiub":
        return tvm.runtime.from_dlpack(array)
    # NumPy exports no bf16.
    return tvm.runtime.from_dlpack(array.view(np.uint16))._create_view(array.shape, "bfloat16")
