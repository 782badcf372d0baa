"""The analytic model: roofline bounds of a workload and a per-store estimate of a schedule.

Needs no data. The bound is that of Williams et al. (CACM 2009); the estimate of a schedule adds
what a compiler's loop structure decides: vector lanes, independent accumulators, threads and the
cache level that serves each reuse.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from costmodel.ir.analysis import Analysis
from costmodel.models.base import Example, Query
from costmodel.models.per_store import WIDTH, Stores
from costmodel.records import DTYPE_BYTES, Prediction, Target, Workload

__all__ = [
    "ASSUMED_LOG_STD",
    "SCHEDULE_LOG_STD",
    "Roofline",
    "bandwidth",
    "bound_us",
    "estimate_us",
    "estimates_us",
    "peak_flops",
    "predict_workload",
    "rates_are_known",
]

Array = NDArray[np.float64]

#: Calling a kernel, and waking the threads of one parallel region, in microseconds.
CALL_US, PARALLEL_US = 0.3, 3.0

#: Tuned kernels take this many times their bound (geometric mean), and so far do they scatter
#: (standard deviation of the logarithm, such that its 90% interval holds nine in ten): from the
#: recorded kernels of tests/data/replay, and from 26 of kernels/ when the README's table was made.
TUNED_OVER_BOUND, TUNED_LOG_STD = 1.8, 0.95

#: What assumed rates add to that: a guess, of some 1.6 times more or less than the machine's.
ASSUMED_LOG_STD = 0.5

#: Standard deviation of log(latency / estimate) of single schedules, from the same recordings.
SCHEDULE_LOG_STD = 0.9

# Only where the target's rates were never measured: clock in Hz, and bytes/s of memory, which a
# thread draws and which all together can.
_CLOCK = 3.0e9
_THREAD_BANDWIDTH, _MOST_BANDWIDTH = 15e9, 100e9

_CYCLES_LATENCY = 4.0  # of a fused multiply-add, with two issued a cycle
_REGISTER_BYTES = 2048  # of a vector register file


def peak_flops(target: Target, dtype: str = "f32") -> float:
    """FLOP/s of all threads: measured where known, else two vector FMAs a cycle at 3 GHz."""
    if dtype in target.peak_flops:
        return target.peak_flops[dtype]
    if "f32" in target.peak_flops:
        # An unmeasured type does as many vectors a second; below 32 bits it is widened first.
        return target.peak_flops["f32"] * 4 / max(4, DTYPE_BYTES.get(dtype, 4))
    lanes = max(1, target.vector_bytes // max(4, DTYPE_BYTES.get(dtype, 4)))
    return target.threads * lanes * 4 * _CLOCK


def rates_are_known(target: Target) -> bool:
    """Whether the machine's rates were measured; else they are assumed."""
    return bool(target.peak_flops and target.bandwidth)


def bandwidth(target: Target) -> float:
    """Bytes/s of memory: measured where known, else 15 GB/s a thread, and 100 GB/s at the most."""
    return target.bandwidth or min(target.threads * _THREAD_BANDWIDTH, _MOST_BANDWIDTH)


def bound_us(analysis: Analysis, target: Target) -> float:
    """The least time in microseconds that the target's compute and memory rates allow.

    What fits in the last-level cache is taken to move four times faster than memory, since
    timing runs a kernel back to back on the same arrays.
    """
    compute = sum(f / peak_flops(target, dtype) for dtype, f in analysis.flops_by_dtype)
    cached = bool(target.cache_bytes) and analysis.bytes <= target.cache_bytes[-1]
    memory = analysis.bytes / (bandwidth(target) * (4 if cached else 1))
    return max(compute, memory) * 1e6


def predict_workload(analysis: Analysis, target: Target) -> Prediction:
    """Latency of a workload's well-tuned kernel, from its operations and bytes alone."""
    overhead = CALL_US + (PARALLEL_US if target.threads > 1 else 0.0)
    log_std = TUNED_LOG_STD
    if not rates_are_known(target):
        log_std = math.hypot(log_std, ASSUMED_LOG_STD)
    return Prediction(bound_us(analysis, target) * TUNED_OVER_BOUND + overhead, log_std)


