"""Which blocks of a scheduled program share a nest."""

from __future__ import annotations

from pathlib import Path

import pytest

from costmodel.backends.tvm.backend import TVMBackend
from costmodel.ir import read_workload
from costmodel.records import Schedule
from costmodel.target import host_target

KERNELS = Path(__file__).resolve().parents[3] / "kernels"


def groups(kernel: str, knobs: dict[str, int]) -> tuple[tuple[str, ...], ...]:
    space = TVMBackend().space(
        read_workload(KERNELS / f"{kernel}.mlir"), host_target(measure=False)
    )
    schedule = space._template(knobs)
    assert isinstance(schedule, Schedule)
    return space.groups(schedule)


@pytest.mark.parametrize(
    ("epilogue", "expected"),
    [(1, (("matmul", "er_add_mul"),)), (0, (("matmul",), ("er_add_mul",)))],
)
def test_an_epilogue_runs_as_tiles_are_stored_or_by_itself(epilogue, expected) -> None:
    assert groups("bert_ffn_gelu_erf", {"matmul.epilogue": epilogue}) == expected


def test_a_softmax_is_one_pass_over_each_row_or_several() -> None:
    assert groups("bert_softmax", {}) == (("max", "sub_exp", "sum", "div"),)
    apart = {f"{name}.fuse": 0 for name in ("max", "sub_exp", "sum", "div")}
    assert groups("bert_softmax", apart) == (("max",), ("sub_exp",), ("sum",), ("div",))


def test_packed_operands_are_no_kernel_of_their_own() -> None:
    packed = groups("bert_ffn_gelu_erf", {"matmul.pack1": 1})
    assert packed == (("matmul", "er_add_mul"),)
