"""What a user gets from IREE: their own module, with the schedule on its operations."""

from __future__ import annotations

import random
import re
from pathlib import Path
from statistics import median

import pytest

from costmodel.backends.base import Release, Releases
from costmodel.backends.iree.backend import IREEBackend
from costmodel.backends.iree.compiler import _compiler, configured_text
from costmodel.backends.iree.kernel import IREEKernel
from costmodel.backends.iree.release import own_program
from costmodel.backends.iree.roots import configured_tilings, find_cuts, find_roots
from costmodel.backends.iree.schedules import Settings, Tiling, default_schedule, parse_schedule
from costmodel.errors import BackendError
from costmodel.ir import Origin, read_located
from costmodel.measure.inputs import poisoned_outputs, random_inputs
from costmodel.records import Target, Workload
from costmodel.target import host_target
from tests.commands import compiled

KERNELS = Path(__file__).resolve().parents[3] / "kernels"

#: A module with more in it than the kernel: other functions, attributes, an earlier annotation.
MODULE = """
#earlier = #iree_codegen.compilation_info<lowering_config = #iree_cpu.lowering_config<
    distribution = [8, 8, 0], vector_common_parallel = [1, 1, 0], vector_reduction = [0, 0, 1]>,
    translation_info = #iree_codegen.translation_info<pipeline =
    #iree_cpu.pipeline<DoubleTilingExpert>>>
module @mine attributes {my.version = 3 : i64} {
  // A comment.
  func.func private @helper(%x: f32) -> f32 { return %x : f32 }
  func.func @other(%x: tensor<4xf32>) -> tensor<4xf32> attributes {my.kept} {
    return %x : tensor<4xf32>
  }
  func.func @dense(%x: tensor<128x256xf32> {my.input}, %w: tensor<256x128xf32>)
      -> (tensor<128x128xf32>, tensor<128x128xf32>) {
    %zero = arith.constant 0.0 : f32
    %empty = tensor.empty() : tensor<128x128xf32>
    %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<128x128xf32>) -> tensor<128x128xf32>
    %one = linalg.matmul {compilation_info = #earlier, my.note = "kept"}
        ins(%x, %w : tensor<128x256xf32>, tensor<256x128xf32>)
        outs(%init : tensor<128x128xf32>) -> tensor<128x128xf32>
    %two = linalg.matmul ins(%x, %w : tensor<128x256xf32>, tensor<256x128xf32>)
        outs(%init : tensor<128x128xf32>) -> tensor<128x128xf32>
    %half = arith.constant dense<0.5> : tensor<128x128xf32>
    %scaled = arith.mulf %two, %half : tensor<128x128xf32>
    return %one, %scaled : tensor<128x128xf32>, tensor<128x128xf32>
  }
}
"""
TILES = {
    "distribution": (32, 64, 0),
    "vector_common_parallel": (4, 16, 0),
    "vector_reduction": (0, 0, 4),
}
SCALAR = {
    "distribution": (1, 8, 0),
    "vector_common_parallel": (1, 1, 0),
    "vector_reduction": (0, 0, 1),
}


@pytest.fixture(scope="module")
def target() -> Target:
    return host_target(measure=False)


def _tool(name: str, *arguments: str | Path) -> str:
    """A plain tool of IREE's on plain files."""
    return compiled(Path(_compiler()).with_name(name), *arguments).stdout


def _release(
    workload: Workload, origin: Origin | None, settings: Settings, library: Path
) -> Release:
    backend = IREEBackend()
    assert isinstance(backend, Releases)
    return backend.release(
        workload, settings.schedule(), origin=origin, library=library, check=lambda _: None
    )


def _tiled(workload: Workload, levels: dict[str, tuple[int, ...]]) -> Settings:
    (root,) = find_roots(workload.text)
    return Settings(roots={root.key: Tiling(root.tiling.pipeline, levels)})


def test_the_module_is_the_users_own(tmp_path: Path) -> None:
    workload, origin = read_located(MODULE, function="dense")
    released = _release(workload, origin, _tiled(workload, TILES), tmp_path / "kernel.vmfb")
    assert released.notes == ()
    for kept in (
        "module @mine", "my.version = 3", "@helper", "@other", "my.kept", "@dense", "my.input",
        'my.note = "kept"',
    ):  # fmt: skip
        assert kept in released.program
    # Both products, which simplification merges, and no trace of the earlier annotation.
    assert released.program.count("distribution = [32, 64, 0]") == 2
    assert "distribution = [8, 8, 0]" not in released.program


def test_plain_tools_take_it_and_compile_the_same_module(tmp_path: Path, target: Target) -> None:
    workload, origin = read_located(MODULE, function="dense")
    settings = _tiled(workload, TILES)
    settings = Settings({"iree-opt-level": "O2"}, settings.roots, settings.cuts)
    library, program = tmp_path / "kernel.vmfb", tmp_path / "kernel.mlir"
    program.write_text(_release(workload, origin, settings, library).program)
    assert "compilation_info" in _tool("iree-opt", program)
    again = tmp_path / "again.vmfb"
    _, flags = IREEBackend().companions(workload, settings.schedule(), target)["flags"]
    _tool("iree-compile", *flags.split(), program, "-o", again)
    inputs, outputs = random_inputs(workload.inputs, 0), poisoned_outputs(workload.outputs)
    results = []
    for module in (library, again):
        kernel = IREEKernel(module, workload, threads=target.threads)
        kernel.prepare(inputs, outputs)
        kernel.run(1)
        results.append(kernel.results())
    for one, other in zip(*results, strict=True):
        assert (one == other).all()


