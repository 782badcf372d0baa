"""Progress on stderr: a live display in a terminal, a line now and then elsewhere, or nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from costmodel.cli.output import duration, latency, number
from costmodel.cli.tables import summarize_failures
from costmodel.results import ProgressListener, TrialRecord, TuneResult, TuneStart

__all__ = ["LineProgress", "LiveProgress", "RunState", "make_listener"]

#: Seconds between two lines where there is no terminal.
LINE_INTERVAL = 10.0

PHASES = {
    "away": "waiting for the oracle, which does not answer",
    "reading": "reading the kernel",
    "space": "building the search space",
    "flags": "measuring sets of flags",
    "splitting": "splitting the model into dispatches",
    "tuning": "measuring",
    "confirming": "measuring the winner again, beside the default",
    "exporting": "writing the result",
}


@contextmanager
def make_listener(
    *, silent: bool, console: Console | None = None
) -> Iterator[ProgressListener | None]:
    """The listener that suits stderr; its display is taken down on the way out."""
    if silent:
        yield None
        return
    console = console or Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield LineProgress(console)
        return
    live = LiveProgress(console)
    with live:
        yield live


@dataclass
class RunState:
    """What there is to show of a run, kept apart from how it is shown."""

    clock: Callable[[], float] = time.monotonic
    phase: str = "starting"
    start: TuneStart | None = None
    began: float = 0.0
    done: int = 0
    best_us: float | None = None
    failed: Counter[str] = field(default_factory=Counter)

    def begin(self, start: TuneStart) -> None:
        self.start = start
        self.began = self.clock()

    def record(self, trial: TrialRecord, best_us: float | None) -> None:
        """Stored trials are known, not made: they use up none of the budget."""
        self.best_us = best_us
        if trial.source == "stored":
            return
        self.done += 1
        if not trial.ok:
            self.failed[str(trial.outcome)] += 1

    def seconds_left(self) -> float | None:
        """By the pace so far, but never past the time budget; None while it cannot be told."""
        if self.start is None:
            return None
        elapsed = self.clock() - self.began
        bounds = []
        if self.done:
            bounds.append(elapsed / self.done * max(0, self.start.trials - self.done))
        if self.start.seconds is not None:
            bounds.append(max(0.0, self.start.seconds - elapsed))
        return min(bounds) if bounds else None

    def rate(self) -> str:
        """GFLOP/s of the best so far and its share of the machine's roofline."""
        if self.start is None or not self.best_us:
            return "-"
        gflops = self.start.flops / self.best_us * 1e-3
        return f"{number(gflops)} GFLOP/s, {self.start.roofline_us / self.best_us:.0%} of roofline"

    def failures(self) -> str:
        return summarize_failures(self.failed.items()) or "none"

    def left(self) -> str:
        seconds = self.seconds_left()
        return "-" if seconds is None else duration(seconds)


class LineProgress:
    """One line when a phase begins, and one every ``interval`` seconds while trials run."""

    def __init__(
        self,
        console: Console,
        *,
        interval: float = LINE_INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._interval = interval
        self._clock = clock
        self._state = RunState(clock)
        self._printed = clock()

    def on_phase(self, name: str) -> None:
        self._print(PHASES.get(name, name))

    def on_start(self, start: TuneStart) -> None:
        self._state.begin(start)
        known = "" if start.stored is None else f", {start.stored} in the store"
        self._print(f"{start.function}: {start.trials} trials{known}")

    def on_trial(self, trial: TrialRecord, best_us: float | None) -> None:
        self._state.record(trial, best_us)
        if self._clock() - self._printed < self._interval:
            return
        state = self._state
        total = state.start.trials if state.start else "?"
        self._print(
            f"{state.done}/{total} trials, best {latency(state.best_us)} ({state.rate()}), "
            f"failed: {state.failures()}, {state.left()} left"
        )

    def on_end(self, result: TuneResult) -> None:
        self._print(f"done: {result.measured} measured in {duration(result.seconds)}")

    def _print(self, text: str) -> None:
        self._printed = self._clock()
        self._console.print(f"costmodel: {text}", soft_wrap=True, markup=False)


class LiveProgress:
    """A bar over the trials and the run's figures, redrawn in place; a context manager."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._state = RunState(clock)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            console=console,
            expand=True,
        )
        self._task = self._bar.add_task("trials", total=None)
        self._live = Live(
            get_renderable=self.__rich__, console=console, transient=True, refresh_per_second=4
        )

    def __enter__(self) -> LiveProgress:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def on_phase(self, name: str) -> None:
        self._state.phase = PHASES.get(name, name)

    def on_start(self, start: TuneStart) -> None:
        self._state.begin(start)
        self._bar.update(self._task, total=start.trials)

    def on_trial(self, trial: TrialRecord, best_us: float | None) -> None:
        self._state.record(trial, best_us)
        self._bar.update(self._task, completed=self._state.done)

    def on_end(self, result: TuneResult) -> None:
        self._live.stop()

    def __rich__(self) -> Group:
        state = self._state
        rows = Table.grid(padding=(0, 2))
        name = state.start.function if state.start else ""
        rows.add_row(Text(name, style="bold"), Text(state.phase))
        rows.add_row("best", Text(f"{latency(state.best_us)}  {state.rate()}", style="green"))
        rows.add_row("failed", Text(state.failures(), style="red" if state.failed else ""))
        rows.add_row("time left", Text(state.left()))
        return Group(rows, self._bar)