class Roofline:
    """Ranks schedules by an analytic estimate of each store; a ``CostModel``.

    Measurements only move a workload's level and spread, never the order of its schedules.
    Features of another width than the per-store layout's carry nothing that this model can
    read: then all candidates of a workload get the same, very uncertain prediction.
    """

    def __init__(self) -> None:
        self._residuals: dict[str, list[float]] = defaultdict(list)

    @property
    def name(self) -> str:
        return "roofline"

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction a query, in order; latencies in microseconds."""
        predictions = []
        for query, estimate in zip(queries, estimates_us(queries), strict=True):
            residuals = self._residuals.get(query.candidate.workload.hash, [])
            # Shrunk towards no correction, as if four measurements had agreed with the estimate;
            # where that was none of the schedule, measurements are all there is to go by.
            agreed = 4 if _is_readable(query) else 0
            weight = len(residuals) / max(1, len(residuals) + agreed)
            offset = weight * float(np.median(residuals)) if residuals else 0.0
            spread = np.sqrt(
                (4 * SCHEDULE_LOG_STD**2 + sum((r - offset) ** 2 for r in residuals))
                / (len(residuals) + 4)
            )
            predictions.append(Prediction(float(estimate) * math.exp(offset), float(spread)))
        return predictions

    def expected_us(self, queries: Sequence[Query]) -> Array:
        """The analytic estimates."""
        return estimates_us(queries)

    def knows(self, queries: Sequence[Query]) -> bool:
        """Always: it needs no measurement."""
        return True

    def update(self, examples: Sequence[Example]) -> None:
        """Learn the level of each workload; failures say nothing about it."""
        examples = [e for e in examples if math.isfinite(e.latency_us) and e.latency_us > 0]
        estimates = estimates_us([e.query for e in examples])
        for example, estimate in zip(examples, estimates, strict=True):
            residual = math.log(example.latency_us / float(estimate))
            self._residuals[example.query.candidate.workload.hash].append(residual)


def estimates_us(queries: Sequence[Query]) -> Array:
    """Analytic estimate of each query in microseconds; shape (queries,).

    Features of another layout than per-store say nothing: then it is the time to move the
    workload's arguments once.
    """
    estimates = np.empty(len(queries))
    groups: dict[Target, list[int]] = defaultdict(list)
    for index, query in enumerate(queries):
        candidate = query.candidate
        if _is_readable(query):
            groups[candidate.target].append(index)
        else:
            estimates[index] = _least_us(candidate.workload, candidate.target)
    for target, members in groups.items():
        stores = Stores.of([queries[i].features for i in members])
        estimates[members] = estimate_us(stores, target)
    return estimates


def _is_readable(query: Query) -> bool:
    """Whether the features are per-store ones, from which a schedule can be estimated."""
    return query.features.ndim == 2 and query.features.shape[1] == WIDTH


def estimate_us(stores: Stores, target: Target) -> Array:
    """Microseconds of each candidate: the sum over its stores; shape (candidates,)."""
    compute, memory = compute_us(stores, target), memory_us(stores, target)
    # Out-of-order cores overlap the two, though not wholly.
    each = np.maximum(compute, memory) + 0.3 * np.minimum(compute, memory)
    each = each / _speedup(stores, target) + _regions_us(stores)
    return CALL_US + stores.total(each)


def compute_us(stores: Stores, target: Target) -> Array:
    """Microseconds that one thread needs for each store's arithmetic; shape (stores,)."""
    lanes = max(1, target.vector_bytes // 4)
    scalar_peak = peak_flops(target) / (target.threads * lanes)
    filled = lanes_filled(stores, lanes)
    # Gathers and scatters are done lane by lane.
    strided = (stores.buffers("stride") > 1) & (stores.buffers("bytes") > 0)
    used = np.where(strided.any(axis=1) & (filled > 1), np.sqrt(filled), filled)
    return np.asarray(1e6 * stores.work() / (scalar_peak * used * _independent(stores, filled)))


def lanes_filled(stores: Stores, lanes: int) -> Array:
    """Vector lanes doing work, of ``lanes``; 1 for scalar code; shape (stores,)."""
    vector = np.maximum(np.round(stores.column("vectorize.len")), 1)
    filled = vector / np.ceil(vector / lanes)
    # LLVM takes vectors that are longer than a register and no power of two apart element by
    # element: measured 4 to 25 times slower (lengths 24, 28, 48 on AVX-512).
    awkward = (vector > lanes) & (np.exp2(np.round(np.log2(vector))) != vector)
    return np.asarray(np.where(awkward, filled / 6, filled), dtype=np.float64)


def _independent(stores: Stores, lanes: Array) -> Array:
    """Share of the peak left by waiting for the previous addition to the same element, to 1.

    The iterations between two uses of the accumulated buffer are independent of each other.
    """
    accumulated = (stores.buffers("is_read_write") > 0) & (stores.buffers("reuse_loop") > 0)
    between = np.where(accumulated, stores.buffers("reuse_iterations"), 0).max(axis=1)
    share = np.clip(between / lanes / (2 * _CYCLES_LATENCY), 0.125, 1.0)
    return np.asarray(np.where(accumulated.any(axis=1), share, 1.0), dtype=np.float64)


def memory_us(stores: Stores, target: Target) -> Array:
    """Microseconds that one thread needs to bring each store's cache lines; shape (stores,)."""
    lines, unique = stores.buffers("lines"), stores.buffers("unique_lines")
    distance = stores.buffers("reuse_bytes")
    per_thread = bandwidth(target)
    # Rates of the levels as multiples of the memory's; reuse is served by the first that holds it.
    caches = sorted(target.cache_bytes) or [32 << 10, 1 << 20, 16 << 20]
    caches = [_REGISTER_BYTES, *caches[:3]]
    rates = [per_thread * f for f in (128.0, 32.0, 12.0, 4.0)]
    seconds = np.full(lines.shape, 1.0) / per_thread
    for size, rate in reversed(list(zip(caches, rates, strict=False))):
        seconds = np.where(distance <= size, 1.0 / rate, seconds)
    first = 4.0 * per_thread if sum(caches) else per_thread
    return np.asarray(1e6 * 64 * (lines * seconds + np.minimum(unique, lines) / first).sum(axis=1))


def _speedup(stores: Stores, target: Target) -> Array:
    """Threads that a store keeps busy; uneven shares of few iterations count."""
    extent = np.maximum(stores.column("parallel.prod"), 1)
    rounds = np.ceil(extent / target.threads)
    return np.asarray(np.where(extent > 1, extent / rounds, 1.0), dtype=np.float64)


def _regions_us(stores: Stores) -> Array:
    parallel = stores.column("parallel.prod") > 1
    return np.asarray(np.where(parallel, PARALLEL_US, 0.0), dtype=np.float64)


def _least_us(workload: Workload, target: Target) -> float:
    moved = sum(t.bytes for t in (*workload.inputs, *workload.outputs))
    return CALL_US + 1e6 * moved / bandwidth(target)
