"""The plots, as SVG: drawn here, so that a page needs neither scripts nor a network.

Nothing from a store gets into a plot but numbers, dates and the names of backends.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from costmodel.amounts import latency
from costmodel.dashboard.comparing import Compared, Step
from costmodel.dashboard.predicted import Predicted
from costmodel.dashboard.reading import FailureKind
from costmodel.dashboard.runs import GAP_S, starts

__all__ = ["best_over_time", "failures", "predicted_measured", "schedules"]

_T = TypeVar("_T")

#: Told apart without red and green (Okabe and Ito, 2008).
_BACKENDS = {"iree": "#0072B2", "tvm": "#E69F00"}
_OTHERS = ("#CC79A7", "#56B4E9", "#F0E442", "#999999")
_BEST, _DEFAULT, _FAILED, _INK = "#009E73", "#222222", "#D55E00", "#3c4650"
#: Points that a plot draws; of more, evenly chosen ones.
_MOST_POINTS = 1500
#: Runs whose beginnings are named on the axis of time.
_MOST_STARTS, _MOST_LINES = 6, 40
#: Space between two runs, as a share of all.
_CUT = 0.015

# Fonts, paths and the cache of ticks are shared by all figures of a process.
_lock = threading.Lock()


def best_over_time(steps: Sequence[Step], baseline_us: float | None) -> bytes:
    """Each measurement, and the least latency until then; pauses between runs are cut out."""
    with _drawing(11.2, 3.6) as drawing:
        axes = drawing.axes
        places, begins = _cut_time([step.time for step in steps])
        for backend in sorted({step.backend for step in steps}):
            points = [
                (place, step.latency_us)
                for place, step in zip(places, steps, strict=True)
                if step.backend == backend and step.latency_us is not None
            ]
            shown = _thinned(points)
            if shown:
                x, y = zip(*shown, strict=True)
                axes.scatter(
                    x, y, s=11, color=_colour(backend), alpha=0.55, linewidths=0,
                    label=_plain(backend),
                )  # fmt: skip
        failed = [p for p, step in zip(places, steps, strict=True) if step.latency_us is None]
        if failed:  # they have no latency: drawn along the upper edge
            axes.scatter(
                _thinned(failed), [0.97] * len(_thinned(failed)), marker="x", s=16, linewidths=0.9,
                transform=axes.get_xaxis_transform(), color=_FAILED, label="failed",
            )  # fmt: skip
        best = [(p, s.best_us) for p, s in zip(places, steps, strict=True) if s.best_us is not None]
        if best:
            x, y = zip(*best, strict=True)
            axes.step(x, y, where="post", color=_BEST, linewidth=1.8, label="best so far")
        _draw_baseline(axes.axhline, baseline_us)
        _time_axis(axes, places, begins)
        _latency_axis(axes, "y", "latency")
        drawing.legend()
        return drawing.svg()


def schedules(compared: Sequence[Compared], baseline_us: float | None) -> bytes:
    """A bar a schedule, its median with the quartiles, fastest above."""
    with _drawing(11.2, 1.2 + 0.24 * max(3, len(compared))) as drawing:
        axes = drawing.axes
        for backend in sorted({one.schedule.backend for one in compared}):
            own = [(n, one) for n, one in enumerate(compared, 1) if one.schedule.backend == backend]
            middles = [one.median_us or 0.0 for _, one in own]
            quarters = [
                one.quarters_us or (us, us) for (_, one), us in zip(own, middles, strict=True)
            ]
            below = [us - low for us, (low, _) in zip(middles, quarters, strict=True)]
            above = [high - us for us, (_, high) in zip(middles, quarters, strict=True)]
            axes.errorbar(
                middles, [place for place, _ in own], xerr=(below, above), fmt="o", markersize=5,
                elinewidth=2, capsize=3, color=_colour(backend), label=_plain(backend),
            )  # fmt: skip
        _draw_baseline(axes.axvline, baseline_us)
        axes.set_ylim(len(compared) + 0.6, 0.4)
        places = range(1, len(compared) + 1)
        axes.set_yticks(places, [f"#{place}" for place in places])
        _latency_axis(axes, "x", "median latency, with quartiles")
        drawing.legend()
        return drawing.svg()


def predicted_measured(predicted: Predicted) -> bytes:
    """A point a schedule, with the interval that the model gives; exact ones lie on the line."""
    with _drawing(6.2, 5.0) as drawing:
        axes = drawing.axes
        points = predicted.points
        for backend in sorted({point.backend for point in points}):
            own = [point for point in points if point.backend == backend]
            axes.errorbar(
                [p.measured_us for p in own], [p.predicted_us for p in own],
                yerr=(
                    [max(0.0, p.predicted_us - p.low_us) for p in own],
                    [max(0.0, p.high_us - p.predicted_us) for p in own],
                ),
                fmt="o", markersize=4, elinewidth=0.7, alpha=0.7, color=_colour(backend),
                label=_plain(backend),
            )  # fmt: skip
        values = [value for p in points for value in (p.measured_us, p.predicted_us)]
        ends = (min(values) / 1.15, max(values) * 1.15)
        axes.plot(ends, ends, linestyle="--", linewidth=1, color=_DEFAULT, label="exact")
        _latency_axis(axes, "x", "measured")
        _latency_axis(axes, "y", "predicted")
        drawing.legend()
        return drawing.svg()


def failures(kinds: Sequence[FailureKind]) -> bytes:
    """A bar a kind, by backend."""
    with _drawing(11.2, 1.1 + 0.36 * len(kinds)) as drawing:
        axes = drawing.axes
        backends = sorted({name for kind in kinds for name in kind.backends})
        done = [0] * len(kinds)
        for backend in backends:
            counts = [kind.backends.get(backend, 0) for kind in kinds]
            axes.barh(
                range(len(kinds)), counts, left=done, height=0.62, color=_colour(backend),
                label=_plain(backend),
            )  # fmt: skip
            done = [before + count for before, count in zip(done, counts, strict=True)]
        axes.set_yticks(range(len(kinds)), [_plain(kind.outcome) for kind in kinds])
        axes.invert_yaxis()
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.set_xlabel("measurements that failed")
        axes.grid(axis="y", visible=False)
        drawing.legend()
        return drawing.svg()


class _drawing:
    """A figure with one pair of axes, for as long as it takes to draw it."""

    def __init__(self, width: float, height: float) -> None:
        self._size = (width, height)

    def __enter__(self) -> _drawing:
        _lock.acquire()
        self._settings = rc_context({
            "svg.fonttype": "path", "svg.hashsalt": "costmodel", "text.parse_math": False,
            "font.size": 9, "text.color": _INK, "axes.labelcolor": _INK,
            "axes.edgecolor": "#c3ccd4",
            "xtick.color": _INK, "ytick.color": _INK, "axes.spines.top": False,
            "axes.spines.right": False,
        })  # fmt: skip
        self._settings.__enter__()
        self._figure = Figure(figsize=self._size, layout="constrained")
        FigureCanvasSVG(self._figure)
        self.axes: Axes = self._figure.subplots()
        self.axes.grid(visible=True, color="#e6eaee", linewidth=0.8)
        self.axes.set_axisbelow(True)
        return self

    def __exit__(self, *_: object) -> None:
        self._settings.__exit__(None, None, None)
        _lock.release()

    def legend(self) -> None:
        """Outside the axes, where it covers no point."""
        if self.axes.get_legend_handles_labels()[1]:
            self._figure.legend(loc="outside lower center", ncols=6, frameon=False, fontsize=8.5)

    def svg(self) -> bytes:
        buffer = io.BytesIO()
        self._figure.savefig(
            buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": "costmodel"}
        )
        return buffer.getvalue()


def _colour(backend: str) -> str:
    return _BACKENDS.get(backend, _OTHERS[sum(map(ord, backend)) % len(_OTHERS)])


def _plain(name: str) -> str:
    """A name of the store as a label: what a font may lack is a question mark."""
    kept = "".join(each if each.isascii() and each.isprintable() else "?" for each in name[:24])
    return kept.lstrip("_") or "?"  # matplotlib keeps what begins so out of the legend


def _thinned(points: Sequence[_T]) -> list[_T]:
    if len(points) <= _MOST_POINTS:
        return list(points)
    step = (len(points) - 1) / (_MOST_POINTS - 1)
    return [points[round(place * step)] for place in range(_MOST_POINTS)]


def _cut_time(times: Sequence[float]) -> tuple[list[float], list[tuple[float, float]]]:
    """Minutes of measuring, one a time, and where runs begin with the moment of that."""
    begins = starts(times)
    ends = [*begins[1:], len(times)]
    measuring = sum(times[end - 1] - times[begin] for begin, end in zip(begins, ends, strict=True))
    pause = max(measuring, 60.0) * _CUT
    places, now = [], 0.0
    for place, time in enumerate(times):
        if place:
            passed = time - times[place - 1]
            now += passed if passed <= GAP_S else pause
        places.append(now / 60)
    return places, [(places[begin], times[begin]) for begin in begins]


def _time_axis(axes: Axes, places: Sequence[float], begins: Sequence[tuple[float, float]]) -> None:
    span = max(places, default=0.0)
    axes.set_xlim(-0.01 * max(span, 1e-3), 1.01 * max(span, 1e-3))
    cut = "; pauses between runs are cut out" if len(begins) > 1 else ""
    axes.set_xlabel(f"minutes of measuring{cut}")
    taken = -1.0
    for place, time in begins:
        if 1 < len(begins) <= _MOST_LINES:
            axes.axvline(place, color="#9aa5af", linewidth=0.8, linestyle=":")
        if place - taken >= span / _MOST_STARTS or taken < 0:
            axes.annotate(
                _moment(time), (place, 1.01), xycoords=axes.get_xaxis_transform(), fontsize=7.5,
                color=_INK, ha="left", va="bottom",
            )  # fmt: skip
            taken = place


def _moment(time: float) -> str:
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, OSError, ValueError):
        return "?"


def _draw_baseline(draw: object, baseline_us: float | None) -> None:
    if baseline_us is not None:
        assert callable(draw)
        draw(baseline_us, linestyle="--", linewidth=1.2, color=_DEFAULT, label="untuned default")


def _latency_axis(axes: Axes, which: str, label: str) -> None:
    """Logarithmic, with a unit at each number."""
    axes.set(**{f"{which}scale": "log", f"{which}label": label})
    axis = axes.yaxis if which == "y" else axes.xaxis
    low, high = sorted(axis.get_view_interval())
    few = low > 0 and high / low < 30
    axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7) if few else (1,), numticks=9))
    axis.set_major_formatter(FuncFormatter(lambda value, _: latency(value)))
    axis.set_minor_formatter(NullFormatter())
