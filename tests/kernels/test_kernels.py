"""Every file in kernels/ reads, and IREE computes from it what PyTorch computes."""

import re
from pathlib import Path

import numpy as np
import pytest

from costmodel.backends.iree.kernel import IREEKernel
from costmodel.errors import UnsupportedError
from costmodel.ir import analyze, check_tunable, read_workload
from costmodel.measure.check import compare, compute_dtype, reduction_length
from costmodel.measure.inputs import random_inputs

KERNELS = Path(__file__).parents[2] / "kernels"
TENSOR_KERNELS = sorted(KERNELS.glob("*.mlir"))
LOOP_KERNELS = sorted(KERNELS.glob("loops/*.mlir"))
SCRIPT_KERNELS = sorted(KERNELS.glob("scripts/*.mlir"))
ALL = TENSOR_KERNELS + LOOP_KERNELS + SCRIPT_KERNELS


def stem(path):
    return path.stem


def test_there_are_enough_kernels():
    assert len(TENSOR_KERNELS) >= 32
    assert len(LOOP_KERNELS) >= 3
    assert len(SCRIPT_KERNELS) >= 2


@pytest.mark.parametrize("path", ALL, ids=stem)
def test_a_kernel_is_one_small_function_named_like_its_file_and_says_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    assert re.match(r"// [A-Z0-9].+", text)
    assert re.findall(r"func\.func @(\w+)", text) == [path.stem]
    assert len(text) < 10_000  # weights are arguments, not constants


@pytest.mark.parametrize("path", LOOP_KERNELS, ids=stem)
def test_a_loop_kernel_is_read_and_refused_for_tuning(path):
    workload = read_workload(path)
    assert analyze(workload).flops > 0
    with pytest.raises(UnsupportedError):
        check_tunable(workload)


@pytest.mark.parametrize("path", SCRIPT_KERNELS, ids=stem)
def test_a_kernel_with_a_script_leaves_something_to_decide(path):
    workload = read_workload(path)
    check_tunable(workload)
    assert workload.script is not None
    assert len(workload.script.decisions) > 1
    assert analyze(workload).flops < 2e9


@pytest.mark.parametrize("path", TENSOR_KERNELS, ids=stem)
def test_a_tensor_kernel_is_read_can_be_tuned_and_is_of_a_sensible_size(path):
    workload = read_workload(path)
    check_tunable(workload)
    assert workload.function == path.stem
    analysis = analyze(workload)
    assert analysis.bytes >= sum(type_.bytes for type_ in workload.outputs)
    assert analysis.flops < 2e9  # well under a second, even by an untuned schedule
    assert sum(type_.bytes for type_ in workload.inputs) < 128 << 20


@pytest.mark.parametrize("path", TENSOR_KERNELS, ids=stem)
def test_iree_and_pytorch_agree(path, torch_kernels, compiled):
    workload = read_workload(path)
    inputs = random_inputs(workload.inputs, seed=0)
    reference = IREEKernel(compiled(workload), workload, threads=1)
    function = torch_kernels.TORCH_FUNCTIONS[path.stem]
    independent = torch_kernels.TorchKernel(function)
    for kernel in (reference, independent):
        kernel.prepare(inputs, [])
        kernel.run(1)
    analysis = analyze(workload)
    result = compare(
        independent.results(),
        reference.results(),
        reduction_length=reduction_length(analysis),
        dtype=function.dtype or compute_dtype(analysis),
    )
    assert result.ok, result.message
    assert result.message == ""
    # A result that is constant would agree with many a wrong kernel.
    assert all(np.unique(output).size > 1 for output in reference.results())


def test_every_kernel_has_a_pytorch_function_and_the_other_way_round(torch_kernels):
    assert set(torch_kernels.TORCH_FUNCTIONS) == {path.stem for path in TENSOR_KERNELS}
