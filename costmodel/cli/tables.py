"""The tables that commands print on stdout. Paths are never cut: they are there to be copied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from costmodel.cli.output import (
    counted,
    duration,
    latency,
    number,
    print_wide,
    quantity,
    table_console,
)
from costmodel.model_results import DispatchRecord, ModelResult
from costmodel.results import BackendResult, PredictResult, RankResult, TuneResult

if TYPE_CHECKING:
    from costmodel.oracle.replies import TuneRun

__all__ = [
    "print_model", "print_predict", "print_rank", "print_runs", "print_tune", "summarize_failures",
]  # fmt: skip

Rows = Iterable[tuple[str, str]]


def print_tune(result: TuneResult) -> None:
    """Untuned latency, best, noise, speed-up; then where the files are and what to know."""
    console = table_console()
    _print_heading(console, result)
    rows = [
        (_untuned(result), latency(result.baseline_us)),
        ("tuned", latency(result.best_us)),
        ("noise", f"± {latency(result.noise_us)}"),
        ("speed-up", f"{number(result.speedup)} x"),
        ("rate", f"{number(result.gflops)} GFLOP/s, {_roofline(result.roofline_fraction)}"),
        ("trials", _trials(result)),
    ]
    if result.reference_us is not None:
        rows.insert(3, (result.reference or "reference", latency(result.reference_us)))
    if len(result.groups) > 1:
        rows.append(("kernels", " | ".join(" + ".join(group) for group in result.groups)))
    if len(result.backends) > 1:
        rows += [(f"of {one.backend}", _backend(one)) for one in result.backends]
    _print_rows(console, rows)
    files = [(name, path) for name, path in result.artifacts.items() if path is not None]
    _print_rows(console, files)
    _print_notes(console, result.notes)


def print_model(result: ModelResult) -> None:
    """Latency end to end before and after, the dispatches, and where the files are."""
    console, whole = table_console(), result.whole
    _print_heading(console, whole)
    rows = [
        ("before", latency(result.before_us)),
        ("after", latency(result.after_us)),
        ("noise", f"± {latency(whole.noise_us)}"),
        ("speed-up", f"{number(result.speedup)} x"),
        ("flags", " ".join(result.flags) or "none"),
        ("trials", _counts(result)),
    ]
    _print_rows(console, rows)
    table = Table(box=None, pad_edge=False)
    for heading in ("dispatch", "runs", "share", "default", "tuned"):
        table.add_column(heading, justify="left" if heading == "dispatch" else "right")
    table.add_column("remarks")
    for one in sorted(result.dispatches, key=lambda one: -one.share):
        table.add_row(*_dispatch(one, whole.function))
    if result.dispatches:
        console.print(table)
    _print_rows(console, [(k, path) for k, path in result.artifacts.items() if path is not None])
    _print_notes(console, whole.notes)


def _dispatch(one: DispatchRecord, model: str) -> tuple[str, ...]:
    times = latency(one.default_us), latency(one.tuned_us)
    name = one.name.removeprefix(f"{model}_")
    return (name, str(one.count), f"{one.share:.1%}", *times, one.reason)


def _counts(result: ModelResult) -> str:
    parts = [f"{result.measured} measured in {duration(result.whole.seconds)}"]
    if result.cached:
        parts.append(f"{result.cached} from the store")
    if any(result.failed.values()):
        parts.append(f"failed: {summarize_failures(result.failed.items())}")
    if result.whole.interrupted:
        parts.append("interrupted")
    return "; ".join(parts)


def _untuned(result: TuneResult) -> str:
    """Whose default it is, where that is not the winner's backend."""
    other = result.baseline and result.baseline != result.backend
    return f"untuned ({result.baseline})" if other else "untuned"


def _backend(one: BackendResult) -> str:
    """What a backend reached, and what was spent on it."""
    trials = counted(one.measured, "trial")
    if any(one.failed.values()):
        trials += f", failed: {summarize_failures(one.failed.items())}"
    return f"best {latency(one.best_us)}, untuned {latency(one.default_us)} ({trials})"


