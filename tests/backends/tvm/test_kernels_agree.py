"""Every kernel in kernels/, scheduled and built as for a user, agrees with IREE's result."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from costmodel.backends.base import LoadedKernel
from costmodel.backends.iree.kernel import IREEKernel
from costmodel.backends.tvm.backend import TVMBackend
from costmodel.ir import analyze, read_workload
from costmodel.measure.check import compare, compute_dtype, reduction_length
from costmodel.measure.inputs import poisoned_outputs, random_inputs
from costmodel.records import Schedule, Workload

KERNELS = sorted(Path(__file__).parents[3].joinpath("kernels").glob("*.mlir"))
SEEDS = (0, 1, 2)


def run(
    kernel: LoadedKernel, workload: Workload, inputs: Sequence[NDArray[Any]]
) -> list[NDArray[Any]]:
    kernel.prepare(inputs, poisoned_outputs(workload.outputs))
    kernel.run(1)
    return kernel.results()


def is_finite(results: Sequence[NDArray[Any]]) -> bool:
    return all(
        np.isfinite(array.astype(np.float64)).all()
        for array in results
        if array.dtype.kind not in "iub"
    )


def inputs_and_results(
    reference: LoadedKernel, workload: Workload
) -> list[tuple[list[NDArray[Any]], list[NDArray[Any]]]]:
    """One pair a seed; of positive inputs where the function has no value elsewhere."""
    for positive in (False, True):
        inputs = [random_inputs(workload.inputs, seed, positive=positive) for seed in SEEDS]
        pairs = [(arrays, run(reference, workload, arrays)) for arrays in inputs]
        if all(is_finite(results) for _, results in pairs):
            return pairs
    raise AssertionError("the reference is not finite, so that little can be compared")


def schedules(workload: Workload, target: Any) -> list[Schedule]:
    """What an expert would write, and one at random."""
    space = TVMBackend().space(workload, target)
    first = space.guesses()[:1]
    known = {schedule.hash for schedule in first}
    drawn = space.sample(2, random.Random(0))
    return [
        *first,
        *[schedule for schedule in drawn if schedule.hash not in known][: 2 - len(first)],
    ]


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_a_scheduled_kernel_agrees_with_iree(path, target, compiled, tmp_path):
    workload = read_workload(path)
    reference = IREEKernel(compiled(workload), workload, threads=target.threads)
    pairs = inputs_and_results(reference, workload)
    analysis = analyze(workload)
    backend = TVMBackend()
    chosen = schedules(workload, target)
    assert chosen
    for number, schedule in enumerate(chosen):
        library = tmp_path / f"{number}.so"
        backend.build(workload, schedule, target, library)
        kernel = backend.load(library, workload, target)
        for inputs, expected in pairs:
            result = compare(
                run(kernel, workload, inputs),
                expected,
                reduction_length=reduction_length(analysis),
                dtype=compute_dtype(analysis),
            )
            assert result.ok, f"{schedule.text}: {result.message}"
