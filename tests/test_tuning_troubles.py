"""Tuning when the store, the disk or the candidates fail: nothing measured is lost."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import costmodel
from costmodel.backends.registry import BACKENDS
from costmodel.errors import StoreLockedError, StoreVersionError
from costmodel.records import Measurement, Outcome, Schedule
from costmodel.store import open_store
from costmodel.store.transfer import import_file

Tune = Callable[..., costmodel.TuneResult]
Stored = Callable[..., list[Measurement]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits half a second for a locked store, where a user's run waits half a minute."""
    monkeypatch.setattr("costmodel.tuning.open_store", partial(open_store, wait_s=0.5))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the store as another process would that hangs in the middle of writing."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def recovered(store: Path, folder: Path) -> set[str]:
    """Schedules in the store and in the rescue files beside it, taken together."""
    files = list(folder.rglob("costmodel-rescue-*.jsonl"))
    with open_store(store) as opened:
        for file in files:
            import_file(opened, file)
        assert opened.verify() == []
        return {one.schedule.hash for one in opened.measurements()}


def test_a_store_that_stays_locked_is_refused_at_the_start(tune: Tune, tmp_path: Path) -> None:
    tune(trials=1)
    with locked(tmp_path / "store.sqlite"), pytest.raises(StoreLockedError, match="another"):
        tune(trials=2, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_lock_that_goes_away_costs_a_note(
    tune: Tune, stored: Stored, scripted: ModuleType, tmp_path: Path
) -> None:
    lock = locked(tmp_path / "store.sqlite")
    listener = scripted.Listener(
        {
            "trial:1": lock.__enter__,
            "phase:exporting": lambda: lock.__exit__(None, None, None),
        }
    )
    result = tune(trials=6, progress=listener, out=tmp_path / "out")
    assert result.problems == ()
    assert any("everything is stored by now" in note for note in result.notes)
    assert {t.schedule_hash for t in result.history} == {m.schedule.hash for m in stored()}


def test_a_lock_that_stays_costs_a_message_and_no_measurement(
    tune: Tune, scripted: ModuleType, tmp_path: Path
) -> None:
    store, out = tmp_path / "store.sqlite", tmp_path / "out"
    lock = locked(store)
    listener = scripted.Listener({"trial:1": lock.__enter__})
    result = tune(trials=6, progress=listener, out=out)
    lock.__exit__(None, None, None)
    assert result.best_us is not None
    assert Path(result.artifacts["library"] or "").exists()
    (problem,) = result.problems
    assert "measurements are not in the store" in problem
    assert "costmodel cache import" in problem
    assert recovered(store, out) == {trial.schedule_hash for trial in result.history}


def limit_files(size: int) -> None:
    """A full disk for this process alone: no file may grow past ``size`` bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.fixture
def lift_limit() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("lift_limit")
def test_a_disk_that_fills_up_while_measuring(
    tune: Tune, scripted: ModuleType, tmp_path: Path
) -> None:
    store, out = tmp_path / "store.sqlite", tmp_path / "out"

    def fill() -> None:
        limit_files(max(file.stat().st_size for file in tmp_path.glob("store.sqlite*")))

    no_limit = partial(limit_files, resource.RLIM_INFINITY)
    listener = scripted.Listener({"trial:3": fill, "end": no_limit})
    result = tune(trials=20, progress=listener, out=out)
    assert result.measured == 20
    assert result.best_us is not None
    assert any("cannot grow" in problem for problem in result.problems)
    assert recovered(store, out) == {trial.schedule_hash for trial in result.history}


@pytest.mark.usefixtures("lift_limit")
def test_a_disk_that_is_full_when_files_are_written(
    tune: Tune, stored: Stored, scripted: ModuleType, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    listener = scripted.Listener(
        {
            "phase:exporting": partial(limit_files, 10),
            "end": partial(limit_files, resource.RLIM_INFINITY),
        }
    )
    result = tune(trials=4, progress=listener, out=out)
    assert result.best_us is not None
    for name in ("kernel.so", "schedule.json", "search.png", "report.json"):
        assert any(name in problem for problem in result.problems), name
    assert not any(result.artifacts.values())
    assert not out.exists()
    assert len({one.schedule.hash for one in stored()}) == 4


def test_a_store_of_a_newer_version_stays_as_it_is(tune: Tune, tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    tune(trials=1)
    with sqlite3.connect(store) as other:
        other.execute("PRAGMA user_version = 999")
    other.close()
    content = store.read_bytes()
    for trials in (0, 3):
        with pytest.raises(StoreVersionError, match="999"):
            tune(trials=trials)
    assert store.read_bytes() == content


def test_a_bad_row_is_a_miss_with_a_warning(tune: Tune, tmp_path: Path) -> None:
    tune(trials=4)
    other = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    other.execute("UPDATE measurements SET samples = 'no samples' WHERE seq = 2")
    other.close()
    with pytest.warns(UserWarning, match="left out"):
        result = tune(trials=0)
    assert result.best_us is not None


#: What each kind of candidate of the C backend does, and how it has to end.
FAULTS = {
    "fast": Outcome.OK,
    "slow": Outcome.OK,
    "segfault": Outcome.CRASH,
    "abort": Outcome.CRASH,
    "exit": Outcome.CRASH,
    "hang": Outcome.RUN_TIMEOUT,
    "allocate": Outcome.OUT_OF_MEMORY,
    "wrong": Outcome.WRONG_RESULT,
    "unwritten": Outcome.WRONG_RESULT,
    "uncompilable": Outcome.BUILD_ERROR,
    "build_crash": Outcome.CRASH,
    "invalid": Outcome.INVALID_SCHEDULE,
}


@pytest.fixture
def c_space(
    load_picklable: Callable[[Path, str], ModuleType],
    scripted: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:
    """The C backend of tests/measure with one schedule of each kind in its space."""
    path = Path(__file__).parent / "measure" / "c_backend.py"
    c = load_picklable(path, "faulty_c_backend")

    def space(self: Any, workload: Any, target: Any) -> Any:
        listed = tuple(c.schedule(kind, n) for n, kind in enumerate(FAULTS))
        return scripted.ListedSpace((c.schedule("slow", -1), *listed), "faults-1")

    monkeypatch.setattr(c.CBackend, "space", space)
    monkeypatch.setitem(BACKENDS, "c", c.CBackend)
    return c


def test_candidates_that_fail_in_every_way(
    c_space: ModuleType, stored: Stored, tmp_path: Path
) -> None:
    """One in each way, in one run; each is stored with what became of it."""
    result = costmodel.tune(
        c_space.MATMUL,
        backend="c",
        trials=len(FAULTS) + 1,
        store=tmp_path / "store.sqlite",
        out=tmp_path / "out",
        threads=1,
    )
    outcomes = {
        c_space.kind_of(one.schedule): one.outcome
        for one in stored()
        if one.schedule != c_space.schedule("slow", -1)
    }
    assert outcomes == FAULTS
    assert sum(result.failed.values()) == len(FAULTS) - 2
    assert result.schedule == {"kind": "fast", "number": 0}
    assert result.speedup is not None
    assert result.speedup > 1
    assert Path(result.artifacts["library"] or "").exists()
    fast = Schedule("c", c_space.schedule("fast").text)
    assert all(one.error for one in stored() if not one.ok and one.schedule != fast)
