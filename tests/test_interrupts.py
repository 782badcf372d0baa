"""Ctrl-C at every moment of a run: what was measured is kept, and the best is still written.

SIGTERM and SIGHUP, sent by a command line's user, do the same.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import psutil
import pytest

import costmodel
from costmodel.interrupts import Interrupts, interrupt_on_endings, uninterrupted
from costmodel.records import Measurement

pytestmark = pytest.mark.usefixtures("interruptible")

Tune = Callable[..., costmodel.TuneResult]
Stored = Callable[..., list[Measurement]]


def press() -> None:
    """Ctrl-C, here and now."""
    signal.raise_signal(signal.SIGINT)


def nothing_is_left_running() -> bool:
    """But for the reader of MLIR, which lives as long as this process."""
    children = psutil.Process().children(recursive=True)
    return all("costmodel.ir.child" in " ".join(child.cmdline()) for child in children)


@pytest.mark.parametrize("moment", ["phase:reading", "phase:space"])
def test_before_anything_is_made_it_leaves_nothing(
    tune: Tune, scripted: ModuleType, tmp_path: Path, moment: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        tune(progress=scripted.Listener({moment: press}), out=tmp_path / "out")
    assert os.listdir(tmp_path) == []


def test_before_the_first_trial(tune: Tune, scripted: ModuleType, tmp_path: Path) -> None:
    listener = scripted.Listener({"phase:tuning": press})
    result = tune(progress=listener, out=tmp_path / "out")
    assert result.interrupted
    assert (result.measured, result.best_us) == (0, None)
    assert listener.results == [result]


@pytest.mark.parametrize("moment", ["trial:0", "trial:3", "trial:17", "phase:confirming"])
def test_in_the_midst_it_keeps_all_and_writes_the_best(
    tune: Tune, stored: Stored, scripted: ModuleType, tmp_path: Path, moment: str
) -> None:
    result = tune(trials=20, progress=scripted.Listener({moment: press}), out=tmp_path / "out")
    assert result.interrupted
    assert result.best_us == min(t.latency_us for t in result.history if t.latency_us)
    assert Path(result.artifacts["library"] or "").stat().st_size > 0
    assert '"interrupted": true' in Path(result.artifacts["report"] or "").read_text()
    kept = {one.schedule.hash for one in stored()}
    assert {trial.schedule_hash for trial in result.history} <= kept
    assert nothing_is_left_running()


def test_while_files_are_written_it_waits(tune: Tune, scripted: ModuleType, tmp_path: Path) -> None:
    listener = scripted.Listener({"phase:exporting": press})
    result = tune(trials=3, progress=listener, out=tmp_path / "out")
    assert result.interrupted
    assert all(Path(path or "").exists() for path in result.artifacts.values())
    assert len(result.artifacts) == 5


@pytest.mark.parametrize("first", ["trial:2", "phase:confirming", "phase:exporting"])
def test_a_second_one_ends_it_and_loses_nothing(
    tune: Tune, stored: Stored, scripted: ModuleType, tmp_path: Path, first: str
) -> None:
    def twice() -> None:
        press()
        press()

    presses = {first: twice} if first == "phase:exporting" else {first: press}
    listener = scripted.Listener({"phase:exporting": press} | presses)
    with pytest.raises(KeyboardInterrupt):
        tune(trials=5, progress=listener, out=tmp_path / "out")
    trials = [heard for heard in listener.heard if heard.startswith("trial:")]
    assert len({one.schedule.hash for one in stored()}) >= len(trials) > 0
    assert nothing_is_left_running()


def test_the_program_has_its_own_handler_back(tune: Tune) -> None:
    tune(trials=1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_program_that_handles_interrupts_goes_on_doing_so() -> None:
    caught = []
    signal.signal(signal.SIGINT, lambda *_: caught.append(1))
    with Interrupts() as interrupts:
        interrupts.defer()
        press()
    assert (caught, interrupts.seen) == ([1], False)


def test_what_was_deferred_comes_when_it_may() -> None:
    with Interrupts() as interrupts:
        interrupts.defer()
        press()
        with pytest.raises(KeyboardInterrupt):
            interrupts.resume()


ENDINGS = pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])


@pytest.fixture
def endings() -> Iterator[None]:
    """SIGTERM and SIGHUP as the command line has them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, signal.SIG_DFL)
    interrupt_on_endings()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("endings")
@ENDINGS
@pytest.mark.parametrize("moment", ["trial:3", "phase:exporting"])
def test_an_ending_is_one_interrupt_however_often_it_is_sent(
    tune: Tune, scripted: ModuleType, tmp_path: Path, ending: signal.Signals, moment: str
) -> None:
    def send() -> None:
        try:
            signal.raise_signal(ending)
        finally:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGHUP)

    listener = scripted.Listener({moment: send})
    result = tune(trials=5, progress=listener, out=tmp_path / "out")
    assert result.interrupted
    assert Path(result.artifacts["library"] or "").stat().st_size > 0
    assert nothing_is_left_running()


@pytest.mark.usefixtures("endings")
@ENDINGS
def test_an_ending_counts_where_a_shell_has_interrupts_ignored(ending: signal.Signals) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interrupts() as interrupts:
        interrupts.defer()
        signal.raise_signal(ending)
        assert interrupts.seen


@pytest.mark.usefixtures("endings")
@ENDINGS
def test_outside_of_a_run_an_ending_is_an_interrupt(ending: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(ending)
    signal.raise_signal(ending)


@pytest.mark.usefixtures("endings")
def test_after_an_ending_a_second_interrupt_acts_at_once() -> None:
    with Interrupts() as interrupts:
        interrupts.defer()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            press()


@pytest.mark.usefixtures("endings")
def test_what_is_ignored_stays_ignored() -> None:
    """As ``nohup`` asks it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupt_on_endings()
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGHUP)
        assert not interrupts.seen
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.usefixtures("endings")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_import_is_ended_first(number: signal.Signals) -> None:
    ended = []

    def load() -> None:
        with uninterrupted():
            signal.raise_signal(number)
            ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        load()
    assert ended
    with uninterrupted():
        pass
    with pytest.raises(KeyboardInterrupt):
        press()


def test_one_that_a_library_drops_ends_the_search_all_the_same(
    tune: Tune, scripted: ModuleType, tmp_path: Path
) -> None:
    def press_in_vain() -> None:
        with suppress(KeyboardInterrupt):
            press()

    listener = scripted.Listener({"trial:3": press_in_vain})
    result = tune(trials=20, progress=listener, out=tmp_path / "out")
    assert result.interrupted
    assert 4 <= result.measured < 20
