"""Timing several compilers' versions of one kernel fairly, and saying how sure the ratio is.

Every round times every kernel once, in random order, so that a slow spell of the machine hits
all alike. Before each turn there is a pause, in which the thread pool of the runtime that ran
last goes to sleep (OpenMP's workers spin for some milliseconds), and unmeasured runs for some
more, which wake the pool of the runtime that comes next and bring its data into the caches.
"""

from __future__ import annotations

import ctypes
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = ["Ratio", "Runnable", "Summary", "compare_interleaved", "keep_freed_memory", "ratio"]

# Numbers of mallopt's parameters, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


class Runnable(Protocol):
    """The part of costmodel's LoadedKernel that timing needs; inputs are prepared already."""

    def run(self, number: int) -> float: ...


@dataclass(frozen=True)
class Summary:
    """A kernel's samples: the quantile asked for, and whether the machine was too busy.

    Load only ever adds time, so a median far above the fastest samples is not the kernel's.
    """

    latency_us: float
    noisy: bool

    @classmethod
    def of(cls, samples_us: Sequence[float], quantile: float = 0.5) -> Summary:
        low, median = np.quantile(samples_us, (0.1, 0.5))
        return cls(float(np.quantile(samples_us, quantile)), bool(median > 1.3 * low))


@dataclass(frozen=True)
class Ratio:
    """A quotient of two latencies with its bootstrap interval (95% unless told otherwise)."""

    value: float
    low: float
    high: float


def keep_freed_memory() -> bool:
    """Have malloc keep large freed blocks instead of returning their pages at every call.

    IREE and PyTorch allocate their results at every call; with the default thresholds they
    would be timed zeroing fresh pages, up to ten times the kernel's own time. False where the
    C library has no ``mallopt``.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    limit = 1 << 30
    return bool(mallopt(_M_MMAP_THRESHOLD, limit)) and bool(mallopt(_M_TRIM_THRESHOLD, limit))


def compare_interleaved(
    kernels: Mapping[str, Runnable],
    *,
    rounds: int = 31,
    min_sample_us: float = 1_500.0,
    pause_s: float = 0.01,
    warm_s: float = 0.005,
    seed: int = 0,
) -> dict[str, list[float]]:
    """``rounds`` samples of each kernel in microseconds for one run.

    A sample is the mean of as many back-to-back runs as last about ``min_sample_us``: less than
    the time slice of a scheduler, so that even on a shared machine some samples are undisturbed.
    """
    affinity = os.sched_getaffinity(0)
    shuffled, order = random.Random(seed), list(kernels)
    numbers = {name: _number(kernel, min_sample_us) for name, kernel in kernels.items()}
    samples: dict[str, list[float]] = {name: [] for name in kernels}
    for _ in range(rounds):
        shuffled.shuffle(order)
        for name in order:
            # A runtime may pin the thread that calls it, which would cripple the others.
            os.sched_setaffinity(0, affinity)
            time.sleep(pause_s)
            number = numbers[name]
            warmed = kernels[name].run(number)
            while warmed < warm_s:
                warmed += kernels[name].run(number)
            samples[name].append(kernels[name].run(number) / number * 1e6)
    return samples


def _number(kernel: Runnable, min_sample_us: float) -> int:
    """Runs that last about ``min_sample_us``, from the best of a few short trials."""
    kernel.run(1)
    once = min(kernel.run(1) for _ in range(3))
    number = max(1, min(1000, round(min_sample_us / 4 / max(once * 1e6, 1e-3))))
    each = min(kernel.run(number) for _ in range(2)) / number
    return max(1, min(100_000, round(min_sample_us / max(each * 1e6, 1e-3))))


def ratio(
    numerator: Sequence[float],
    denominator: Sequence[float],
    *,
    quantile: float = 0.5,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Ratio:
    """Quotient of the quantiles (by default the medians) of samples taken in the same rounds.

    The interval is the percentile bootstrap's (Efron and Tibshirani, "An Introduction to the
    Bootstrap", chapter 13). Whole rounds are drawn, since the samples of a round share its load.
    """
    pairs = np.array([numerator, denominator], dtype=np.float64)
    rounds = pairs.shape[1]
    drawn = np.random.default_rng(seed).integers(0, rounds, (resamples, rounds))
    above, below = np.quantile(pairs[:, drawn], quantile, axis=2)
    tail = (1 - confidence) / 2
    low, high = np.quantile(above / below, [tail, 1 - tail])
    top, bottom = np.quantile(pairs, quantile, axis=1)
    return Ratio(float(top / bottom), float(low), float(high))
