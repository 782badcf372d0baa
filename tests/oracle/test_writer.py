"""One writer: many at once become few transactions, and nobody pays for another's fault."""

import asyncio
import threading

import pytest

from costmodel.errors import StoreError, StoreLockedError
from costmodel.oracle.status import OverloadedError
from costmodel.oracle.writer import Writer
from costmodel.store import open_store
from tests.store import builders


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.sqlite") as store:
        store.add_workload(builders.workload())
        store.add_target(builders.target())
        yield store


def run(store, test):
    async def begin():
        writer = Writer(store)
        try:
            return await asyncio.wait_for(test(writer), 60)
        finally:
            await writer.close()

    return asyncio.run(begin())


def test_many_that_write_at_once_are_all_told_their_own_count(store):
    rows = [[builders.measurement() for _ in range(n % 4)] for n in range(200)]

    async def test(writer):
        return await asyncio.gather(*(writer.keep(measurements=one) for one in rows))

    assert run(store, test) == [len(one) for one in rows]
    ids = {one.id for one in store.measurements()}
    assert ids == {each.id for one in rows for each in one}


def test_who_writes_what_cannot_be_written_is_alone_refused(store):
    bad = builders.measurement(workload=builders.workload("unknown").hash)
    good = [builders.measurement() for _ in range(50)]

    async def test(writer):
        calls = [writer.keep(measurements=[one]) for one in [*good[:25], bad, *good[25:]]]
        return await asyncio.gather(*calls, return_exceptions=True)

    found = run(store, test)
    assert isinstance(found.pop(25), StoreError)
    assert found == [1] * 50
    assert {one.id for one in store.measurements()} == {one.id for one in good}


def test_what_waits_at_the_end_is_written(store):
    rows = [builders.measurement() for _ in range(300)]

    async def test(writer):
        calls = [asyncio.create_task(writer.keep(measurements=[one])) for one in rows]
        await asyncio.sleep(0)
        await writer.close()
        with pytest.raises(OverloadedError):
            await writer.keep(measurements=[builders.measurement()])
        return await asyncio.gather(*calls)

    assert sum(run(store, test)) == 300
    assert sum(1 for _ in store.measurements()) == 300


def test_who_leaves_still_takes_the_room_of_what_waits(store, monkeypatch):
    monkeypatch.setattr("costmodel.oracle.writer._WAITING", 4 * 1200)  # of four, not five
    holder = threading.Lock()
    add = store.add_groups

    def slow(groups):
        with holder:
            return add(groups)

    monkeypatch.setattr(store, "add_groups", slow)

    async def test(writer):
        with holder:
            gone = [
                asyncio.create_task(writer.keep(measurements=[builders.measurement()]))
                for _ in range(4)
            ]
            await asyncio.sleep(0)
            for one in gone:
                one.cancel()
            await asyncio.gather(*gone, return_exceptions=True)
            with pytest.raises(OverloadedError):
                await writer.keep(measurements=[builders.measurement()])
        while writer._waiting:
            await asyncio.sleep(0.001)
        assert await writer.keep(measurements=[builders.measurement()]) == 1

    run(store, test)


def test_a_store_that_is_held_is_waited_for_once(store, monkeypatch):
    tried = []

    def held(groups):
        tried.append(len(groups))
        raise StoreLockedError("another process is holding the store")

    monkeypatch.setattr(store, "add_groups", held)

    async def test(writer):
        calls = [writer.keep(measurements=[builders.measurement()]) for _ in range(30)]
        return await asyncio.gather(*calls, return_exceptions=True)

    found = run(store, test)
    assert all(isinstance(one, StoreLockedError) for one in found)
    assert sum(tried) == 30


def test_a_client_that_leaves_takes_nothing_back(store):
    one = builders.measurement()

    async def test(writer):
        call = asyncio.create_task(writer.keep(measurements=[one]))
        await asyncio.sleep(0)
        call.cancel()

    run(store, test)
    assert [each.id for each in store.measurements()] == [one.id]
