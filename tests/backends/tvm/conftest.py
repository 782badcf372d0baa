"""Compiling and running programs of this machine's target, in process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import tvm
from numpy.typing import NDArray

from costmodel.backends.tvm.knobs import Machine
from costmodel.backends.tvm.pipeline import compile_module
from costmodel.backends.tvm.replay import machine_of, tvm_target
from costmodel.measure.inputs import poisoned_outputs
from costmodel.records import Target, Workload
from costmodel.target import host_target


@pytest.fixture(scope="session")
def target() -> Target:
    return host_target(measure=False)


@pytest.fixture(scope="session")
def machine(target: Target) -> Machine:
    return machine_of(target)


class Library:
    """A compiled module, to be run on arrays."""

    def __init__(self, module: tvm.IRModule, workload: Workload, target: Target) -> None:
        self.executable = compile_module(module, tvm_target(target))
        self._main = self.executable.jit()["main"]
        self._workload = workload

    def __call__(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        poison = poisoned_outputs(self._workload.outputs)
        arguments = [tvm.runtime.tensor(array) for array in (*inputs, *poison)]
        self._main(*arguments)
        return [argument.numpy() for argument in arguments[len(inputs) :]]


@pytest.fixture(scope="session")
def library() -> type[Library]:
    return Library
