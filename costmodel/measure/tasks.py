"""What the workers are asked to do. Each function runs in a worker process."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costmodel.backends.base import Backend, LoadedKernel
from costmodel.errors import BackendError
from costmodel.measure.check import CheckResult, WrongResultError, compare
from costmodel.measure.inputs import poisoned_outputs, random_inputs
from costmodel.measure.machine_code import MachineCode, read_machine_code
from costmodel.measure.timing import calibrate, time_kernel
from costmodel.measure.worker import Report, Stage
from costmodel.records import Schedule, Target, TimingPolicy, Workload

__all__ = [
    "LOAD_S",
    "REFERENCE_COMPILE_S",
    "Built",
    "Contestant",
    "Context",
    "Timed",
    "build",
    "compile_iree",
    "default_schedule",
    "interleave",
    "measure",
    "profile",
    "save_expected",
    "verify",
]

#: Random inputs that a finalist's and a winner's results are checked on; other candidates' on one.
CHECKS = 3

#: A kernel's threads keep spinning for more work for a millisecond or two after a run; before
#: another kernel is timed they have to have gone to sleep.
_SETTLE_S = 0.005

#: After another kernel had the cores, one needs so long until its data is in the caches again: the
#: shared level learns what to keep.
_WARM_S = 0.005

#: Seconds to compile the reference, and to load a built library.
REFERENCE_COMPILE_S = 120.0
LOAD_S = 30.0


@dataclass(frozen=True)
class Context:
    """What all tasks of a run share; ``directory`` holds the libraries and expected outputs."""

    backend: Backend
    workload: Workload
    target: Target
    policy: TimingPolicy
    seed: int
    directory: Path
    reduction_length: int
    dtype: str | None
    positive: bool = False

    @cached_property
    def inputs(self) -> list[NDArray[Any]]:
        return self.inputs_of(0)

    def inputs_of(self, number: int) -> list[NDArray[Any]]:
        """The ``number``-th of CHECKS random inputs."""
        return random_inputs(self.workload.inputs, self.seed + number, positive=self.positive)

    @cached_property
    def poison(self) -> list[NDArray[Any]]:
        return poisoned_outputs(self.workload.outputs)

    @cached_property
    def expected(self) -> list[NDArray[Any]]:
        return self.expected_of(0)

    def expected_of(self, number: int) -> list[NDArray[Any]]:
        """The reference's outputs for those inputs; stored as bytes, since .npy has no bf16."""
        return [
            np.load(self.expected_path(number, index)).view(like.dtype).reshape(like.shape)
            for index, like in enumerate(self.poison)
        ]

    def expected_path(self, number: int, index: int) -> Path:
        return self.directory / f"expected{number}-{index}.npy"

    def check(self, results: list[NDArray[Any]], expected: list[NDArray[Any]]) -> CheckResult:
        return compare(results, expected, reduction_length=self.reduction_length, dtype=self.dtype)

    @property
    def reference_path(self) -> Path:
        return self.directory / "reference.vmfb"


@dataclass(frozen=True)
class Timed:
    """What the measurer found out about one candidate; ``wrong`` is empty for a right one."""

    samples_us: tuple[float, ...]
    number: int
    gave_up: bool
    first_run_us: float
    max_error: float
    wrong: str = ""


@dataclass(frozen=True)
class Contestant:
    """A kernel in an interleaved comparison: a built library, or IREE's module."""

    path: Path
    is_reference: bool = False


@dataclass(frozen=True)
class Built:
    """A candidate's library is ready; ``code`` is what it consists of, where that can be read."""

    seconds: float
    code: MachineCode | None


def build(context: Context, report: Report, schedule: Schedule, library: Path) -> Built:
    """Build a candidate, and look at its code."""
    started = time.perf_counter()
    context.backend.build(context.workload, schedule, context.target, library)
    return Built(time.perf_counter() - started, read_machine_code(library))


def compile_iree(context: Context, report: Report) -> float:
    """Compile the workload by IREE to ``context.reference_path``; seconds that it took."""
    from costmodel.backends.iree.compiler import compile_workload

    started = time.perf_counter()
    compile_workload(context.workload, context.reference_path, timeout_s=REFERENCE_COMPILE_S)
    return time.perf_counter() - started


def default_schedule(context: Context, report: Report) -> Schedule:
    """The backend's untuned default, asked for in a worker since making a space is heavy."""
    return context.backend.space(context.workload, context.target).default()


def save_expected(context: Context, report: Report, source: Contestant) -> bool:
    """Run the reference on CHECKS inputs and keep its outputs for the checks to come.

    False where an output is mostly NaN or infinite, so that little could be checked with it.
    """
    kernel = _load(context, source)
    report(Stage("running the reference", context.policy.run_timeout_s))
    finite = True
    for number in range(CHECKS):
        kernel.prepare(context.inputs_of(number), context.poison)
        kernel.run(1)
        results = kernel.results()
        for index, array in enumerate(results):
            flat = np.ascontiguousarray(array).reshape(-1)
            path = context.expected_path(number, index)
            np.save(path, flat.view(np.uint8), allow_pickle=False)
        finite = finite and all(_is_mostly_finite(array) for array in results)
    return finite


