"""How a kernel is timed, and when one timing may be called better than another.

Everything here is a pure function of ``run`` (seconds for a number of back-to-back runs) and a
clock, so that the policy is tested with a simulated noisy clock. Nonparametric confidence
intervals of medians, and no claim below measured noise, follow Hoefler and Belli, "Scientific
Benchmarking of Parallel Computing Systems", SC 2015.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from costmodel.records import TimingPolicy

__all__ = [
    "Ratio",
    "Timing",
    "calibrate",
    "is_win",
    "median_interval",
    "noise_floor",
    "paired_ratio",
    "time_kernel",
]

#: Seconds for ``number`` back-to-back runs.
Run = Callable[[int], float]

#: A run of this many microseconds has amortized its cold start (page faults, thread wake-up).
_LONG_RUN_US = 50_000.0

#: Bounds ``number`` where the clock is too coarse to see a run at all.
_MAX_NUMBER = 1 << 20


@dataclass(frozen=True)
class Timing:
    """Samples in microseconds a run; ``number`` runs made one sample.

    ``gave_up`` says that sampling ended early, because the candidate cannot win.
    """

    samples_us: tuple[float, ...]
    number: int
    gave_up: bool = False


@dataclass(frozen=True)
class Ratio:
    """A ratio of two latencies (below 1: the first is faster) with its 95% interval."""

    value: float
    low: float
    high: float


def median_interval(samples: Sequence[float]) -> tuple[float, float]:
    """Bounds of the 95% confidence interval of the median, by order statistics.

    Exact for any continuous distribution (binomial ranks). Below six samples no such interval
    exists; then the range is given, which covers the median with 93.75% for five samples.
    Raises ValueError for no samples.
    """
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    rank = _lower_rank(len(ordered))
    return ordered[rank], ordered[len(ordered) - 1 - rank]


def _lower_rank(count: int) -> int:
    """Largest 0-based rank r with P(Binomial(count, 1/2) <= r) <= 2.5%; 0 if there is none."""
    tail, rank = 0, 0
    for successes in range(count // 2):
        tail += math.comb(count, successes)
        if tail > 0.025 * 2**count:
            break
        rank = successes
    return rank


def relative_half_width(samples: Sequence[float]) -> float:
    """Half the width of the median's interval over the median; infinite for a zero median."""
    low, high = median_interval(samples)
    middle = median(samples)
    return 0.5 * (high - low) / middle if middle > 0 else math.inf


def calibrate(run: Run, min_sample_us: float) -> tuple[int, float]:
    """The number of runs for which a sample lasted ``min_sample_us``, and that sample (us a run).

    The number grows at most tenfold a step, since the first guess comes from the shortest and
    noisiest sample.
    """
    number = 1
    while True:
        elapsed_us = run(number) * 1e6
        if elapsed_us >= min_sample_us or number >= _MAX_NUMBER:
            return number, elapsed_us / number
        wanted = 1.2 * number * min_sample_us / elapsed_us if elapsed_us > 0 else math.inf
        number = math.ceil(min(max(wanted, number + 1), number * 10, _MAX_NUMBER))


def time_kernel(
    run: Run,
    policy: TimingPolicy,
    *,
    clock: Callable[[], float] = time.perf_counter,
    give_up_above_us: float = math.inf,
    first_run_us: float | None = None,
) -> Timing:
    """Time a kernel as ``policy`` says; at least one sample, at most ``policy.max_samples``.

    ``first_run_us`` is a run that was made already (by the output check): it counts as the first
    warm-up, and if it was long and far above ``give_up_above_us`` it is all that is taken. A
    candidate whose calibrating sample is above ``give_up_above_us``, as its first run was if there
    was one, keeps that one sample: a single slow run may be the machine's doing. With
    ``policy.min_samples`` half of that limit is enough to stop.
    """
    started = clock()
    warm_runs = 0
    if first_run_us is not None:
        if first_run_us > max(3 * give_up_above_us, _LONG_RUN_US):
            return Timing((first_run_us,), 1, gave_up=True)
        warm_runs = 1
    if policy.warmup > warm_runs:
        run(policy.warmup - warm_runs)
    number, first = calibrate(run, policy.min_sample_us)
    seen = first if first_run_us is None else min(first, first_run_us)
    if seen > give_up_above_us:
        return Timing((first,), number, gave_up=True)
    # The calibrating sample was chosen for being long enough: keep it only if time is up.
    if clock() - started >= policy.budget_s:
        return Timing((first,), number)
    samples: list[float] = []
    gave_up = False
    while len(samples) < max(policy.max_samples, 1) and not gave_up:
        samples.append(run(number) * 1e6 / number)
        if clock() - started >= policy.budget_s:
            break
        if len(samples) >= policy.min_samples:
            if relative_half_width(samples) < policy.precision:
                break
            gave_up = median_interval(samples)[0] > give_up_above_us / 2
    return Timing(tuple(samples), number, gave_up)


def paired_ratio(first: Sequence[float], second: Sequence[float]) -> Ratio:
    """Median of ``first[i] / second[i]`` over interleaved rounds, with its 95% interval.

    Pairing removes drift that is slower than a round. Raises ValueError unless both have the
    same positive number of samples.
    """
    ratios = [a / b for a, b in zip(first, second, strict=True)]
    low, high = median_interval(ratios)
    return Ratio(median(ratios), low, high)


def noise_floor(first: Sequence[float], second: Sequence[float]) -> float:
    """Relative difference that timing the same thing twice can show (0.03: 3%), from A/A rounds.

    The larger distance from 1 of the bounds of the paired ratio's interval, on a log scale.
    """
    ratio = paired_ratio(first, second)
    return math.expm1(max(abs(math.log(ratio.low)), abs(math.log(ratio.high))))


def is_win(first: Sequence[float], second: Sequence[float], noise: float) -> bool:
    """Whether ``first`` is faster than ``second`` by more than ``noise``, samples by median."""
    return median(first) * (1.0 + noise) < median(second)
