"""Which flags are worth a trial: checked against IREE itself."""

from __future__ import annotations

from pathlib import Path

from costmodel.backends.iree.compiler import staged_text
from costmodel.backends.iree.flags import flag_options
from costmodel.backends.iree.probe import effective_options
from costmodel.ir import read_workload
from costmodel.target import host_target

KERNELS = Path(__file__).resolve().parents[3] / "kernels"


def test_a_flag_is_kept_where_it_changes_the_program_and_only_there() -> None:
    text = read_workload(KERNELS / "vit_transpose_key.mlir").text
    options = flag_options(text, host_target(2, measure=False))
    kept = effective_options(text, options)
    plain = staged_text(text, "executable-targets", locations=False)
    for name, values in options.items():
        for value in values:
            made = staged_text(text, "executable-targets", [f"--{name}={value}"], locations=False)
            if value in kept.get(name, ()):
                assert made != plain or name == "iree-llvmcpu-vector-pproc-strategy"
            elif name not in kept:
                assert made == plain
    # A transposition has no matrix product to pack, and its tiles are chosen by their size.
    assert "iree-opt-data-tiling" not in kept
    assert set(kept["iree-llvmcpu-distribution-size"]) == {"16", "32", "128", "256"}


def test_values_that_make_the_same_program_are_one() -> None:
    text = read_workload(KERNELS / "vit_transpose_key.mlir").text
    flag = {"iree-opt-level": ("O2", "O3"), "iree-llvmcpu-distribution-size": ("16", "16")}
    kept = effective_options(text, flag)
    assert kept == {"iree-llvmcpu-distribution-size": ("16",)}


def test_what_does_not_compile_has_no_flags_to_offer() -> None:
    assert effective_options("func.func @f(", {"iree-opt-level": ("O3",)}) == {}
