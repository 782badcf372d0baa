"""One row a candidate from its per-store rows: what the boosted trees read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from costmodel.backends.base import Features
from costmodel.models.base import Query
from costmodel.models.per_store import BUFFER, COLUMNS, WIDTH, Stores
from costmodel.models.roofline import compute_us, estimate_us, lanes_filled, memory_us
from costmodel.records import Target

__all__ = ["pool"]

Table = NDArray[np.float32]
Array = NDArray[np.float64]

# A CPU's rows never fill these, MetaSchedule never counts float_mad, and "none" positions repeat
# the number of loops.
_KEPT = np.array([
    i for i, name in enumerate(COLUMNS)
    if not (name.startswith(("blockIdx", "threadIdx", "vthread", "is_gpu")) or ".at_" in name
            or name.endswith("_mad"))
])  # fmt: skip
_SUMMED = np.array([
    i for i, name in enumerate(COLUMNS)
    if i < 16 or name.split(".")[-1] in BUFFER[3:7] or name == "outer.prod"
])  # fmt: skip


def pool(queries: Sequence[Query]) -> Table:
    """Features of each query, shape (queries, width); the width depends only on the layout."""
    if not queries:
        return np.zeros((0, 0), np.float32)
    if queries[0].features.shape[1] != WIDTH:
        return _pool_any([q.features for q in queries])
    groups: dict[Target, list[int]] = defaultdict(list)
    for index, query in enumerate(queries):
        groups[query.candidate.target].append(index)
    tables = [_pool_stores([queries[i].features for i in m], t) for t, m in groups.items()]
    order = np.concatenate([np.array(m) for m in groups.values()])
    return np.concatenate(tables)[np.argsort(order)]


def _pool_stores(features: list[Features], target: Target) -> Table:
    stores = Stores.of(features)
    work = stores.work() + 1e-3 * stores.column("outer.prod")
    order = np.lexsort((-work, np.repeat(np.arange(len(features)), _lengths(stores))))
    main = order[stores.starts]
    second = order[np.minimum(stores.starts + 1, stores.starts + _lengths(stores) - 1)]
    counts = np.exp2(stores.rows[:, _SUMMED].astype(np.float64)) - 1
    sums = np.log2(1 + np.add.reduceat(counts, stores.starts, axis=0))
    return np.concatenate(
        [
            stores.rows[main][:, _KEPT],
            stores.rows[second][:, _KEPT],
            np.maximum.reduceat(stores.rows[:, _KEPT], stores.starts),
            sums,
            _analytic(stores, target, main),
        ],
        axis=1,
        dtype=np.float32,
    )


def _lengths(stores: Stores) -> NDArray[np.intp]:
    return np.diff([*stores.starts, len(stores.rows)])


def _analytic(stores: Stores, target: Target, main: NDArray[np.intp]) -> Table:
    """What the analytic model says of each candidate and of its main store, on a log scale."""
    compute, memory = compute_us(stores, target), memory_us(stores, target)
    accumulated = np.where(
        stores.buffers("is_read_write") > 0, stores.buffers("reuse_iterations"), 0
    ).max(axis=1)
    columns = [
        estimate_us(stores, target),
        stores.total(compute),
        stores.total(memory),
        compute[main],
        memory[main],
        _lengths(stores).astype(np.float64),
        lanes_filled(stores, max(1, target.vector_bytes // 4))[main],
        accumulated[main],
        unrolled_body(stores)[main],
        _odd_part(stores.column("vectorize.len"))[main],
    ]
    return np.log2(1e-3 + np.stack(columns, axis=1)).astype(np.float32)


def unrolled_body(stores: Stores) -> Array:
    """Vector operations of the body that ``auto_unroll_max_step`` leaves; shape (stores,).

    A reuse distance in iterations is a product of innermost extents, and times the reuse count
    the next such product; the largest one allowed is what gets unrolled. Long bodies miss the
    instruction cache, short ones keep accumulators in memory.
    """
    vector = np.maximum(stores.column("vectorize.len"), 1)[:, None]
    inner = np.where(stores.buffers("reuse_loop") > 0, stores.buffers("reuse_iterations"), 0)
    products = np.concatenate([inner, inner * stores.buffers("reuse_count")], axis=1) / vector
    allowed = np.maximum(stores.column("outer.auto_unroll"), 1)[:, None] * 1.02
    return np.asarray(np.where(products <= allowed, products, 0).max(axis=1, initial=1.0))


def _odd_part(values: Array) -> Array:
    """The odd factor of whole numbers: 1 for powers of two, 7 for 28."""
    whole = np.maximum(np.round(values), 1).astype(np.int64)
    return np.asarray(whole // (whole & -whole), dtype=np.float64)


def _pool_any(features: Sequence[Features]) -> Table:
    return np.stack(
        [
            np.concatenate([f.max(axis=0), f.mean(axis=0), f.sum(axis=0), [len(f)]])
            if len(f)
            else np.zeros(3 * f.shape[1] + 1)
            for f in features
        ]
    ).astype(np.float32)
