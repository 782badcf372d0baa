"""Two backends share a budget, and the result says what each of them reached."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import costmodel
from costmodel.backends.joint import JointBackend
from costmodel.backends.registry import BACKENDS
from costmodel.store import open_store

#: The default of the first is what nobody may be slower than.
SLOW = (100.0, *(90.0 + place for place in range(40)))
FAST = (300.0, *(20.0 + abs(place - 25) for place in range(40)))


@pytest.fixture
def tune_both(scripted: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def call(first=SLOW, second=FAST, *, broken=frozenset(), **options: Any) -> Any:
        parts = (
            scripted.ScriptedBackend({16: first}, name="first"),
            scripted.ScriptedBackend({16: second}, name="second", broken=broken),
        )
        monkeypatch.setitem(BACKENDS, "both", lambda: JointBackend("both", parts, {}))
        monkeypatch.setattr("costmodel.final._SECONDS", 0.1)
        options = {"store": tmp_path / "store.sqlite", **options}
        return costmodel.tune(scripted.kernel_text(16), backend="both", **options)

    return call


def test_the_budget_flows_to_the_backend_that_promises_more(tune_both: Any) -> None:
    result = tune_both(trials=40)
    assert result.backend == "second"
    assert result.baseline == "first"
    assert result.baseline_us == pytest.approx(100.0)
    first, second = result.backends
    assert (first.backend, second.backend) == ("first", "second")
    assert first.measured + second.measured == result.measured
    assert second.measured > first.measured > 0
    # After the first batch, which has both, nearly all goes where the gain is.
    later = Counter(trial.backend for trial in result.history[16:])
    assert later["second"] > 2 * later["first"]


def test_each_backend_is_timed_in_the_final(tune_both: Any, tmp_path: Path) -> None:
    result = tune_both(trials=48)
    by_name = {each.backend: each for each in result.backends}
    assert by_name["first"].default_us == pytest.approx(100.0)
    assert by_name["first"].best_us == pytest.approx(min(
        trial.latency_us for trial in result.history if trial.backend == "first"
    ))  # fmt: skip
    assert by_name["second"].best_us == pytest.approx(result.best_us)
    with open_store(tmp_path / "store.sqlite", read_only=True) as store:
        finals = {m.schedule.backend for m in store.measurements() if "final" in m.extra}
    assert finals == {"first", "second"}


def test_the_answer_is_never_slower_than_the_first_default(tune_both: Any) -> None:
    result = tune_both((10.0, 40.0, 50.0), (30.0, 20.0, 25.0), trials=6)
    assert result.backend == "first"
    assert result.best_us == result.baseline_us == pytest.approx(10.0)
    assert result.speedup == 1.0


def test_failures_count_where_they_happened(tune_both: Any, tmp_path: Path) -> None:
    result = tune_both(trials=40, broken=frozenset(range(30, 41)), out=tmp_path / "out")
    first, second = result.backends
    assert not first.failed
    assert dict(second.failed) == {k: v for k, v in result.failed.items() if v}
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["backends"]["second"]["best_us"] == pytest.approx(second.best_us)
    assert {trial["backend"] for trial in report["history"]} == {"first", "second"}
    assert report["kernels"] == [["product"]]


def test_a_later_run_counts_what_was_known_by_backend(tune_both: Any) -> None:
    before = tune_both(trials=32)
    after = tune_both(trials=0)
    for old, new in zip(before.backends, after.backends, strict=True):
        assert (new.measured, new.cached) == (0, old.measured)
        assert new.best_us == pytest.approx(old.best_us)


def test_what_one_backend_has_learned_serves_the_joint_run(
    tune_both: Any, scripted: ModuleType, tmp_path: Path
) -> None:
    """Features are kept by part, so that a warm start does not ask how they were measured."""
    tune_both(trials=24)
    with open_store(tmp_path / "store.sqlite", read_only=True) as store:
        kept = list(store.features("scripted-1"))
    assert len(kept) == 24
