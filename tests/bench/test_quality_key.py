"""A stored row is taken over for the same kernel, settings and versions, and for no other."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

KERNEL = Path(__file__).parents[2] / "kernels" / "bert_softmax.mlir"
RUN = {
    "threads": 2, "trials": 128, "seed": 0, "rounds": 31, "backend": "tvm",
    "baselines_only": False,
}  # fmt: skip


@pytest.fixture
def key(quality_key, monkeypatch):
    """The key of a run with other options than RUN's."""
    # PyTorch is installed for the benchmarks alone.
    monkeypatch.setattr(quality_key, "_DISTRIBUTIONS", ("apache-tvm", "iree-base-compiler"))
    return lambda **options: quality_key.row_key(KERNEL, argparse.Namespace(**(RUN | options)))


@pytest.mark.parametrize(
    "option",
    [{"rounds": 7}, {"seed": 1}, {"trials": 64}, {"threads": 1}, {"backend": "auto"},
     {"baselines_only": True}],
    ids=str,
)  # fmt: skip
def test_other_settings_make_another_row(key, option):
    assert key() == key()
    assert key(**option) != key()


def test_another_search_space_makes_another_row(key, monkeypatch):
    before, rivals = key(), key(baselines_only=True)
    monkeypatch.setattr("costmodel.backends.tvm.versions.SPACE_VERSION", "another")
    assert key() != before
    assert key(baselines_only=True) == rivals, "nothing of it is tuned"


def test_what_is_not_tuned_needs_no_trials(key):
    assert key(baselines_only=True, trials=1) == key(baselines_only=True)
