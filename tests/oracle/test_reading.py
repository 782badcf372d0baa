"""What the server keeps of its store: until that changes, and up to an end in bytes."""

import asyncio
import dataclasses

import pytest

from costmodel.oracle import reading
from costmodel.oracle.reading import StoreReader
from costmodel.records import TimingPolicy
from costmodel.store import open_store
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
    assert 0 < made._kept.currsize <= 20_000
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