def print_predict(result: PredictResult) -> None:
    """The predicted latency, and what it follows from."""
    console = table_console()
    _print_heading(console, result)
    interval = f"{latency(result.low_us)} to {latency(result.high_us)}"
    rows = [
        ("tuned", f"{latency(result.latency_us)} (90%: {interval}, by the {result.model})"),
        *_by_default(result),
        ("roofline", latency(result.roofline_us)),
        ("work", quantity(result.flops, "FLOP")),
        ("traffic", quantity(result.bytes, "B", 1024.0)),
        ("intensity", f"{number(result.intensity)} FLOP/B"),
    ]
    if result.measured_us is not None:
        rows.append(("measured", f"{latency(result.measured_us)} (best in the store)"))
    _print_rows(console, rows)
    _print_notes(console, result.notes)


def _by_default(result: PredictResult) -> list[tuple[str, str]]:
    """What the trained model says of the compiler's default."""
    one = result.untuned
    if one is None:
        return []
    interval = f"{latency(one.low_us)} to {latency(one.high_us)}"
    code = f"{number(one.instructions)} instructions, {quantity(one.code_bytes, 'B', 1024.0)}"
    registers = counted(one.vector_registers, "vector register")
    return [
        ("untuned", f"{latency(one.latency_us)} (90%: {interval}, by the transformer)"),
        ("registers", f"{registers}, {counted(round(one.spills), 'spill')}"),
        ("code", f"{code}, {number(100 * one.vector_share)}% of it vectors"),
        ("utilization", f"{number(100 * one.utilization)}% of the peak"),
    ]


def print_rank(result: RankResult, top: int) -> None:
    """The ``top`` fastest by prediction."""
    console = table_console()
    _print_heading(console, result)
    console.print(
        f"{counted(len(result.schedules), 'schedule')} ranked by {result.model} in "
        f"{duration(result.seconds)}"
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("rank", "predicted", "90% from", "to", "measured"):
        table.add_column(heading, justify="right")
    table.add_column("backend")
    table.add_column("schedule")
    for row in result.schedules[:top]:
        bounds = (row.predicted_us, row.low_us, row.high_us, row.measured_us)
        table.add_row(str(row.rank), *map(latency, bounds), row.backend, row.schedule_hash[:12])
    console.print(table)
    _print_notes(console, result.notes)
    console.print("--json gives the schedules themselves", style="dim")


def print_runs(runs: Sequence[TuneRun]) -> None:
    """One line a run of a server, in the order given."""
    table = Table(box=None, pad_edge=False)
    for heading in ("run", "state", "kernel", "backend", "trials", "best", "begun", "by"):
        table.add_column(heading, justify="right" if heading in ("trials", "best") else "left")
    for one in runs:
        begun = datetime.fromtimestamp(one.created).strftime("%Y-%m-%d %H:%M:%S")
        trials = f"{one.measured}/{one.trials}"
        state = f"{one.state}: {one.error.splitlines()[0]}" if one.error else str(one.state)
        cells = (one.name, state, one.function, one.backend, trials, latency(one.best_us), begun,
                 one.client)  # fmt: skip
        table.add_row(*map(Text, cells))  # names are others': nothing in them is markup
    print_wide(table)


def summarize_failures(failed: Iterable[tuple[str, int]]) -> str:
    """``2 run_timeout, 1 crash``; empty where nothing failed."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(failed) if count)


def _print_heading(console: Console, result: PredictResult | RankResult | TuneResult) -> None:
    place = f" on {result.target} through {result.backend}"
    console.print(Text.assemble((result.function, "bold"), place), soft_wrap=True)


def _print_rows(console: Console, rows: Rows) -> None:
    """Aligned by hand: a rich table would fold a path that is longer than the line."""
    for name, value in rows:
        console.print(f"  {name:<10} {value}", soft_wrap=True, markup=False)


def _print_notes(console: Console, notes: Iterable[str]) -> None:
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True, markup=False, highlight=False)


def _roofline(fraction: float | None) -> str:
    return "roofline not known" if fraction is None else f"{fraction:.0%} of the roofline"


def _trials(result: TuneResult) -> str:
    parts = [f"{result.measured} measured in {duration(result.seconds)}"]
    if result.cached:
        parts.append(f"{result.cached} from the store")
    if any(result.failed.values()):
        parts.append(f"failed: {summarize_failures(result.failed.items())}")
    if result.interrupted:
        parts.append("interrupted")
    return "; ".join(parts)