def _is_mostly_finite(array: NDArray[Any]) -> bool:
    if array.dtype.kind in "iub":
        return True
    finite = np.isfinite(array.astype(np.float64))
    return bool(finite.mean() >= 0.9) if array.size else True


def measure(context: Context, report: Report, library: Path, give_up_above_us: float) -> Timed:
    """Load, check and time one candidate; a wrong one is not timed."""
    policy = context.policy
    kernel = context.backend.load(library, context.workload, context.target)
    kernel.prepare(context.inputs, context.poison)
    report(Stage("the checked run", policy.run_timeout_s))
    first_us = kernel.run(1) * 1e6
    check = context.check(kernel.results(), context.expected)
    if not check.ok:
        return Timed((), 1, False, first_us, check.max_error, check.message)
    report(Stage("timing", policy.run_timeout_s + policy.budget_s))
    timing = time_kernel(
        kernel.run, policy, give_up_above_us=give_up_above_us, first_run_us=first_us
    )
    return Timed(timing.samples_us, timing.number, timing.gave_up, first_us, check.max_error)


def verify(context: Context, report: Report, library: Path) -> None:
    """Raises WrongResultError unless a library agrees with the reference on CHECKS inputs."""
    _verify(context, report, context.backend.load(library, context.workload, context.target))


def _verify(context: Context, report: Report, kernel: LoadedKernel, item: int = 0) -> None:
    for number in range(CHECKS):
        kernel.prepare(context.inputs_of(number), context.poison)
        report(Stage("the checked run", context.policy.run_timeout_s, item))
        kernel.run(1)
        check = context.check(kernel.results(), context.expected_of(number))
        if not check.ok:
            raise WrongResultError(check.message)


def interleave(
    context: Context, report: Report, contestants: Sequence[Contestant], rounds: int
) -> list[list[float]]:
    """Time kernels in turns, in a new random order each round; samples in microseconds a run.

    Each is checked on CHECKS inputs before: it may be known from a store that others share. Raises
    WrongResultError for one that does not agree with the reference. Stages carry the contestant's
    position, so that a crash has a culprit.
    """
    policy = context.policy
    kernels = []
    for index, contestant in enumerate(contestants):
        report(Stage("loading", LOAD_S, index))
        kernel = _load(context, contestant)
        if not contestant.is_reference:
            _verify(context, report, kernel, index)
        kernel.prepare(context.inputs, context.poison)
        kernels.append(kernel)
    numbers = []
    for index, kernel in enumerate(kernels):
        report(Stage("warming up", policy.run_timeout_s + policy.budget_s, index))
        kernel.run(max(policy.warmup, 1))
        numbers.append(calibrate(kernel.run, policy.min_sample_us)[0])
    samples: list[list[float]] = [[] for _ in kernels]
    rng = random.Random(context.seed)
    order = list(range(len(kernels)))
    for _ in range(rounds):
        rng.shuffle(order)
        for index in order:
            report(Stage("timing", policy.run_timeout_s + policy.budget_s, index))
            time.sleep(_SETTLE_S)
            _warm_up(kernels[index], numbers[index])
            samples[index].append(kernels[index].run(numbers[index]) * 1e6 / numbers[index])
    return samples


def _warm_up(kernel: LoadedKernel, number: int) -> None:
    """Run the kernel ``number`` times, and again until that has lasted long enough."""
    lasted = 0.0
    while lasted < _WARM_S:
        lasted += kernel.run(number)


def profile(
    context: Context, report: Report, kernels: Sequence[tuple[Path, Workload]], count: int
) -> list[tuple[float, ...]]:
    """``count`` samples of each of other workloads' libraries, on random inputs, unchecked.

    In microseconds a run; none for one that cannot be loaded or run.
    """
    found = []
    for index, (library, workload) in enumerate(kernels):
        report(Stage("loading", LOAD_S, index))
        try:
            found.append(_samples(context, report, library, workload, count, index))
        except BackendError:
            found.append(())
    return found


def _samples(
    context: Context, report: Report, library: Path, workload: Workload, count: int, item: int
) -> tuple[float, ...]:
    policy = context.policy
    kernel = context.backend.load(library, workload, context.target)
    inputs = random_inputs(workload.inputs, context.seed)
    kernel.prepare(inputs, poisoned_outputs(workload.outputs))
    report(Stage("timing", policy.run_timeout_s + policy.budget_s, item))
    kernel.run(1)
    number, first_us = calibrate(kernel.run, policy.min_sample_us)
    return (first_us, *(kernel.run(number) * 1e6 / number for _ in range(count - 1)))


def _load(context: Context, contestant: Contestant) -> LoadedKernel:
    if not contestant.is_reference:
        return context.backend.load(contestant.path, context.workload, context.target)
    from costmodel.backends.iree.kernel import IREEKernel

    return IREEKernel(contestant.path, context.workload, threads=context.target.threads)