@pytest.mark.parametrize("kernel", ["matmul_bias_relu", "bert_softmax", "gpt2_attention"])
def test_drawn_schedules_go_into_the_kernels_files(kernel: str, target: Target) -> None:
    workload, origin = read_located(KERNELS / f"{kernel}.mlir")
    space = IREEBackend().space(workload, target)
    roots = [root.key for root in find_roots(workload.text)]
    for schedule in space.guesses()[:6] + space.sample(3, random.Random(1)):
        settings = parse_schedule(schedule)
        try:
            configured_tilings(workload.text, settings)
        except BackendError:  # no schedule that compiles
            continue
        text = own_program(workload, origin, settings)
        assert f"@{kernel}(" in text
        assert text.count("compilation_info =") == len(settings.roots.keys() & set(roots))
        assert text.count("optimization_barrier") == len(settings.cuts)


def test_a_cut_goes_behind_the_same_operation() -> None:
    workload, origin = read_located(KERNELS / "matmul_bias_relu.mlir")
    (cut,) = find_cuts(workload.text)
    text = own_program(workload, origin, Settings(cuts=frozenset([cut])))
    before, _, after = text.partition("util.optimization_barrier")
    assert "linalg.matmul" in before
    assert "linalg.generic" in after
    assert configured_text(text).count("hal.executable private") == 2


ELEMENTWISE = """func.func @f(%a: tensor<4096xf32>, %b: tensor<4096xf32>) -> tensor<4096xf32> {
  %0 = arith.addf %a, %b : tensor<4096xf32>
  return %0 : tensor<4096xf32>
}"""


def test_what_cannot_carry_it_is_given_in_canonical_form(tmp_path: Path) -> None:
    workload, origin = read_located(ELEMENTWISE)
    (root,) = find_roots(workload.text)
    settings = Settings(roots={root.key: root.tiling})
    with pytest.raises(BackendError, match=r"linalg\.generic"):
        own_program(workload, origin, settings)
    released = _release(workload, origin, settings, tmp_path / "kernel.vmfb")
    assert "canonical form" in released.notes[0]
    assert "func.func @f(" in released.program
    assert "compilation_info" in released.program
    assert released.library.exists()


def test_a_module_that_is_found_wrong_is_not_given_away(tmp_path: Path) -> None:
    workload, origin = read_located(MODULE, function="dense")
    checked = []

    def check(library: Path) -> None:
        checked.append(library)
        if len(checked) == 1:
            raise BackendError("output 0 is 3, expected 4")

    released = IREEBackend().release(
        workload, default_schedule(), origin=origin, library=tmp_path / "k.vmfb", check=check
    )
    assert len(checked) == 2
    assert "expected 4" in released.notes[0]
    assert "@other" not in released.program


def test_in_the_users_file_a_bad_tiling_is_slow_and_without_it_the_default_is_back(
    tmp_path: Path, target: Target
) -> None:
    """The negative control on the file that is given away, by plain ``iree-compile``."""
    path = KERNELS / "matmul_bias_relu.mlir"
    workload, origin = read_located(path)
    bad = _release(workload, origin, _tiled(workload, SCALAR), tmp_path / "bad.vmfb").program
    removed = re.sub(r" *compilation_info = #iree_codegen\.compilation_info<.*?>>>,?", "", bad)
    assert "compilation_info" not in removed
    _, flags = IREEBackend().companions(workload, default_schedule(), target)["flags"]
    kernels = {}
    for name, text in {"default": path.read_text(), "bad": bad, "removed": removed}.items():
        (tmp_path / f"{name}.mlir").write_text(text)
        module = tmp_path / f"{name}.vmfb"
        _tool("iree-compile", *flags.split(), tmp_path / f"{name}.mlir", "-o", module)
        kernels[name] = IREEKernel(module, workload, threads=target.threads)
        kernels[name].prepare(random_inputs(workload.inputs, 0), poisoned_outputs(workload.outputs))
        kernels[name].run(1)
    samples: dict[str, list[float]] = {name: [] for name in kernels}
    for _ in range(7):
        for name, kernel in kernels.items():
            samples[name].append(kernel.run(1))
    times = {name: median(taken) for name, taken in samples.items()}
    assert times["bad"] > 4 * times["default"]
    assert times["removed"] < times["bad"] / 4


def test_a_private_function_is_given_in_canonical_form(target: Target, tmp_path: Path) -> None:
    """Nobody could call it in the module, and another function must not be checked in its place."""
    text = MODULE.replace("func.func @dense", "func.func private @dense")
    workload, origin = read_located(text, function="dense")
    released = IREEBackend().release(
        workload, default_schedule(), origin=origin, library=tmp_path / "k.vmfb",
        check=lambda library: None,
    )  # fmt: skip
    assert "@other" not in released.program
    (note,) = released.notes
    assert "private" in note


def test_what_acts_on_other_functions_is_said(tmp_path: Path) -> None:
    workload, origin = read_located(MODULE, function="dense")
    schedule = Settings({"iree-opt-level": "O2"}).schedule()
    released = IREEBackend().release(
        workload, schedule, origin=origin, library=tmp_path / "k.vmfb", check=lambda library: None
    )
    (note,) = released.notes
    assert "other" in note
