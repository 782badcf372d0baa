"""The feature table's layout, against features that TVM itself extracted."""

from __future__ import annotations

import numpy as np

from costmodel.models.per_store import COLUMNS, OPERATIONS, OUTER, WIDTH, Stores, unscale


def flops(stores: Stores) -> np.ndarray:
    """Floating-point operations of each store."""
    return sum(stores.column(name) for name in OPERATIONS if name.startswith("float"))


def test_columns_fill_the_width():
    assert len(COLUMNS) == WIDTH == 164
    assert len(set(COLUMNS)) == WIDTH
    assert COLUMNS[OUTER] == "outer.prod"
    assert [COLUMNS.index(name) for name in ("curve0", "alloc.bytes")] == [147, 157]


def test_unscale_inverts_the_scaling():
    counts = np.array([0.0, 1.0, 7.0, 1e6])
    np.testing.assert_allclose(unscale(np.log2(1 + counts)), counts, rtol=1e-12)


def test_operations_of_a_recorded_matmul_are_its_flops(matmul):
    stores = Stores.of([e.query.features for e in matmul])
    # Stored as float16, so scaled counts are exact to 2^-6 of a power of two.
    np.testing.assert_allclose(stores.total(flops(stores)), 2 * 128 * 768 * 768, rtol=0.02)


def test_every_store_writes_exactly_one_buffer(matmul):
    stores = Stores.of([e.query.features for e in matmul])
    written = stores.buffers("is_write") + stores.buffers("is_read_write")
    np.testing.assert_array_equal(written.sum(axis=1), 1)


def test_no_buffer_has_more_unique_bytes_than_it_holds(matmul):
    stores = Stores.of([e.query.features for e in matmul])
    largest = stores.buffers("unique_bytes").max(axis=1)
    assert largest.max() <= 1.02 * 768 * 768 * 4
    assert largest[flops(stores) > 0].min() > 0


def test_a_candidate_without_stores_gets_a_row_of_zeros():
    stores = Stores.of([np.zeros((0, WIDTH), np.float32), np.ones((2, WIDTH), np.float32)])
    np.testing.assert_array_equal(stores.starts, [0, 1])
    np.testing.assert_allclose(stores.total(stores.column("outer.loops")), [0, 2])
