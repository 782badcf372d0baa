"""``costmodel.tune``, the loop, over a backend whose latencies are known beforehand."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import psutil
import pytest

import costmodel
from costmodel.errors import StoreError, UnsupportedError, UsageError
from costmodel.measure.pipeline import Pipeline
from costmodel.records import Measurement, Outcome
from costmodel.search.evolutionary import EvolutionarySearch
from costmodel.store import open_store
from costmodel.tally import Tally

Tune = Callable[..., costmodel.TuneResult]
Stored = Callable[..., list[Measurement]]


def places(result: costmodel.TuneResult) -> set[str]:
    return {trial.schedule_hash for trial in result.history if trial.source != "stored"}


def test_the_result_is_what_the_latencies_say(
    tune: Tune, stored: Stored, scripted: ModuleType, tmp_path: Path
) -> None:
    result = tune(
        trials=24, seed=2, out=tmp_path / "out", backend={"wrong": frozenset({5, 6, 7, 8})}
    )
    correct = [trial.latency_us for trial in result.history if trial.ok]
    assert result.measured == len(result.history) == len(places(result)) == 24
    assert result.failed == {
        kind: count
        for kind in Outcome
        if (count := sum(trial.outcome is kind for trial in result.history))
        and kind is not Outcome.OK
    }
    assert result.cached == 0
    assert result.baseline_us == pytest.approx(scripted.DEFAULT_US)
    assert result.best_us == pytest.approx(min(correct))
    assert result.best_us == pytest.approx(scripted.VALLEY[result.schedule["place"]])
    assert result.noise_us == pytest.approx(0, abs=1e-6)
    assert result.speedup == pytest.approx(result.baseline_us / result.best_us)
    assert result.gflops == pytest.approx(scripted.flops() / result.best_us * 1e-3)
    kept = stored()
    assert {m.schedule.hash for m in kept} == places(result)
    assert sum(1 for m in kept if "final" not in m.extra) == 24
    assert {key for key, path in result.artifacts.items() if path and Path(path).exists()} == {
        "library", "schedule", "ir", "report", "plot",
    }  # fmt: skip


def test_a_seed_decides_the_run(tune: Tune, tmp_path: Path) -> None:
    """Latencies are the same each time; which candidates are tried must be, too."""

    def run(name: str, seed: int) -> costmodel.TuneResult:
        return tune(trials=40, seed=seed, store=tmp_path / name)

    first, again, other = run("a", 4), run("b", 4), run("c", 5)
    assert places(first) == places(again)
    assert first.schedule == again.schedule
    assert (first.best_us, first.baseline_us) == (again.best_us, again.baseline_us)
    assert places(first) != places(other)


def test_the_model_finds_the_valley(tune: Tune, scripted: ModuleType) -> None:
    """40 of 60 schedules at random would miss the best three in one case of 25."""
    result = tune(trials=40, seed=1)
    assert result.best_us is not None
    assert result.best_us <= sorted(scripted.VALLEY)[2]
    assert {trial.source for trial in result.history} == {"default", "random", "model"}


def test_the_default_wins_where_nothing_is_faster(tune: Tune) -> None:
    result = tune((10.0, *(11.0 + place for place in range(11))), trials=12)
    assert result.schedule == {"place": 0}
    assert result.speedup == 1.0
    assert result.best_us == result.baseline_us == pytest.approx(10.0)


def test_a_hopeless_default_is_not_timed_again(tune: Tune, stored: Stored) -> None:
    """It would slow the final down; its latency is known well enough."""
    result = tune((5000.0, 50.0, 40.0, 60.0), trials=4)
    assert result.baseline_us == pytest.approx(5000.0)
    assert result.speedup == pytest.approx(125.0)
    final = [m for m in stored() if "final" in m.extra]
    assert sorted(median(m.samples_us) for m in final) == pytest.approx([40.0, 50.0, 60.0])
    read = tune(trials=0)
    assert (read.baseline_us, read.best_us) == (result.baseline_us, result.best_us)


def test_a_wrong_schedule_never_wins_however_fast(tune: Tune) -> None:
    latencies = (50.0, 1.0, 40.0, 2.0)
    result = tune(latencies, trials=4, backend={"wrong": frozenset({1, 3})})
    assert result.schedule == {"place": 2}
    assert result.failed == {"wrong_result": 2}


def test_nothing_correct_is_no_result_and_no_file(tune: Tune, tmp_path: Path) -> None:
    result = tune((5.0, 6.0), trials=2, backend={"wrong": frozenset({0, 1})}, out=tmp_path / "out")
    assert (result.best_us, result.speedup, result.schedule) == (None, None, None)
    assert result.failed == {"wrong_result": 2}
    assert result.artifacts.get("library") is None
    assert json.loads(Path(result.artifacts["report"] or "").read_text())["best_us"] is None


def test_a_second_run_goes_on_and_a_third_only_reads(
    tune: Tune, stored: Stored, tmp_path: Path
) -> None:
    first = tune(trials=12, seed=1)
    second = tune(trials=12, seed=1)
    assert not places(first) & places(second)
    assert second.cached == 12
    assert {t.schedule_hash for t in second.history if t.source == "stored"} == places(first)
    assert second.best_us is not None
    assert first.best_us is not None
    assert second.best_us <= first.best_us
    before = stored()
    read = tune(trials=0, out=tmp_path / "out")
    assert (read.measured, read.cached) == (0, 24)
    assert (read.best_us, read.schedule) == (second.best_us, second.schedule)
    assert (read.baseline_us, read.noise_us) == (second.baseline_us, second.noise_us)
    assert read.reference_us == second.reference_us
    assert Path(read.artifacts["library"] or "").exists()
    assert stored() == before


def test_features_that_the_store_has_are_not_made_again(
    tune: Tune, scripted: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = places(tune(trials=12, seed=1))
    made: set[str] = set()
    features = scripted.ListedSpace.features

    def note(self: Any, schedules: Any) -> Any:
        made.update(schedule.hash for schedule in schedules)
        return features(self, schedules)

    monkeypatch.setattr(scripted.ListedSpace, "features", note)
    second = tune(trials=4, seed=1)
    assert places(second) <= made
    assert not known & made


def test_reading_needs_no_permission_to_write(tune: Tune, tmp_path: Path) -> None:
    tune(trials=3)
    folder = tmp_path / "frozen"
    folder.mkdir()
    path = folder / "store.sqlite"
    (tmp_path / "store.sqlite").rename(path)
    content = path.read_bytes()
    path.chmod(0o444)
    folder.chmod(0o555)
    result = tune(trials=0, store=path)
    assert result.best_us is not None
    assert path.read_bytes() == content


def test_another_toolchain_never_answers(tune: Tune) -> None:
    tune(trials=4)
    result = tune(trials=0, backend={"toolchain": "2"})
    assert (result.cached, result.best_us) == (0, None)


def test_a_stored_winner_that_cannot_be_built_any_more_is_out(tune: Tune, tmp_path: Path) -> None:
    latencies = (50.0, 10.0, 20.0, 30.0, 40.0, 60.0)
    assert tune(latencies, trials=5, seed=1).schedule == {"place": 1}
    result = tune(latencies, trials=5, backend={"broken": frozenset({1})}, out=tmp_path / "out")
    assert result.schedule == {"place": 2}
    assert any("breaks the compiler" in note for note in result.notes)
    assert Path(result.artifacts["library"] or "").exists()


def test_what_fails_in_the_final_is_kept_as_failed(
    tune: Tune, stored: Stored, tmp_path: Path
) -> None:
    latencies = (50.0, 10.0, 20.0, 30.0, 40.0, 60.0)
    tune(latencies, trials=5, seed=1)
    tune(latencies, trials=1, backend={"broken": frozenset({1})})
    kept = stored()
    (failure,) = [m for m in kept if not m.ok]
    assert (failure.outcome, failure.schedule.text) == (Outcome.BUILD_ERROR, '{"place": 1}')
    assert "breaks the compiler" in failure.error
    assert Tally(kept).ranked()[0][0].text == '{"place": 2}'
    with open_store(tmp_path / "store.sqlite", read_only=True) as store:
        best = store.best(workload=failure.workload, target=failure.target)
    assert best is not None
    assert best.schedule.text == '{"place": 2}'
    assert tune(latencies, trials=0).schedule == {"place": 2}


FIVE_FAST = (5000.0, 10.0, 20.0, 30.0, 40.0, 50.0)


def test_where_every_finalist_fails_the_next_take_their_places(tune: Tune, tmp_path: Path) -> None:
    tune(FIVE_FAST, trials=6)
    result = tune(
        FIVE_FAST, trials=1, backend={"broken": frozenset({1, 2, 3, 4})}, out=tmp_path / "out"
    )
    assert result.schedule == {"place": 5}
    assert result.best_us == pytest.approx(50.0)
    assert Path(result.artifacts["library"] or "").exists()


def test_a_compiler_that_builds_nothing_is_not_held_against_the_schedules(
    tune: Tune, stored: Stored
) -> None:
    tune(FIVE_FAST, trials=6)
    before = stored()
    result = tune(FIVE_FAST, trials=1, backend={"broken": frozenset(range(6))})
    assert result.best_us is None
    assert stored() == before
    assert tune(FIVE_FAST, trials=0).schedule == {"place": 1}


def test_a_known_winner_that_cannot_be_exported_leaves_it_to_the_next(
    tune: Tune, tmp_path: Path
) -> None:
    tune(FIVE_FAST, trials=6)
    result = tune(FIVE_FAST, trials=0, backend={"broken": frozenset({1, 2})}, out=tmp_path / "out")
    assert result.schedule == {"place": 3}
    assert result.best_us == pytest.approx(30.0)
    assert result.speedup == pytest.approx(5000.0 / 30.0)
    assert any("breaks the compiler" in note for note in result.notes)
    assert Path(result.artifacts["library"] or "").exists()
    everything = {"broken": frozenset(range(6))}
    result = tune(FIVE_FAST, trials=0, backend=everything, out=tmp_path / "other")
    assert result.schedule == {"place": 1}
    assert any("could not be exported" in problem for problem in result.problems)


def test_a_small_space_ends_the_run_early(tune: Tune) -> None:
    result = tune((9.0, 8.0, 7.0), trials=50)
    assert result.measured == 3
    (note,) = [note for note in result.notes if "47 trials were left" in note]
    assert "every schedule that could be found" in note


def test_time_that_is_over_leaves_room_for_one_answer(tune: Tune, scripted: ModuleType) -> None:
    result = tune(trials=50, seconds=1e-3)
    assert any("the time is over" in note for note in result.notes)
    assert result.measured == 1
    assert result.schedule == {"place": 0}
    assert result.best_us == pytest.approx(scripted.DEFAULT_US)
    again = tune(trials=50, seconds=1e-3)
    assert (again.measured, again.cached) == (0, 1)
    assert again.best_us == pytest.approx(scripted.DEFAULT_US)


def test_what_was_measured_when_the_time_ended_is_kept(
    tune: Tune, stored: Stored, scripted: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole batch is done at once, and the time is over when the first of it is handed over."""
    take_turn = Pipeline._take_turn

    def at_once(self: Pipeline) -> Iterator[Measurement]:
        given = self._given
        for _ in take_turn(self):
            pass
        self._given = given
        while self._given < len(self._made):
            yield self._made[self._given]
            self._given += 1

    over: list[bool] = []
    monkeypatch.setattr(Pipeline, "_take_turn", at_once)
    monkeypatch.setattr("costmodel.tuning.Budget.over", property(lambda self: bool(over)))
    monkeypatch.setattr("costmodel.measure.pipeline._TURN", 16)
    result = tune(trials=40, progress=scripted.Listener({"trial:0": lambda: over.append(True)}))
    kept = {m.schedule.hash for m in stored()}
    assert result.measured == len(result.history) == len(kept) == 16
    assert places(result) == kept


