"""The picture of a search: best latency over trials, and predicted against measured."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from costmodel.report.summary import predicted_and_measured, ranking_quality
from costmodel.results import Source, TrialRecord, TuneResult

__all__ = ["search_plot"]

#: Colours that are told apart without red and green (Okabe and Ito, 2008).
COLOURS: dict[Source, str] = {
    "stored": "#999999",
    "default": "#000000",
    "guess": "#F0E442",
    "random": "#E69F00",
    "model": "#0072B2",
}
LABELS: dict[Source, str] = {
    "stored": "from the store",
    "default": "untuned default",
    "guess": "expert's guess",
    "random": "random",
    "model": "model's choice",
}
FAILED = "#D55E00"


def search_plot(result: TuneResult) -> bytes:
    """Draw the run as a PNG of 1500 by 600 pixels; works without any display."""
    figure = Figure(figsize=(12.5, 5.0), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    over_trials, against = figure.subplots(1, 2, width_ratios=(3, 2))
    heading = f"{result.function} on {result.target} through {result.backend}"
    figure.suptitle(heading, parse_math=False)  # an MLIR symbol may hold dollar signs
    _draw_trials(over_trials, result)
    _draw_predictions(against, result.history)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": "costmodel"})
    return buffer.getvalue()


def _draw_trials(axes: Axes, result: TuneResult) -> None:
    axes.set(title="Latency of each trial", xlabel="trial", ylabel="latency (µs)", yscale="log")
    correct = [(n, t) for n, t in enumerate(result.history, 1) if t.ok and t.latency_us]
    for source, colour in COLOURS.items():
        points = [(n, t.latency_us or 0.0) for n, t in correct if t.source == source]
        if points:
            numbers, latencies = zip(*points, strict=True)
            axes.scatter(numbers, latencies, s=18, color=colour, label=LABELS[source])
    if correct:
        best, at = _running_best(correct), [n for n, _ in correct]
        axes.step(at, best, where="post", color="#009E73", label="best so far")
    failed = [n for n, t in enumerate(result.history, 1) if not t.ok]
    if failed:  # they have no latency: drawn along the upper edge
        axes.scatter(
            failed, [0.98] * len(failed), transform=axes.get_xaxis_transform(),
            marker="x", s=22, color=FAILED, label="failed",
        )  # fmt: skip
    if not correct:  # then there is nothing but levels to scale the axis by
        levels = [us for us in (result.baseline_us, result.reference_us) if us]
        axes.set_ylim(min(levels, default=1.0) / 2, max(levels, default=1.0) * 2)
    _draw_level(axes, result.baseline_us, "default, measured with the winner", "#000000")
    _draw_level(axes, result.reference_us, result.reference or "reference", "#CC79A7")
    _finish(axes, columns=4)


def _finish(axes: Axes, columns: int) -> None:
    """Plain numbers on logarithmic axes, and a legend that covers no point."""
    for axis, scale in ((axes.xaxis, axes.get_xscale()), (axes.yaxis, axes.get_yscale())):
        if scale == "log":
            axis.set_major_formatter(LogFormatter(minor_thresholds=(2, 0.4)))
            axis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.4)))
    axes.grid(visible=True, which="both", alpha=0.2)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=columns,
            fontsize="small", frameon=False,
        )  # fmt: skip


def _running_best(correct: Sequence[tuple[int, TrialRecord]]) -> list[float]:
    best: list[float] = []
    for _, trial in correct:
        latency = trial.latency_us or 0.0
        best.append(min(latency, best[-1]) if best else latency)
    return best


def _draw_level(axes: Axes, latency_us: float | None, name: str, colour: str) -> None:
    if latency_us is not None:
        axes.axhline(latency_us, linestyle="--", linewidth=1, color=colour, label=name)


def _draw_predictions(axes: Axes, history: Sequence[TrialRecord]) -> None:
    pairs = predicted_and_measured(history)
    quality = ranking_quality(history)
    shown = "" if quality is None else f" (Spearman {quality:.2f})"
    axes.set_title(f"Predicted against measured{shown}")
    axes.set(xlabel="measured (µs)", ylabel="predicted before (µs)", xscale="log", yscale="log")
    if not pairs:
        axes.text(0.5, 0.5, "nothing was predicted", ha="center", transform=axes.transAxes)
        return
    for source, colour in COLOURS.items():
        chosen = [pair for pair in pairs if pair.source == source]
        if chosen:
            below = [p.predicted - p.low for p in chosen]
            above = [p.high - p.predicted for p in chosen]
            axes.errorbar(
                [p.measured for p in chosen], [p.predicted for p in chosen], yerr=(below, above),
                fmt="o", markersize=4, elinewidth=0.6, alpha=0.75,
                color=colour, label=LABELS[source],
            )  # fmt: skip
    values = [value for pair in pairs for value in (pair.measured, pair.predicted)]
    ends = (min(values), max(values))
    axes.plot(ends, ends, linestyle="--", linewidth=1, color="#555555", label="exact")
    _finish(axes, columns=3)
