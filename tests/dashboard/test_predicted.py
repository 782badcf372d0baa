"""The trained model of the package, asked as a page asks it: in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from costmodel.dashboard import predicted
from costmodel.dashboard.comparing import Compared, compare
from costmodel.dashboard.predicted import Model, Predicted
from costmodel.models.shipped import WEIGHTS_VARIABLE
from costmodel.records import Schedule
from tests.dashboard.realistic import MATMUL, TARGET, iree, measured


def ask(model: Model, compared: Sequence[Compared]) -> Predicted:
    async def asking() -> Predicted:
        found = await model.ask("now", MATMUL, TARGET, compared, patience_s=120)
        again = await model.ask("now", MATMUL, TARGET, compared, patience_s=0)
        assert found is not None
        assert again is found  # of one state it is asked once
        return found

    try:
        return asyncio.run(asking())
    finally:
        model.close()


def compared(*schedules: Schedule) -> list[Compared]:
    return compare([
        measured(MATMUL, TARGET, one, float(n), (1000.0 + n,) * 5)
        for n, one in enumerate(schedules)
    ])  # fmt: skip


def test_it_predicts_stored_schedules_and_skips_what_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    default, none = Schedule("iree", '{"kind": "default"}'), Schedule("iree", "<script>")
    found = ask(Model(None), compared(default, iree(64, 128, 8), iree(8, 64, 1), none))
    assert found.asked == 4
    assert [point.measured_us for point in found.points] == [1000.0, 1001.0, 1002.0]
    for point in found.points:
        assert 0 < point.low_us <= point.predicted_us <= point.high_us
        # It knows this kernel: within a factor of ten of what such machines take.
        assert 100 < point.predicted_us < 20_000
    assert len({point.predicted_us for point in found.points}) == 3
    assert found.spearman is not None
    assert found.typical_factor is not None
    assert 0 <= found.covered <= 3


def test_without_correct_schedules_it_is_not_asked() -> None:
    found = ask(Model(None), [])
    assert found.note == "no schedule has been measured with success"


def test_what_takes_too_long_is_a_note() -> None:
    found = ask(Model(None, timeout_s=0.01), compared(iree(8, 64, 1)))
    assert (found.points, found.asked) == ((), 1)
    assert found.note == "the trained model was asked for 0.01 s and gave no answer"


def test_a_process_that_dies_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predicted, "_MEMORY", 1 << 20)
    found = ask(Model(None), compared(iree(8, 64, 1)))
    assert found.points == ()
    assert "the process that asks the trained model ended on this workload" in found.note


def test_after_a_failure_it_is_asked_again_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    model, asked = Model(None, timeout_s=0.01), compared(iree(8, 64, 1))

    async def asking() -> tuple[Predicted | None, ...]:
        first = await model.ask("now", MATMUL, TARGET, asked, patience_s=120)
        again = await model.ask("now", MATMUL, TARGET, asked, patience_s=120)
        monkeypatch.setattr(predicted, "_PAUSE_S", 0.0)
        model._child._timeout_s = 120
        return first, again, await model.ask("now", MATMUL, TARGET, asked, patience_s=120)

    try:
        first, again, last = asyncio.run(asking())
    finally:
        model.close()
    assert first is again is not None
    assert first.failed
    assert last is not None
    assert len(last.points) == 1
