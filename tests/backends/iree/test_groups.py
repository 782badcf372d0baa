"""What IREE says it made one dispatch of."""

from __future__ import annotations

from pathlib import Path

import pytest

from costmodel.backends.iree.groups import find_groups
from costmodel.backends.iree.roots import find_cuts
from costmodel.backends.iree.schedules import Settings
from costmodel.errors import BackendError
from costmodel.ir import read_workload

KERNELS = Path(__file__).resolve().parents[3] / "kernels"


def test_a_cut_splits_the_group_that_it_goes_through() -> None:
    text = read_workload(KERNELS / "bert_ffn_gelu_erf.mlir").text
    (place,) = find_cuts(text)
    whole, cut = (find_groups(text, Settings(cuts=c)) for c in (frozenset(), frozenset([place])))
    assert whole == ((f"matmul@{place}", "generic@12"),)
    assert cut == ((f"matmul@{place}",), ("generic@12",))


def test_a_flag_may_join_groups() -> None:
    text = read_workload(KERNELS / "bert_softmax.mlir").text
    maximum, exponential, total, quotient = "generic@5", "generic@9", "generic@16", "generic@19"
    flags = {"iree-dispatch-creation-enable-aggressive-fusion": "true"}
    assert find_groups(text, Settings()) == ((maximum, exponential), (total, quotient))
    assert find_groups(text, Settings(flags)) == ((maximum, exponential, total, quotient),)


def test_what_the_compiler_refuses_is_an_error() -> None:
    text = read_workload(KERNELS / "bert_softmax.mlir").text
    with pytest.raises(BackendError):
        find_groups(text, Settings(flags={"no-such-flag": "true"}))
