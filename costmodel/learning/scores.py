"""How well predictions match measurements: of functions, and of schedules within a task."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

__all__ = ["FunctionScore", "ScheduleScore", "rank_correlation", "score_functions",
           "score_schedules"]  # fmt: skip

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FunctionScore:
    """Of functions under the default: rank correlation and errors; NaN where nothing is known.

    ``median_error`` is the median of |predicted / measured - 1|; ``registers`` the share within 1;
    ``utilization_rmse`` in percentage points; ``spills_mae`` the mean absolute error;
    ``covered`` the share of latencies inside the 90% interval.
    """

    functions: int
    spearman: float
    median_error: float
    registers: float
    utilization_rmse: float
    spills_mae: float
    covered: float


@dataclass(frozen=True)
class ScheduleScore:
    """Of tasks: geometric means of what the choice among a group takes over the best of it.

    ``first`` of the schedule ranked first, ``five`` of the best of the first five, over the
    ``grouped`` tasks that have as many schedules; ``spearman`` is the mean rank correlation within
    each of the ``tasks``; ``covered`` the mean share of a task's latencies inside the 90% interval.
    """

    tasks: int
    grouped: int
    first: float
    five: float
    spearman: float
    covered: float


def rank_correlation(predicted: Array, measured: Array) -> float:
    """Spearman's, 0 where either is constant."""
    if len(predicted) < 2 or np.ptp(predicted) == 0 or np.ptp(measured) == 0:
        return 0.0
    return float(spearmanr(predicted, measured).statistic)


def score_functions(columns: dict[str, Array]) -> FunctionScore:
    """``columns`` are predicted and measured values by name, logarithms of microseconds.

    ``log_us``, ``registers``, ``utilization``, ``spills`` and, with ``_true`` at the end, what was
    measured; ``low`` and ``high`` bound the 90% interval. Columns may be absent.
    """
    true = columns["log_us_true"]
    known = np.isfinite(true)

    def pair(name: str) -> tuple[Array, Array] | None:
        if name not in columns:
            return None
        a, b = columns[name][known], columns[f"{name}_true"][known]
        good = np.isfinite(b)
        return (a[good], b[good]) if good.any() else None

    latency = pair("log_us")
    registers, use, spills = pair("registers"), pair("utilization"), pair("spills")
    inside = math.nan
    if "low" in columns:
        within = (columns["low"] <= true) & (true <= columns["high"])
        inside = float(within[known].mean())
    return FunctionScore(
        functions=int(known.sum()),
        spearman=rank_correlation(*latency) if latency else math.nan,
        median_error=_median_error(*latency) if latency else math.nan,
        registers=float((np.abs(registers[0] - registers[1]) <= 1).mean())
        if registers
        else math.nan,
        utilization_rmse=100 * float(np.sqrt(((use[0] - use[1]) ** 2).mean())) if use else math.nan,
        spills_mae=float(np.abs(spills[0] - spills[1]).mean()) if spills else math.nan,
        covered=inside,
    )


def _median_error(predicted: Array, measured: Array) -> float:
    return float(np.median(np.abs(np.exp(predicted - measured) - 1)))


def score_schedules(
    tasks: Sequence[dict[str, Array]], *, group: int = 64, repeats: int = 8, seed: int = 0
) -> ScheduleScore:
    """Each task has ``score`` (lower is better), ``log_us`` measured, and maybe low and high.

    ``group`` schedules that succeeded are drawn of each task, ``repeats`` times, the same ones for
    every model; a task with fewer than two is left out.
    """
    first, five, rho, inside, grouped = [], [], [], [], 0
    for task in tasks:
        good = np.flatnonzero(np.isfinite(task["log_us"]))
        if len(good) < 2:
            continue
        measured, score = task["log_us"][good], task["score"][good]
        rho.append(rank_correlation(score, measured))
        if "low" in task:
            within = (task["low"][good] <= measured) & (measured <= task["high"][good])
            inside.append(float(within.mean()))
        grouped += len(good) >= group
        for repeat in range(repeats if len(good) >= group else 0):
            rng = np.random.default_rng([seed, repeat, zlib.crc32(measured.tobytes())])
            drawn = rng.permutation(len(good))[:group]
            order = drawn[np.argsort(score[drawn], kind="stable")]
            best = measured[drawn].min()
            first.append(measured[order[0]] - best)
            five.append(measured[order[:5]].min() - best)
    if not rho:
        return ScheduleScore(0, 0, math.nan, math.nan, math.nan, math.nan)
    return ScheduleScore(
        tasks=len(rho),
        grouped=grouped,
        first=math.exp(float(np.mean(first))) if first else math.nan,
        five=math.exp(float(np.mean(five))) if five else math.nan,
        spearman=float(np.mean(rho)),
        covered=float(np.mean(inside)) if inside else math.nan,
    )
