"""Merging stores: by id, as often as wanted, in any order."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.errors import StoreCorruptError, StoreError
from costmodel.records import Workload
from costmodel.store import open_store
from costmodel.store.entries import FeaturesEntry, TargetEntry, WorkloadEntry
from costmodel.store.lines import encode
from costmodel.store.sqlite import BadRowWarning
from costmodel.store.transfer import import_file, merge
from tests.store import builders

#: What stores may hold; each store of a test takes some of it, in its own order.
POOL = [builders.measurement(float(n), schedule=builders.schedule(n)) for n in range(1, 6)]


def contents(path):
    with open_store(path, read_only=True) as store:
        assert store.verify() == []
        return sorted(json.dumps(encode(entry), sort_keys=True) for entry in store.entries())


def entries_of(name, seen, rate, rate_seen, chosen):
    """One store: its name for the workload, its rates for the target, its measurements."""
    first = builders.workload()
    workload = Workload(first.text, name, first.inputs, first.outputs)
    return [
        WorkloadEntry(workload, float(seen)),
        TargetEntry(builders.target(bandwidth=float(rate)), float(rate_seen)),
        *(POOL[n] for n in chosen),
        *(FeaturesEntry("set", workload.hash, builders.schedule(n), builders.features(n + rate))
          for n in chosen),
    ]  # fmt: skip


stores = st.builds(
    entries_of,
    st.sampled_from(["f", "g", "h"]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.lists(st.integers(0, 4), unique=True),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(stores, min_size=2, max_size=3), st.randoms(use_true_random=False))
def test_any_order_gives_the_same_store(tmp_path_factory, drawn, random):
    folder = tmp_path_factory.mktemp("merge")
    paths = [folder / f"{n}.sqlite" for n in range(len(drawn))]
    for path, entries in zip(paths, drawn, strict=True):
        with open_store(path) as store:
            store.ingest(entries)
    before = [contents(path) for path in paths]
    results = []
    for attempt in ("one", "two"):
        order = paths * 2  # idempotent: each is merged twice
        random.shuffle(order)
        with open_store(folder / f"{attempt}.sqlite") as store:
            for path in order:
                merge(store, path)
        results.append(contents(folder / f"{attempt}.sqlite"))
    assert results[0] == results[1]
    assert [contents(path) for path in paths] == before
    ids = {entry.id for entries in drawn for entry in entries if entry in POOL}
    with open_store(folder / "one.sqlite") as store:
        assert {each.id for each in store.measurements()} == ids


def test_merge_counts_what_is_new_and_takes_documents_along(store, tmp_path, t4_file):
    other = tmp_path / "other.sqlite"
    with open_store(other) as source:
        source.ingest(entries_of("f", 1, 1, 1, [0, 1, 2]))
        import_file(source, t4_file)
    store.add([POOL[0]])
    added = merge(store, other)
    assert added == {
        "workloads": 1,
        "targets": 1,
        "documents": 1,
        "measurements": 11,
        "features": 3,
    }
    assert set(merge(store, other).values()) == {0}
    from costmodel.store.transfer import t4_documents

    documents = dict(t4_documents(store))
    assert documents["vector_add_T1000.json"] == json.loads(t4_file.read_text())


def test_a_store_merged_with_itself_stays(store, path):
    store.add(POOL)
    assert set(merge(store, path).values()) == {0}


def test_what_cannot_be_merged(store, tmp_path):
    with pytest.raises(StoreError, match="no store"):
        merge(store, tmp_path / "missing.sqlite")
    (tmp_path / "text").write_text("no database " * 100)
    with pytest.raises(StoreCorruptError):
        merge(store, tmp_path / "text")


def test_bad_rows_of_the_source_stay_behind(store, tmp_path):
    import sqlite3

    other = tmp_path / "other.sqlite"
    with open_store(other) as source:
        source.ingest(entries_of("f", 1, 1, 1, [0, 1]))
        source.add_workload(builders.workload("lost"))
        source.add([builders.measurement(workload=builders.workload("lost").hash)])
    with contextlib.closing(sqlite3.connect(other, isolation_level=None)) as conn:
        conn.execute("UPDATE measurements SET samples = '' WHERE id = ?", [POOL[0].id])
        conn.execute("UPDATE workloads SET text = 'changed' WHERE function = 'lost'")
    with pytest.warns(BadRowWarning, match="left out"):
        added = merge(store, other)
    assert added["measurements"] == 1
    assert [each.id for each in store.measurements()] == [POOL[1].id]
    assert store.verify() == []
