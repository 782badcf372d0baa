"""What a run does with measurements that the store refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import costmodel
from costmodel.errors import StoreError
from costmodel.records import Measurement
from costmodel.store.connection import Connection

Tune = Callable[..., costmodel.TuneResult]
Stored = Callable[..., list[Measurement]]


@pytest.fixture
def cut_off(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Begins to refuse every write, with an error that has no kind of its own."""

    def refuse(self: Connection) -> None:
        raise StoreError("the store failed: disk I/O error")

    return lambda: monkeypatch.setattr(Connection, "transaction", refuse)


def test_any_trouble_that_is_over_at_the_end_costs_a_note(
    tune: Tune,
    stored: Stored,
    scripted: ModuleType,
    cut_off: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    healthy = Connection.transaction
    mend = lambda: monkeypatch.setattr(Connection, "transaction", healthy)  # noqa: E731
    listener = scripted.Listener({"trial:1": cut_off, "phase:exporting": mend})
    result = tune(trials=6, progress=listener, out=tmp_path / "out")
    assert result.problems == ()
    assert any("everything is stored by now" in note for note in result.notes)
    assert {t.schedule_hash for t in result.history} == {m.schedule.hash for m in stored()}


def test_what_stays_refused_is_counted_and_put_elsewhere_once(
    tune: Tune, scripted: ModuleType, cut_off: Callable[[], None], tmp_path: Path
) -> None:
    listener = scripted.Listener({"trial:1": cut_off})
    result = tune(trials=6, progress=listener, out=tmp_path / "out")
    (problem,) = result.problems
    lines = [
        line
        for file in (tmp_path / "out").glob("costmodel-rescue-*.jsonl")
        for line in file.read_text().splitlines()
        if '"type":"measurement"' in line
    ]
    assert len(lines) == len(set(lines)) > 0
    assert problem.startswith(f"{len(lines)} measurements are not in the store: ")
    assert f"{len(lines)} of {len(lines)} measurements were put in" in problem
