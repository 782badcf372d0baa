"""Tilings reach the operations they are for, and the compiler obeys them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from statistics import median

import pytest

from costmodel.backends.iree.backend import IREEBackend
from costmodel.backends.iree.compiler import _compiler, configured_text
from costmodel.backends.iree.flags import FLAGS, flag_options, presets
from costmodel.backends.iree.kernel import IREEKernel
from costmodel.backends.iree.matching import tuning_spec
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
from tests.commands import compiled

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
        ("gpt2_attention", ["linalg.batch_matmul"] * 2 + ["linalg.generic"] * 2),
        # Of one point, written as matrix products.
        ("mobilenetv2_project_nhwc", ["linalg.conv_2d_nhwc_hwcf"]),
        ("resnet50_conv1x1_nchw", ["linalg.conv_2d_nchw_fchw"]),
        # Rewritten before they are tiled: found by what they have become.
        ("bert_softmax", ["linalg.generic", "linalg.generic"]),
        # Tiled as another operation than the one that a spec could find.
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
        text = annotated(matmul.text, Settings(roots={root.key: tiling}))
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
    text = annotated(matmul.text, Settings(roots={root.key: Tiling("DoubleTilingExpert", levels)}))
    configured = configured_text(text)
    assert "distribution = [32, 128, 0], vector_common_parallel = [4, 32, 0]" in configured
    assert "distribution = [32, 128, 0]" not in configured_text(matmul.text)


def test_what_an_operation_has_become_is_tiled_by_a_spec() -> None:
    """A softmax's reductions, whose outer dimensions IREE collapses."""
    text = read_workload(KERNELS / "bert_softmax.mlir").text
    roots = find_roots(text)
    tilings = {
        root.key: Tiling(root.tiling.pipeline, {**root.tiling.levels, "distribution": (size, 0)})
        for root, size in zip(roots, (6, 24), strict=True)
    }
    settings = Settings().tiled(tilings)
    assert set(settings.matched) == {root.key for root in roots}
    assert parse_schedule(settings.schedule()) == settings
    configured = configured_text(text, spec=tuning_spec(settings.matched))
    for size in (6, 24):
        assert f"distribution = [{size}, 0]" in configured
        assert f"distribution = [{size}, 0]" not in configured_text(text)
    assert tuning_spec({}) == ""


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


@pytest.mark.parametrize("name", ["matmul_bias_relu", "bert_softmax"])
def test_exported_files_are_all_that_the_plain_compiler_needs(
    name: str, target: Target, tmp_path: Path
) -> None:
    """``iree-compile`` with the flags written beside the program gives the same module."""
    backend, workload = IREEBackend(), read_workload(KERNELS / f"{name}.mlir")
    (root, *_), rng = find_roots(workload.text), random.Random(1)
    tilings = {root.key: random_tiling(root, VECTOR_BYTES, rng)}
    settings = Settings({"iree-llvmcpu-vector-pproc-strategy": "peel"}).tiled(tilings)
    schedule = settings.schedule()
    assert backend.space(workload, target).accepts(schedule)
    built, program = tmp_path / "built.vmfb", tmp_path / "kernel.mlir"
    backend.build(workload, schedule, target, built)
    program.write_text(backend.describe(workload, schedule, target))
    companions = backend.companions(workload, schedule, target)
    for file_name, text in companions.values():
        (tmp_path / file_name).write_text(text)
    assert ("spec" in companions) == bool(settings.matched)
    again, flags = tmp_path / "again.vmfb", companions["flags"][1].split()
    compiled(_compiler(), *flags, program, "-o", again, cwd=tmp_path)
    inputs, outputs = random_inputs(workload.inputs, 0), poisoned_outputs(workload.outputs)
    results = []
    for module in (built, again):
        kernel = IREEKernel(module, workload, threads=target.threads)
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
        "bad": Settings(roots={root.key: scalar}).schedule(),
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