def test_an_interrupt_between_the_store_and_the_history_loses_no_trial(
    tune: Tune, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell, told = EvolutionarySearch.tell, []

    def interrupted(self: EvolutionarySearch, results: Any) -> None:
        told.append(results)
        if len(told) == 3:
            raise KeyboardInterrupt
        tell(self, results)

    monkeypatch.setattr(EvolutionarySearch, "tell", interrupted)
    result = tune(trials=10)
    assert result.interrupted
    assert result.measured == len(result.history) == 3
    assert places(result) == {m.schedule.hash for m in stored()}


def test_a_model_that_misleads_is_noted(tune: Tune, tmp_path: Path) -> None:
    """What another kernel taught is the opposite of what holds for this one."""
    rising = (1000.0, *(10.0 * 1.08**place for place in range(47)))
    falling = (1000.0, *reversed(rising[1:]))
    store = tmp_path / "shared"
    trained = tune(rising, rows=8, trials=48, store=store)
    assert not trained.notes or "worse than chance" not in trained.notes[0]
    misled = tune(falling, rows=16, trials=20, store=store)
    assert any("worse than chance" in note for note in misled.notes)
    assert (trained.model, misled.model) == ("xgboost", "roofline")


def test_the_listener_hears_it_all_in_order(tune: Tune, scripted: ModuleType) -> None:
    listener = scripted.Listener()
    result = tune(trials=3, progress=listener)
    assert listener.heard == [
        "phase:reading", "phase:space", "start", "phase:tuning", "trial:0", "trial:1", "trial:2",
        "phase:confirming", "phase:exporting", "end",
    ]  # fmt: skip
    assert listener.results == [result]


def test_it_runs_in_any_thread(tune: Tune) -> None:
    results: list[costmodel.TuneResult] = []
    thread = threading.Thread(target=lambda: results.append(tune(trials=2)))
    thread.start()
    thread.join()
    assert results[0].measured == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"trials": -1}, "negative"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": math.nan}, "seconds"),
        ({"threads": 10_000}, "10000"),
        ({"target": "abacus"}, "abacus"),
        ({"function": "other"}, "other"),
    ],
)
def test_options_that_cannot_be(tune: Tune, tmp_path: Path, options: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        tune(out=tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_by_the_backend_has_the_place_of_the_function(
    tune: Tune, monkeypatch: pytest.MonkeyPatch, scripted: ModuleType
) -> None:
    def refuse(self: Any, workload: Any, target: Any) -> None:
        raise UnsupportedError("too wide for this backend")

    monkeypatch.setattr(scripted.ScriptedBackend, "space", refuse)
    with pytest.raises(UnsupportedError, match="too wide") as caught:
        tune()
    assert str(caught.value.location) == "<text>:1:1"


def test_all_samples_of_a_schedule_count(tune: Tune, stored: Stored, scripted: ModuleType) -> None:
    tune(trials=6)
    for measurement in stored():
        place = json.loads(measurement.schedule.text)["place"]
        assert median(measurement.samples_us) == pytest.approx(scripted.VALLEY[place])


def test_workers_that_die_do_not_cost_what_was_measured(
    tune: Tune, stored: Stored, scripted: ModuleType, tmp_path: Path
) -> None:
    """The process that forks workers is killed from outside in the middle of the run."""

    def kill() -> None:
        for child in psutil.Process().children():
            if "forkserver" in " ".join(child.cmdline()):
                child.kill()
                child.wait()

    listener = scripted.Listener({"trial:4": kill})
    result = tune(trials=40, progress=listener, out=tmp_path / "out")
    assert any("starts workers" in problem for problem in result.problems)
    assert 5 <= result.measured < 40
    assert len(stored()) >= result.measured
    assert result.best_us is not None
    assert Path(result.artifacts["library"] or "").exists()


def test_a_store_of_another_kind_is_refused_before_anything_is_made(
    tune: Tune, tmp_path: Path
) -> None:
    store = tmp_path / "store.sqlite"
    store.write_bytes(b"no database" * 999)
    with pytest.raises(StoreError):
        tune(trials=3, out=tmp_path / "a" / "b")
    assert os.listdir(tmp_path) == ["store.sqlite"]


def test_two_runs_at_once_share_a_store(tune: Tune, stored: Stored) -> None:
    counts = []
    run = partial(tune, trials=10)
    threads = [
        threading.Thread(target=lambda seed=seed: counts.append(run(seed=seed).measured))
        for seed in (1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The one that starts later may find the other's measurements, and need fewer of its own.
    assert len(counts) == 2
    assert all(counts)
    assert sum("final" not in m.extra for m in stored()) == sum(counts)
