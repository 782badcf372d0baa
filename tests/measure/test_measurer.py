"""The measurer against a backend whose candidates do what candidates do at their worst."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from costmodel.errors import BackendError, MeasureError, UsageError
from costmodel.measure import measurer as measurer_module
from costmodel.measure.cores import usable_cores
from costmodel.measure.measurer import Measurer
from costmodel.measure.timing import is_win, paired_ratio
from costmodel.records import Outcome, Schedule, Target, TimingPolicy, Workload

Make = Callable[..., Measurer]

#: Every kind of fault, what it has to be called, and a word that its message has to hold.
FAULTS = [
    ("segfault", Outcome.CRASH, "SIGSEGV"),
    ("abort", Outcome.CRASH, "SIGABRT"),
    ("exit", Outcome.CRASH, "status 3"),
    ("late_segfault", Outcome.CRASH, "timing"),
    ("hang", Outcome.RUN_TIMEOUT, "the checked run"),
    ("allocate", Outcome.OUT_OF_MEMORY, "Cannot allocate"),
    ("wrong", Outcome.WRONG_RESULT, "[5, 7]"),
    ("unwritten", Outcome.WRONG_RESULT, "nan"),
    ("uncompilable", Outcome.BUILD_ERROR, "error"),
    ("invalid", Outcome.INVALID_SCHEDULE, "tile of 7"),
    ("surprise", Outcome.BUILD_ERROR, "KeyError"),
    ("build_crash", Outcome.CRASH, "SIGSEGV"),
    ("build_exit", Outcome.CRASH, "status 7"),
    ("build_hang", Outcome.BUILD_TIMEOUT, "building"),
    ("build_allocate", Outcome.OUT_OF_MEMORY, "MemoryError"),
]


@pytest.fixture(params=[1, len(usable_cores())], ids=["overlapping", "taking turns"])
def threads(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_every_fault_is_one_outcome_and_the_run_goes_on(
    c: ModuleType, make_measurer: Make, threads: int
) -> None:
    policy = TimingPolicy(
        max_samples=5, budget_s=0.05, build_timeout_s=3.0, run_timeout_s=2.0, memory_bytes=384 << 20
    )
    measurer = make_measurer(threads=threads, policy=policy)
    schedules: list[Schedule] = []
    for number, (kind, _, _) in enumerate(FAULTS):
        schedules += [c.schedule(kind), c.schedule("fast", number)]
    results = {item.schedule: item for item in measurer.measure(schedules)}
    assert results.keys() == set(schedules)
    for kind, outcome, word in FAULTS:
        failure = results[c.schedule(kind)]
        assert failure.outcome is outcome, failure.error
        assert word in failure.error
        assert failure.latency_us == math.inf
    for number in range(len(FAULTS)):
        good = results[c.schedule("fast", number)]
        assert good.outcome is Outcome.OK, good.error
        assert good.samples_us
        assert good.max_error is not None
        assert good.build_seconds > 0
        assert good.key != results[c.schedule("segfault")].key
    strays = [child.name() for child in psutil.Process().children(recursive=True)]
    assert "sleep" not in strays


def test_memory_limit_is_seen_behind_a_crash(c: ModuleType, make_measurer: Make) -> None:
    policy = TimingPolicy(budget_s=0.05, run_timeout_s=60.0, memory_bytes=256 << 20)
    (starved,) = make_measurer(policy=policy).measure([c.schedule("touch")])
    assert starved.outcome is Outcome.OUT_OF_MEMORY
    assert "SIGSEGV" in starved.error
    assert "256 MiB" in starved.error


def test_hopeless_candidate_is_sampled_once(c: ModuleType, make_measurer: Make) -> None:
    measurer = make_measurer()
    (fast,) = measurer.measure([c.schedule("fast")])
    (slow,) = measurer.measure([c.schedule("slow")])
    assert slow.ok
    assert slow.latency_us > 10 * fast.latency_us
    assert len(fast.samples_us) > len(slow.samples_us) == 1
    assert slow.extra["gave_up"]
    assert not fast.extra["gave_up"]


def test_damage_done_by_one_candidate_is_not_blamed_on_the_next(
    c: ModuleType, make_measurer: Make
) -> None:
    measurer = make_measurer(builders=1)
    kinds = ["damage", "victim", "fast"]
    results = list(measurer.measure([c.schedule(kind) for kind in kinds]))
    assert [item.outcome for item in results] == [Outcome.OK] * 3


def test_worker_killed_from_outside_costs_nothing(
    c: ModuleType, make_measurer: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    measurer = make_measurer()
    results = list(measurer.measure([c.schedule("suicide_once"), c.schedule("fast")]))
    assert (tmp_path / "mark").exists()
    assert {item.outcome for item in results} == {Outcome.OK}


def test_idle_workers_killed_from_outside_are_replaced(c: ModuleType, make_measurer: Make) -> None:
    measurer = make_measurer()
    assert [item.ok for item in measurer.measure([c.schedule("fast")])] == [True]
    (host,) = psutil.Process().children()
    workers = host.children()
    assert len(workers) >= 2
    for worker in workers:
        worker.kill()
    assert [item.ok for item in measurer.measure([c.schedule("fast", 1)])] == [True]


def test_host_killed_from_outside_is_an_error_with_a_hint(
    c: ModuleType, make_measurer: Make
) -> None:
    measurer = make_measurer()
    list(measurer.measure([c.schedule("fast")]))
    (host,) = psutil.Process().children()
    workers = host.children()
    host.kill()
    psutil.wait_procs(workers, timeout=30)
    with pytest.raises(MeasureError, match="starts workers"):
        list(measurer.measure([c.schedule("fast", 1)]))
    assert not any(worker.is_running() for worker in workers)


def test_full_disk_ends_the_run_after_what_was_measured(c: ModuleType, make_measurer: Make) -> None:
    measurer = make_measurer(builders=1)
    seen = list(measurer.measure([c.schedule("fast")]))
    with pytest.raises(MeasureError, match="No space left"):
        seen.extend(measurer.measure([c.schedule("disk_full")]))
    seen += measurer.finished()
    assert [item.ok for item in seen] == [True]
    assert [item.ok for item in measurer.measure([c.schedule("fast", 1)])] == [True]


def test_process_that_fled_its_group_ends_with_the_candidate(
    c: ModuleType, make_measurer: Make
) -> None:
    measurer = make_measurer()
    results = list(measurer.measure([c.schedule("stray"), c.schedule("fast")]))
    assert sorted(item.outcome for item in results) == [Outcome.OK, Outcome.RUN_TIMEOUT]
    left = [child.cmdline() for child in psutil.Process().children(recursive=True)]
    assert ["sleep", "987"] not in left


def test_stopping_early_leaves_the_measurer_usable(c: ModuleType, make_measurer: Make) -> None:
    measurer = make_measurer()
    stream = measurer.measure([c.schedule("fast", number) for number in range(6)])
    first = next(stream)
    stream.close()
    assert first.ok
    (again,) = measurer.measure([c.schedule("fast", 7)])
    assert again.ok
    assert measurer.library(first.schedule).exists()
    assert measurer.library(c.schedule("fast", 8)).exists()


def test_library_of_a_bad_schedule_says_why(c: ModuleType, make_measurer: Make) -> None:
    with pytest.raises(BackendError, match="build_error"):
        make_measurer().library(c.schedule("uncompilable"))


def test_reference_is_iree(make_measurer: Make) -> None:
    info = make_measurer().prepare_reference()
    assert info.compiler == "iree"
    assert info.fallback_reason == ""
    assert not info.positive_inputs


def test_reference_falls_back_to_the_untuned_default(c: ModuleType, make_measurer: Make) -> None:
    workload = replace(c.WORKLOAD, text="module { this is not MLIR }")
    measurer = make_measurer(workload=workload)
    info = measurer.prepare_reference()
    assert info.compiler == "c (untuned)"
    assert "error" in info.fallback_reason
    kinds = ["fast", "wrong"]
    results = list(measurer.measure([c.schedule(kind) for kind in kinds]))
    assert {item.outcome for item in results} == {Outcome.OK, Outcome.WRONG_RESULT}
    assert measurer.compare([c.schedule("fast")], rounds=3).reference_us == ()


def test_function_without_values_on_negative_inputs_gets_positive_ones(
    c: ModuleType, make_measurer: Make
) -> None:
    root = c.MATMUL.replace("return %c", "%d = math.sqrt %a : tensor<64x64xf32>\n    return %d")
    workload = Workload(root, "main", c.WORKLOAD.inputs, c.WORKLOAD.outputs)
    info = make_measurer(workload=workload).prepare_reference()
    assert info.compiler == "iree"
    assert info.positive_inputs


def test_comparison_knows_its_noise(c: ModuleType, make_measurer: Make) -> None:
    measurer = make_measurer()
    slow, fast, crash = c.schedule("slow"), c.schedule("fast"), c.schedule("segfault")
    comparison = measurer.compare([slow, fast, crash], rounds=7)
    assert len(comparison.twin_us) == len(comparison.reference_us) == 7
    assert comparison.yardstick == slow
    assert set(comparison.samples_us) == {slow.hash, fast.hash}
    baseline = comparison.samples_us[slow.hash]
    assert is_win(comparison.samples_us[fast.hash], baseline, comparison.noise)
    assert comparison.failed[crash.hash].outcome is Outcome.CRASH
    assert "SIGSEGV" in comparison.failed[crash.hash].message
    assert comparison.noise >= 0
    assert paired_ratio(baseline, comparison.reference_us).value > 1


def test_the_first_that_survives_is_the_yardstick(c: ModuleType, make_measurer: Make) -> None:
    measurer = make_measurer()
    crash, broken, fast = (c.schedule(kind) for kind in ("abort", "uncompilable", "fast"))
    comparison = measurer.compare([crash, broken, fast], rounds=2)
    assert comparison.yardstick == fast
    assert len(comparison.twin_us) == len(comparison.samples_us[fast.hash]) == 2
    outcomes = {hash: failure.outcome for hash, failure in comparison.failed.items()}
    assert outcomes == {crash.hash: Outcome.CRASH, broken.hash: Outcome.BUILD_ERROR}


def test_a_comparison_of_nothing_that_runs_has_no_samples(
    c: ModuleType, make_measurer: Make
) -> None:
    crash = c.schedule("abort")
    comparison = make_measurer().compare([crash], rounds=2)
    assert comparison.yardstick is None
    assert not comparison.samples_us
    assert comparison.noise == math.inf
    assert set(comparison.failed) == {crash.hash}


def test_what_cannot_be_asked(make_measurer: Make) -> None:
    with pytest.raises(UsageError, match="usable cores"):
        make_measurer(threads=len(usable_cores()) + 1)
    with pytest.raises(UsageError, match="at least one"):
        make_measurer().compare([], rounds=1)


def test_slow_libraries_make_room_for_faster_ones(
    c: ModuleType, make_measurer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurer_module, "_KEPT_LIBRARIES", 1)
    measurer = make_measurer()
    results = list(
        measurer.measure([c.schedule("slow"), c.schedule("fast"), c.schedule("fast", 1)])
    )
    folder = measurer.library(min(results, key=lambda item: item.latency_us).schedule).parent
    assert len(list(folder.glob("*.so"))) == 1


def test_compiler_is_loaded_once_and_before_any_thread(c: ModuleType, make_measurer: Make) -> None:
    class Backend(c.CBackend):  # type: ignore[name-defined, misc]
        worker_modules = ("tvm",)

        def load(self, library: Path, workload: Workload, target: Target) -> object:
            assert "tvm" in sys.modules
            return super().load(library, workload, target)

    measurer = make_measurer(backend=Backend())
    assert [item.error for item in measurer.measure([c.schedule("fast")])] == [""]
    (host,) = psutil.Process().children()
    # A fork copies only the thread that forks: with others, locks could stay taken for ever.
    assert host.num_threads() == 1


def test_module_that_cannot_be_loaded_is_named(c: ModuleType, make_measurer: Make) -> None:
    class Backend(c.CBackend):  # type: ignore[name-defined, misc]
        worker_modules = ("no_such_module_anywhere",)

    with pytest.raises(MeasureError, match="no_such_module_anywhere"):
        make_measurer(backend=Backend()).prepare_reference()


def test_finalists_and_winners_are_checked_on_several_inputs(
    c: ModuleType, make_measurer: Make
) -> None:
    """A schedule may come from a store that others share, and one input does not show all."""
    measurer = make_measurer()
    good, moody, wrong = (c.schedule(kind) for kind in ("fast", "moody", "wrong"))
    (measured,) = measurer.measure([moody])
    assert measured.ok
    comparison = measurer.compare([good, moody, wrong], rounds=3)
    assert set(comparison.samples_us) == {good.hash}
    for schedule in (moody, wrong):
        assert comparison.failed[schedule.hash].outcome is Outcome.WRONG_RESULT
        with pytest.raises(BackendError, match="wrong_result"):
            measurer.verify(schedule)
    measurer.verify(good)
