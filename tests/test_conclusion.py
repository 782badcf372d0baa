"""A run that finds nothing says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import costmodel
from costmodel.conclusion import Figures, doubts
from costmodel.records import Schedule

DEFAULT, OTHER = Schedule("tvm", "{}"), Schedule("tvm", '{"a":1}')

Tune = Callable[..., costmodel.TuneResult]

BROKEN = {"broken": frozenset(range(4))}


def test_nothing_known_and_nothing_measured(tune: Tune) -> None:
    tune((100.0, 50.0), rows=32, trials=1)  # the store is there, and knows another kernel
    assert tune(trials=0).problems == (
        "nothing is known of this kernel here: measure it with --trials",
    )


def test_nothing_correct(tune: Tune, tmp_path: Path) -> None:
    """Now, and when the store is asked afterwards."""
    latencies = (100.0, 50.0, 40.0, 30.0)
    expected = "no candidate was correct: 4 build_error; the first: this one breaks the compiler"
    for trials in (4, 0):
        result = tune(latencies, trials=trials, backend=BROKEN, out=tmp_path / str(trials))
        assert result.best_us is None
        assert result.problems == (expected,)
        errors = [trial.error for trial in result.history]
        assert errors == ["this one breaks the compiler"] * 4
        report = json.loads(Path(result.artifacts["report"] or "").read_text())
        assert [trial["error"] for trial in report["history"]] == errors


def test_one_that_is_correct_is_enough(tune: Tune) -> None:
    result = tune((100.0, 50.0, 40.0), trials=3, backend={"broken": frozenset([1])})
    assert result.problems == ()
    assert {trial.error for trial in result.history if trial.ok} == {""}
    assert [trial.error for trial in result.history if not trial.ok] != [""]


def test_what_a_store_claims_is_checked_before_it_is_exported(tune: Tune, tmp_path: Path) -> None:
    """A stored winner that computes something else here gives way to the next fastest."""
    latencies = (100.0, 50.0, 40.0, 30.0)
    assert tune(latencies, trials=4).schedule == {"place": 3}
    told = tune(latencies, trials=0, backend={"wrong": frozenset([3])}, out=tmp_path / "out")
    assert told.schedule == {"place": 2}
    assert Path(told.artifacts["library"] or "").exists()
    assert any("wrong_result" in note for note in told.notes)


def test_losing_to_the_reference_is_said(tune: Tune) -> None:
    """A product of 16x24x32 takes IREE some ten microseconds; the script claims far more."""
    lost = tune((90_000.0, 50_000.0), trials=2)
    assert lost.reference_us is not None
    assert any("IREE's default is" in note for note in lost.notes)
    won = tune((0.02, 0.01), rows=32, trials=2)
    assert not any("IREE's default is" in note for note in won.notes)


def test_that_all_but_the_default_failed_is_said(tune: Tune) -> None:
    """Otherwise a script with a mistake in it would look like one that wins nothing."""
    result = tune((100.0, 50.0, 40.0), trials=3, backend={"broken": frozenset([1, 2])})
    assert result.schedule == {"place": 0}
    assert (
        "every schedule but the untuned default failed; the first: this one breaks the compiler"
        in result.notes
    )


def test_a_default_that_was_kept_for_noise_alone_is_said(tune: Tune) -> None:
    busy = Figures(winner=DEFAULT, best_us=100.0, baseline_us=100.0, noise_us=60.0)
    (note,) = doubts(busy, default=DEFAULT, found_us=50.0, trials=())
    assert "too busy" in note
    assert "50 us was measured" in note
    calm = Figures(winner=DEFAULT, best_us=100.0, baseline_us=100.0, noise_us=2.0)
    assert doubts(calm, default=DEFAULT, found_us=50.0, trials=()) == []
    assert doubts(busy, default=DEFAULT, found_us=99.0, trials=()) == []
    assert doubts(busy, default=OTHER, found_us=50.0, trials=()) == []
