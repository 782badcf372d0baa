"""The contract on a file and in memory, and what only a file can show."""

import dataclasses
import json
import random
import sqlite3
import warnings
from pathlib import Path

import pytest

from costmodel.errors import StoreCorruptError
from costmodel.records import Outcome
from costmodel.store import open_store
from costmodel.store.entries import TargetEntry
from costmodel.store.sqlite import BadRowWarning
from tests.store import builders
from tests.store.contract import StoreContract


class TestFile(StoreContract):
    def make(self, directory):
        return open_store(directory / "store.sqlite")


class TestMemory(StoreContract):
    def make(self, directory):
        return open_store(Path(":memory:"))

    def test_nothing_is_written(self, store, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        store.add([builders.measurement()])
        assert list(tmp_path.iterdir()) == []


def change(path, sql, *parameters):
    with sqlite3.connect(path) as conn:
        conn.execute("PRAGMA foreign_keys = OFF")
        assert conn.execute(sql, parameters).rowcount > 0
    conn.close()


def test_everything_is_there_after_reopening(path):
    given = [builders.measurement(), builders.failure(Outcome.RUN_TIMEOUT)]
    with open_store(path) as store:
        store.add_workload(builders.workload())
        store.add_target(builders.target())
        store.add(given)
    with open_store(path) as store:
        assert list(store.measurements()) == given
        assert store.workload(builders.workload().hash) == builders.workload()
        assert store.verify() == []


def test_tables_hold_text_that_others_can_read(store, path):
    given = builders.measurement(1.5, 2.5)
    store.add([given])
    store.add_features("set", given.workload, [(given.schedule, builders.features(1))])
    with sqlite3.connect(path) as conn:
        samples, extra = conn.execute("SELECT samples, extra FROM measurements").fetchone()
        assert json.loads(samples) == [1.5, 2.5]
        assert json.loads(extra) == {}
        stored = conn.execute("SELECT stores, width, data FROM features").fetchone()
    conn.close()
    import zlib

    raw = zlib.decompress(stored[2])
    assert stored[:2] == (3, 5)
    assert raw == builders.features(1).astype("<f4").tobytes()


BAD = {
    "samples": ("UPDATE measurements SET samples = '[1.0,' WHERE id = ?", "measurement"),
    "sample": ("UPDATE measurements SET samples = '[1.0,\"x\"]' WHERE id = ?", "expected a number"),
    "infinite": ("UPDATE measurements SET samples = '[Infinity]' WHERE id = ?", "finite"),
    "zero": ("UPDATE measurements SET samples = '[1.0,0.0]' WHERE id = ?", "not above zero"),
    "negative": ("UPDATE measurements SET samples = '[-5.0]' WHERE id = ?", "not above zero"),
    "outcome": ("UPDATE measurements SET outcome = 'splendid' WHERE id = ?", "splendid"),
    "outcome kind": ("UPDATE measurements SET outcome = x'00ff' WHERE id = ?", "Outcome"),
    "extra": ("UPDATE measurements SET extra = '[]' WHERE id = ?", "expected an object"),
    "extra depth": (f"UPDATE measurements SET extra = '{'[' * 100_000}' WHERE id = ?", "deep"),
    "timestamp": ("UPDATE measurements SET timestamp = 'noon' WHERE id = ?", "expected a number"),
    "schedule": ("UPDATE measurements SET schedule = 'none' WHERE id = ?", "schedule is missing"),
    "policy": ("UPDATE measurements SET policy = 'none' WHERE id = ?", "policy is missing"),
    "environment": (
        "UPDATE measurements SET environment = 'none' WHERE id = ?", "environment is missing"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "reason"), BAD.values(), ids=BAD)
def test_a_bad_row_is_a_miss_with_a_warning(store, path, sql, reason):
    good, bad = builders.measurement(9.0), builders.measurement(1.0, schedule=builders.schedule(1))
    store.add([good, bad])
    change(path, sql, bad.id)
    with pytest.warns(BadRowWarning, match=reason):
        assert list(store.measurements()) == [good]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BadRowWarning)
        assert store.best(workload=good.workload, target=good.target) == good
    assert any(bad.id in sentence for sentence in store.verify())


def test_many_bad_rows_are_one_warning(store, path):
    store.add(builders.measurement() for _ in range(30))
    change(path, "UPDATE measurements SET samples = ''")
    with pytest.warns(BadRowWarning, match="and 29 more") as caught:
        assert list(store.measurements()) == []
    assert len(caught) == 1


@pytest.mark.parametrize("table", ["workloads", "targets"])
def test_a_changed_workload_or_target_is_a_miss(store, path, table):
    changes = {
        "workloads": "UPDATE workloads SET text = replace(text, 'f', 'g')",
        "targets": "UPDATE targets SET facts = replace(facts, 'fma', 'fmb')",
    }
    change(path, changes[table])
    find, key = {
        "workloads": (store.workload, builders.workload().hash),
        "targets": (store.target, builders.target().hash),
    }[table]
    with pytest.warns(BadRowWarning, match="hash"):
        assert find(key) is None


