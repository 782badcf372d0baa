"""What the server keeps of its store: until that changes, and up to an end in bytes."""

import asyncio
import dataclasses

import pytest

from costmodel.oracle import reading
from costmodel.oracle.reading import StoreReader
from costmodel.records import Outcome, Schedule, TimingPolicy
from costmodel.store import open_store
from costmodel.store.sqlite import SQLiteStore
from tests.store import builders


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.sqlite") as opened:
        yield opened


@pytest.fixture
def reader(tmp_path, store):
    made = StoreReader(tmp_path / "store.sqlite")
    yield made
    made.close()


def test_long_texts_are_kept_while_there_is_room(monkeypatch, tmp_path, store):
    monkeypatch.setattr(reading, "_KEPT", 20_000)
    listed = [dataclasses.replace(builders.workload(), text=f"{n}" + "x" * 5000) for n in range(9)]
    for one in listed:
        store.add_workload(one)
    made = StoreReader(tmp_path / "store.sqlite")
    for one in [*listed, *listed]:
        assert asyncio.run(made.workload(one.hash)) == one
    assert 0 < made._workloads.currsize <= 20_000
    made.close()


@pytest.mark.parametrize("short", [1000, 0], ids=["here", "in another thread"])
def test_the_best_is_read_again_when_the_store_has_changed(monkeypatch, store, reader, short):
    monkeypatch.setattr(reading, "_SHORT", short)
    first = builders.measurement(9.0, policy=TimingPolicy())
    made = [("tvm", None)]
    store.add_workload(builders.workload())
    store.add_target(builders.target())

    async def best():
        found = await reader.known(first.workload, first.target, made)
        return found and (found.latency_us, found.response.latency_us)

    assert asyncio.run(best()) is None
    for latency_us, known in ((9.0, 9.0), (7.0, 7.0), (8.0, 7.0)):
        schedule = dataclasses.replace(first.schedule, text=f'{{"n": {latency_us}}}')
        store.add([builders.measurement(latency_us, schedule=schedule, policy=TimingPolicy())])
        assert asyncio.run(best()) == asyncio.run(best()) == (known, known)


@pytest.fixture
def described(store):
    """The store, with the workload and target of what is measured."""
    store.add_workload(builders.workload())
    store.add_target(builders.target())
    return store


ASKED = (builders.workload().hash, builders.target().hash, [("tvm", None)])


def timed(latency_us, **changes):
    schedule = Schedule("tvm", f'{{"n": {latency_us}}}')
    return builders.measurement(latency_us, schedule=schedule, **changes)


@pytest.mark.parametrize("short", [1000, 0], ids=["here", "in another thread"])
def test_what_is_added_while_the_best_is_looked_for_is_seen_the_next_time(
    monkeypatch, described, reader, short
):
    monkeypatch.setattr(reading, "_SHORT", short)
    described.add([timed(9.0)])
    look = SQLiteStore.best_known

    def slow(self, **key):
        found = look(self, **key)
        described.add([timed(1.0)])
        return found

    with monkeypatch.context() as patch:
        patch.setattr(SQLiteStore, "best_known", slow)
        asyncio.run(reader.known(*ASKED))
    found = asyncio.run(reader.known(*ASKED))
    assert (found.latency_us, found.outcomes) == (1.0, {"ok": 2})


def test_what_is_kept_of_measurements_has_an_end_in_bytes(monkeypatch, described, reader):
    monkeypatch.setattr(reading, "_KEPT", 10_000)
    described.add([timed(9.0, extra={"log": "x" * 10_000})])
    for _ in range(2):
        assert asyncio.run(reader.known(*ASKED)).latency_us == 9.0
    assert not reader._seen
    described.add([timed(8.0)])
    assert asyncio.run(reader.known(*ASKED)).latency_us == 8.0
    assert 0 < reader._seen.currsize < 10_000


def test_answers_stay_the_same_while_nothing_is_added(described, reader):
    described.add([timed(9.0), builders.failure(Outcome.BUILD_ERROR)])
    first = asyncio.run(reader.known(*ASKED))
    described.add_workload(builders.workload("another"))
    assert asyncio.run(reader.known(*ASKED)).response is first.response
    assert first.outcomes == {"ok": 1, "build_error": 1}
    found = asyncio.run(reader.best_us(*ASKED[:2], {"tvm": "0" * 64, "iree": "0" * 64}, ""))
    assert found is None
    made = builders.environment().toolchain
    policy = TimingPolicy().hash
    assert asyncio.run(reader.best_us(*ASKED[:2], {"tvm": made}, policy)) == 9.0


def test_another_file_in_its_place_is_read_anew(tmp_path, described, reader):
    described.add([timed(float(n)) for n in range(5, 9)])
    assert asyncio.run(reader.known(*ASKED)).latency_us == 5.0
    described._connection.query("DELETE FROM measurements")
    described.add([timed(7.0)])
    assert asyncio.run(reader.known(*ASKED)).latency_us == 7.0
