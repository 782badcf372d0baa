"""Tilings reach the operations they are for, and the compiler obeys them."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from statistics import median

import pytest

from costmodel.backends.iree.backend import IREEBackend
from costmodel.backends.iree.compiler import _compiler, configured_text
from costmodel.backends.iree.flags import FLAGS, flag_options, presets
from costmodel.backends.iree.kernel import IREEKernel
from costmodel.backends.iree.roots import annotated, find_cuts, find_roots
from costmodel.backends.iree.schedules import Settings, Tiling, parse_schedule
from costmodel.backends.iree.tilings import (
    guessed_tilings,
    mutated_tiling,
    random_tiling,
    valid_tiling,
)
from costmodel.ir import read_workload
from costmodel.measure.inputs import poisoned_outputs, random_inputs
from costmodel.records import Target, Workload
from costmodel.target import host_target

KERNELS = Path(__file__).resolve().parents[3] / "kernels"
VECTOR_BYTES = 64


@pytest.fixture(scope="module")
def matmul() -> Workload:
    return read_workload(KERNELS / "matmul_bias_relu.mlir")


@pytest.fixture(scope="module")
def target() -> Target:
    return host_target(measure=False)


@pytest.mark.parametrize(
    ("kernel", "names"),
    [
        ("matmul_bias_relu", ["linalg.matmul"]),
        ("bert_layernorm", ["linalg.generic", "linalg.generic"]),
        ("gpt2_attention", ["linalg.batch_matmul", "linalg.batch_matmul"]),
        # Of one point, written as matrix products.
        ("mobilenetv2_project_nhwc", ["linalg.conv_2d_nhwc_hwcf"]),
        ("resnet50_conv1x1_nchw", ["linalg.conv_2d_nchw_fchw"]),
        # Rewritten before it is tiled: what is said of the operation is lost.
        ("mobilenetv2_depthwise_nchw", []),
    ],
)
def test_roots_are_those_that_obey(kernel: str, names: list[str]) -> None:
    roots = find_roots(read_workload(KERNELS / f"{kernel}.mlir").text)
    assert [root.name for root in roots] == names
    for root in roots:
        assert valid_tiling(root, root.tiling, VECTOR_BYTES)


def test_a_matmul_has_its_loops_and_iree_tiling(matmul: Workload) -> None:
    (root,) = find_roots(matmul.text)
    assert [(loop.extent, loop.kind) for loop in root.loops] == [
        (512, "parallel"),
        (512, "parallel"),
        (512, "reduction"),
    ]
    assert root.element_bytes == 4
    assert {"distribution", "vector_common_parallel"} <= set(root.tiling.levels)


def test_every_tiling_made_is_valid_and_shows_in_the_program(matmul: Workload) -> None:
    (root,) = find_roots(matmul.text)
    rng = random.Random(3)
    made = guessed_tilings(root, VECTOR_BYTES)
    made += [random_tiling(root, VECTOR_BYTES, rng) for _ in range(40)]
    made += [t for one in made if (t := mutated_tiling(root, one, VECTOR_BYTES, rng))]
    assert len({str(tiling) for tiling in made}) > 30
    for tiling in made:
        assert valid_tiling(root, tiling, VECTOR_BYTES), tiling
        text = annotated(matmul.text, Settings(roots={root.place: tiling}))
        sizes = list(tiling.levels["distribution"])
        assert f"distribution = {sizes}" in text


@pytest.mark.parametrize(
    "levels",
    [
        {"vector_common_parallel": (8, 16, 0)},
        {"distribution": (64, 64)},
        {"distribution": (64, 64, 16)},
        {"distribution": (1024, 64, 0)},
        {"distribution": (8, 8, 0), "vector_common_parallel": (16, 8, 0)},
        {"distribution": (512, 512, 0), "vector_common_parallel": (512, 512, 0)},
    ],
)
def test_tilings_that_cannot_be_are_refused(
    matmul: Workload, levels: dict[str, tuple[int, ...]]
) -> None:
    (root,) = find_roots(matmul.text)
    assert not valid_tiling(root, Tiling("DoubleTilingExpert", levels), VECTOR_BYTES)


def test_the_compiler_configures_what_was_asked(matmul: Workload) -> None:
    (root,) = find_roots(matmul.text)
    levels = {
        "distribution": (32, 128, 0),
        "vector_common_parallel": (4, 32, 0),
        "vector_reduction": (0, 0, 2),
    }
    text = annotated(
        matmul.text, Settings(roots={root.place: Tiling("DoubleTilingExpert", levels)})
    )
    configured = configured_text(text)
    assert "distribution = [32, 128, 0], vector_common_parallel = [4, 32, 0]" in configured
    assert "distribution = [32, 128, 0]" not in configured_text(matmul.text)


@pytest.mark.parametrize(
    ("kernel", "whole"), [("matmul_bias_relu", 1), ("bert_layernorm", 2), ("gpt2_attention", 4)]
)
def test_a_cut_makes_two_kernels_of_one(kernel: str, whole: int) -> None:
    text = read_workload(KERNELS / f"{kernel}.mlir").text
    cuts = find_cuts(text)
    assert cuts
    assert all(size > 0 for size in cuts.values())

    def kernels(places: frozenset[int]) -> int:
        cut = annotated(text, Settings(cuts=places))
        return configured_text(cut).count("hal.executable private")

    assert kernels(frozenset()) == whole
    assert kernels(frozenset([min(cuts)])) == whole + 1
    assert kernels(frozenset(cuts)) > whole


def test_every_flag_is_one_of_the_compiler(matmul: Workload, target: Target) -> None:
    for name, values in FLAGS.items():
        for value in values:
            configured_text(matmul.text, flags=[f"--{name}={value}"])
    options = flag_options(matmul.text, target)
    assert "iree-global-opt-use-im2col-for-convs" not in options
    assert presets(options)


def test_exported_files_are_all_that_the_plain_compiler_needs(
    matmul: Workload, target: Target, tmp_path: Path
) -> None:
    """``iree-compile`` with the flags written beside the program gives the same module."""
    backend = IREEBackend()
    space = backend.space(matmul, target)
    drawn = space.sample(40, random.Random(1))
    schedule = next(s for s in drawn if (p := parse_schedule(s)).flags and p.roots)
    built, program = tmp_path / "built.vmfb", tmp_path / "kernel.mlir"
    backend.build(matmul, schedule, target, built)
    program.write_text(backend.describe(matmul, schedule, target))
    _, flags = backend.companions(matmul, schedule, target)["flags"]
    again = tmp_path / "again.vmfb"
    subprocess.run(
        [_compiler(), *flags.split(), str(program), "-o", str(again)], check=True, timeout=60
    )
    inputs, outputs = random_inputs(matmul.inputs, 0), poisoned_outputs(matmul.outputs)
    results = []
    for module in (built, again):
        kernel = IREEKernel(module, matmul, threads=target.threads)
        kernel.prepare(inputs, outputs)
        kernel.run(1)
        results.append(kernel.results()[0])
    assert (results[0] == results[1]).all()


def test_a_bad_tiling_is_slow_and_without_it_the_default_is_back(
    matmul: Workload, target: Target, tmp_path: Path
) -> None:
    """The negative control: scalar code, many times slower than any noise, shows obedience."""
    backend = IREEBackend()
    (root,) = find_roots(matmul.text)
    scalar = Tiling(
        root.tiling.pipeline,
        {
            "distribution": (1, 8, 0),
            "vector_common_parallel": (1, 1, 0),
            "vector_reduction": (0, 0, 1),
        },
    )
    schedules = {
        "default": Settings().schedule(),
        "bad": Settings(roots={root.place: scalar}).schedule(),
        "removed": Settings(roots={}).schedule(),
    }
    kernels = {}
    for name, schedule in schedules.items():
        backend.build(matmul, schedule, target, tmp_path / f"{name}.vmfb")
        kernels[name] = backend.load(tmp_path / f"{name}.vmfb", matmul, target)
        kernels[name].prepare(random_inputs(matmul.inputs, 0), poisoned_outputs(matmul.outputs))
        kernels[name].run(1)
    samples = {name: [] for name in kernels}
    for _ in range(7):
        for name, kernel in kernels.items():
            samples[name].append(kernel.run(1))
    times = {name: median(taken) for name, taken in samples.items()}
    assert times["bad"] > 4 * times["default"]
    assert times["removed"] < times["bad"] / 4
    assert json.loads(schedules["removed"].text) == {"kind": "default"}
