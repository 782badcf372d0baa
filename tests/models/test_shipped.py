"""Which model answers: the package's where it knows the target, with what makes it less sure."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import costmodel
from costmodel.backends.registry import load as load_backend
from costmodel.errors import UsageError
from costmodel.ir import read_workload
from costmodel.models.shipped import WEIGHTS_VARIABLE, choose, load, shipped_weights
from costmodel.models.transformer.model import Transformer
from costmodel.records import Target

KERNELS = Path(__file__).resolve().parents[2] / "kernels"
WORKLOAD = read_workload(KERNELS / "matmul_bias_relu.mlir")


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Target:
    """The one that the package's weights learned from."""
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    return load(shipped_weights()).targets[0]


def test_the_target_that_was_learned_from_has_no_caveat(target: Target) -> None:
    found = choose(WORKLOAD, target, {"tvm", "iree"})
    assert isinstance(found.model, Transformer)
    assert found.reason == ""


def test_of_a_foreign_target_the_roofline_answers_and_it_is_said(target: Target) -> None:
    for foreign in (
        replace(target, vector_bytes=16), replace(target, arch="aarch64"),
        replace(target, kind="cuda"),
    ):  # fmt: skip
        found = choose(WORKLOAD, foreign, {"tvm"})
        assert found.model is None
        assert "the roofline predicts in its place" in found.reason


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"threads": 64}, "learned from 2 threads"),
        ({"peak_flops": {}}, "rates are assumed"),
        ({"bandwidth": 0.0}, "rates are assumed"),
    ],
)
def test_what_makes_it_less_sure_is_said(target: Target, changes: dict, said: str) -> None:
    found = choose(WORKLOAD, replace(target, **changes), {"tvm"})
    assert found.model is not None
    assert said in found.reason


def test_intervals_are_wider_where_rates_are_assumed(target: Target) -> None:
    model = Transformer(load(shipped_weights()))
    known = model.wholes(WORKLOAD, target, "iree")
    assumed = model.wholes(WORKLOAD, replace(target, peak_flops={}, bandwidth=0.0), "iree")
    assert (assumed.high - assumed.low > known.high - known.low + 1.0).all()


def test_tuning_is_never_said_to_end_behind_the_default(target: Target) -> None:
    model = Transformer(load(shipped_weights()))
    for path in sorted(KERNELS.glob("*.mlir"))[:12]:
        default, tuned = model.wholes(read_workload(path), target, "iree").log_us
        assert tuned <= default, path.name


def test_threads_change_no_answer(target: Target) -> None:
    space = load_backend("tvm").space(WORKLOAD, target)
    schedules = [space.default(), *space.sample(600, random.Random(0))]
    model = Transformer(load(shipped_weights()))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            told = model.estimates(WORKLOAD, target, schedules[:200]).log_us
            found.append((told, model.skim(WORKLOAD, target, schedules)))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for one, three in zip(*found, strict=True):
        assert one.tolist() == three.tolist()


def test_weights_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WEIGHTS_VARIABLE, "none")
    with pytest.raises(UsageError, match="switches the weights off"):
        shipped_weights()
    assert costmodel.predict(str(KERNELS / "matmul_bias_relu.mlir")).model == "roofline"
