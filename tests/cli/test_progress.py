"""What is shown of a run while it goes: in a terminal, in a log, and not at all."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from costmodel.cli.progress import LineProgress, LiveProgress, RunState, make_listener
from costmodel.records import Outcome
from costmodel.results import Source, TrialRecord, TuneStart


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


START = TuneStart(
    workload="a" * 64, function="matmul", target="this CPU", backend="tvm", trials=10,
    seconds=None, flops=2e8, bytes=3 << 20, roofline_us=1000.0, stored=2,
)  # fmt: skip


def trial(
    index: int, latency_us: float | None = 2000.0, source: Source = "model",
    outcome: Outcome = Outcome.OK,
) -> TrialRecord:  # fmt: skip
    return TrialRecord(index, "0" * 64, outcome, latency_us, None, None, None, 1.0, source)


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, highlight=False)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_time_left_follows_the_pace_and_the_budget() -> None:
    clock = Clock()
    state = RunState(clock)
    assert state.seconds_left() is None
    state.begin(START)
    assert state.seconds_left() is None
    clock.now += 8
    state.record(trial(0), 2000.0)
    state.record(trial(1), 2000.0)
    assert state.seconds_left() == pytest.approx(32.0)  # 4 s a trial, 8 to go
    state.start = TuneStart(**{**vars(START), "seconds": 20.0})
    assert state.seconds_left() == pytest.approx(12.0)


def test_stored_trials_use_up_no_budget() -> None:
    state = RunState(Clock())
    state.begin(START)
    state.record(trial(0, source="stored"), 1500.0)
    assert (state.done, state.best_us) == (0, 1500.0)


def test_rate_is_that_of_the_best() -> None:
    state = RunState(Clock())
    assert state.rate() == "-"
    state.begin(START)
    state.record(trial(0), 2000.0)
    assert state.rate() == "100 GFLOP/s, 50% of roofline"


def test_failures_are_counted_by_kind() -> None:
    state = RunState(Clock())
    for index, outcome in enumerate((Outcome.CRASH, Outcome.RUN_TIMEOUT, Outcome.CRASH)):
        state.record(trial(index, None, outcome=outcome), None)
    assert state.failures() == "2 crash, 1 run_timeout"


def test_lines_come_at_the_interval_and_not_before() -> None:
    clock, log = Clock(), console(terminal=False)
    progress = LineProgress(log, interval=10.0, clock=clock)
    progress.on_phase("tuning")
    progress.on_start(START)
    for index in range(5):
        clock.now += 3
        progress.on_trial(trial(index), 2000.0)
    lines = written(log).splitlines()
    assert lines[:2] == [
        "costmodel: measuring",
        "costmodel: matmul: 10 trials, 2 in the store",
    ]
    assert lines[2:] == [
        "costmodel: 4/10 trials, best 2.00 ms (100 GFLOP/s, 50% of roofline), failed: none, "
        "18 s left"
    ]


def test_what_the_store_knew_is_said_only_where_it_is_known() -> None:
    log = console(terminal=False)
    LineProgress(log).on_start(replace(START, stored=None))
    assert written(log) == "costmodel: matmul: 10 trials\n"


def test_the_live_display_shows_all_of_it() -> None:
    clock, terminal = Clock(), console(terminal=True)
    with LiveProgress(terminal, clock=clock) as progress:
        progress.on_phase("tuning")
        progress.on_start(START)
        clock.now += 6
        progress.on_trial(trial(0), 2000.0)
        progress.on_trial(trial(1, None, outcome=Outcome.WRONG_RESULT), 2000.0)
        terminal.print(progress)
    shown = written(terminal)
    for part in ("matmul", "measuring", "2/10", "2.00 ms", "100 GFLOP/s", "1 wrong_result", "24 s"):
        assert part in shown, part


def test_the_display_goes_away_when_the_run_fails() -> None:
    terminal = console(terminal=True)

    def fail() -> None:
        with make_listener(silent=False, console=terminal) as listener:
            assert isinstance(listener, LiveProgress)
            listener.on_start(START)
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        fail()
    assert written(terminal).count("\x1b[?25l") == written(terminal).count("\x1b[?25h") == 1


def test_the_listener_suits_where_it_writes() -> None:
    with make_listener(silent=False, console=console(terminal=False)) as listener:
        assert isinstance(listener, LineProgress)
    with make_listener(silent=True, console=console(terminal=True)) as listener:
        assert listener is None
