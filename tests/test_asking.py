"""``costmodel.predict`` and ``costmodel.rank``, before a kernel is tuned and after."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import costmodel
from costmodel.backends.registry import BACKENDS
from costmodel.errors import StoreError, UnsupportedError

Tune = Callable[..., costmodel.TuneResult]

LOOPS = """func.func @copy(%a: memref<64xf32>, %b: memref<64xf32>) {
  affine.for %i = 0 to 64 {
    %v = affine.load %a[%i] : memref<64xf32>
    affine.store %v, %b[%i] : memref<64xf32>
  }
  return
}
"""


@pytest.fixture
def ask(scripted: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The kernel and options that ``tune`` uses, for the two that only ask."""
    backend = scripted.ScriptedBackend({16: scripted.VALLEY})
    monkeypatch.setitem(BACKENDS, "scripted", lambda: backend)
    return {"source": scripted.kernel_text(), "backend": "scripted"}


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default store is the test's, and is not there yet."""
    monkeypatch.setenv("COSTMODEL_STORE", str(tmp_path / "store.sqlite"))
    return tmp_path / "store.sqlite"


def test_rank_draws_each_schedule_once_and_the_default_among_them(ask: dict[str, Any]) -> None:
    result = costmodel.rank(**ask, n=30, seed=1)
    drawn = [row.schedule["place"] for row in result.schedules]
    assert len(drawn) == len(set(drawn)) == 30
    assert 0 in drawn
    assert [row.rank for row in result.schedules] == list(range(1, 31))
    assert all(row.low_us <= row.predicted_us <= row.high_us for row in result.schedules)
    assert costmodel.rank(**ask, n=30, seed=1).schedules == result.schedules
    assert len(costmodel.rank(**ask, n=1000).schedules) == 60


def test_rank_knows_what_was_measured_and_learns_from_it(
    ask: dict[str, Any], tune: Tune, own_store: Path
) -> None:
    tuned = tune(trials=40, seed=1)
    content = own_store.read_bytes()
    result = costmodel.rank(**ask, n=60)
    measured = {r.schedule_hash: r.measured_us for r in result.schedules if r.measured_us}
    assert measured == {t.schedule_hash: pytest.approx(t.latency_us) for t in tuned.history}
    first = [row.schedule["place"] for row in result.schedules[:10]]
    assert all(abs(place - 41) < 12 for place in first), "the model has not learned the valley"
    assert own_store.read_bytes() == content


def test_predict_has_the_best_measured(ask: dict[str, Any], tune: Tune) -> None:
    before = costmodel.predict(**ask)
    assert before.measured_us is None
    assert before.low_us < before.latency_us < before.high_us
    assert before.roofline_us <= before.latency_us
    tuned = tune(trials=5)
    assert costmodel.predict(**ask).measured_us == pytest.approx(tuned.best_us)


def test_asking_writes_nothing(ask: dict[str, Any], tmp_path: Path) -> None:
    costmodel.rank(**ask, n=3)
    costmodel.predict(**ask)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("call", [costmodel.predict, partial(costmodel.rank, n=3)])
def test_asking_needs_no_compiler_where_rates_were_never_measured(
    ask: dict[str, Any], call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    call(**ask)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("call", [costmodel.predict, partial(costmodel.rank, n=3)])
def test_a_named_store_must_exist(ask: dict[str, Any], call: Any, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        call(**ask, store=tmp_path / "missing.sqlite")


def test_a_loop_nest_can_be_predicted_and_not_ranked() -> None:
    assert costmodel.predict(LOOPS).bytes == 2 * 64 * 4
    with pytest.raises(UnsupportedError, match="loop-level") as caught:
        costmodel.rank(LOOPS)
    assert str(caught.value.location) == "<text>:1:1"