def test_bad_features_are_a_miss(store, path):
    rows = [(builders.schedule(n), builders.features(n)) for n in range(3)]
    store.add_features("set", builders.workload().hash, rows)
    change(path, "UPDATE features SET data = x'00' WHERE schedule = ?", rows[0][0].hash)
    change(path, "UPDATE features SET stores = 1000000 WHERE schedule = ?", rows[1][0].hash)
    with pytest.warns(BadRowWarning, match="and 1 more"):
        found = list(store.features("set"))
    assert [schedule for _, schedule, _ in found] == [rows[2][0].hash]


def test_bytes_that_are_no_text_in_a_message_are_kept_as_escapes(store):
    store.add([builders.failure(Outcome.BUILD_ERROR, error="bad \udcff byte")])
    assert next(store.measurements()).error == r"bad \udcff byte"


def test_a_sample_that_is_no_number_is_refused(store):
    with pytest.raises(ValueError, match="JSON compliant"):
        store.add([builders.measurement(), builders.measurement(float("nan"))])
    assert list(store.measurements()) == []


def test_foreign_keys_are_on_for_the_store_itself(store):
    orphan = dataclasses.replace(builders.measurement(), target="0" * 64)
    with pytest.raises(Exception, match="target"):
        store.add([orphan])
    assert store.stats()["measurements"] == 0


@pytest.mark.parametrize("table", ["schedules", "policies", "environments"])
def test_a_key_that_is_no_text_is_a_miss(store, path, table):
    good, bad = builders.measurement(9.0), builders.measurement(1.0, schedule=builders.schedule(1))
    store.add([good, bad])
    column = {"schedules": "schedule", "policies": "policy", "environments": "toolchain"}[table]
    sql = f"UPDATE measurements SET {column} = CAST(x'66ff66' AS TEXT) WHERE id = ?"
    change(path, sql, bad.id)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BadRowWarning)
        assert store.best(workload=good.workload, target=good.target) == good
    assert store.verify() != []


def test_text_that_is_none_is_a_bad_row_and_nothing_else(store, path):
    good, bad = builders.measurement(), builders.measurement()
    store.add([good, bad])
    change(path, "UPDATE measurements SET error = CAST(x'ff' AS TEXT) WHERE id = ?", bad.id)
    with pytest.warns(BadRowWarning, match="surrogates"):
        assert list(store.measurements()) == [good]
    change(path, "UPDATE measurements SET outcome = CAST(x'6fff' AS TEXT) WHERE id = ?", bad.id)
    assert store.stats()["by_outcome"] == {"ok": 1, r"o\udcff": 1}
    assert all(sentence.isprintable() for sentence in store.verify())


def test_no_damage_is_an_unforeseen_error(tmp_path):
    """Bytes changed at random: every answer is right in kind, a warning or one of our errors."""
    original = tmp_path / "original.sqlite"
    with open_store(original) as store:
        store.add_workload(builders.workload())
        store.add_target(builders.target())
        store.add(builders.measurement(schedule=builders.schedule(n)) for n in range(60))
        rows = [(builders.schedule(n), builders.features(n)) for n in range(10)]
        store.add_features("set", builders.workload().hash, rows)
    whole = original.read_bytes()
    asked = {"workload": builders.workload().hash, "target": builders.target().hash}
    refused = 0
    for seed in range(30):
        drawn = random.Random(seed)
        content = bytearray(whole)
        for _ in range(drawn.choice([1, 10, 100])):
            content[drawn.randrange(len(content))] = drawn.randrange(256)
        path = tmp_path / f"{seed}.sqlite"
        path.write_bytes(content)
        for ask in (
            lambda store: list(store.measurements()),
            lambda store: store.best(**asked),
            lambda store: list(store.features("set")),
            lambda store: list(store.entries()),
            lambda store: store.verify(),
            lambda store: store.stats(),
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", BadRowWarning)
                try:
                    with open_store(path, read_only=True) as store:
                        ask(store)
                except StoreCorruptError:
                    refused += 1
    assert 0 < refused < 30 * 6


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)])
def test_rates_that_were_not_measured_replace_none_that_were(tmp_path, order):
    entries = [
        TargetEntry(builders.target(peak_flops={"f32": 1e11}), 1.0),
        TargetEntry(builders.target(peak_flops={"f32": 2e11}), 2.0),
        TargetEntry(builders.target(peak_flops={}, bandwidth=0.0), 3.0),
    ]
    with open_store(tmp_path / "rates.sqlite") as store:
        for place in order:
            store.ingest([entries[place]])
        (found,) = store.targets()
    assert found.peak_flops == {"f32": 2e11}


def test_what_was_added_after_a_number(tmp_path):
    with open_store(tmp_path / "store.sqlite") as store:
        store.add_workload(builders.workload())
        store.add_target(builders.target())
        names = {"workload": builders.workload().hash, "target": builders.target().hash}
        assert store.added_after(0, **names) == (0, [])
        late, early = builders.measurement(timestamp=2e9), builders.measurement(timestamp=1e9)
        store.add([late])
        number, found = store.added_after(0, **names)
        assert found == [late]
        store.add([early])
        assert store.added_after(number, **names)[1] == [early]
        assert store.added_after(0, **names)[1] == [early, late]
        assert number < store.newest() == store.added_after(0, **names)[0]
        assert store.outcomes(**names) == {"ok": 2}
        assert store.outcomes(**names, after=number) == {"ok": 1}
        assert store.outcomes(**names, until=number) == {"ok": 1}
        assert store.outcomes(**names, after=store.newest()) == {}
