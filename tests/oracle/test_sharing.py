"""What is measured here gets to the oracle, and the reverse, and never stands in the way."""

import signal
import threading
import uuid
from dataclasses import replace

import grpc
import pytest

from costmodel.errors import StoreFullError, StoreLockedError, UsageError
from costmodel.ir import read_text
from costmodel.oracle import Client, Sharing, channel
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.status import RefusedError, UnreachableError, status_of
from costmodel.records import Script
from costmodel.results import Silent
from costmodel.store import open_store
from costmodel.target import host_target
from tests.oracle.answering import answering
from tests.oracle.texts import KERNEL
from tests.store import builders

WORKLOAD = read_text(KERNEL)
NOWHERE = "127.0.0.1:1"


@pytest.fixture
def target():
    return builders.target(cpu=f"of {uuid.uuid4()}")


@pytest.fixture
def make(target):
    """Makes measurements of the kernel on the test's target."""

    def some(count):
        return [
            builders.measurement(workload=WORKLOAD.hash, target=target.hash) for _ in range(count)
        ]

    return some


@pytest.fixture
def store(tmp_path, target):
    with open_store(tmp_path / "local.sqlite") as opened:
        opened.add_workload(WORKLOAD)
        opened.add_target(target)
        yield opened


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setitem(channel._RETRIES, "maxAttempts", 2)


def ids(measurements):
    return sorted(one.id for one in measurements)


def held(store, target):
    return ids(store.measurements(workload=WORKLOAD.hash, target=target.hash))


def test_both_stores_learn_of_each_other(shared, target, make, store):
    here, there, new = make(2), make(3), make(4)
    store.add(here)
    with Client(shared.address) as client, Sharing(client) as oracle:
        client.record(there, workloads=[WORKLOAD], targets=[target])
        oracle.exchange(WORKLOAD, target, store)
        assert held(store, target) == ids([*here, *there])
        for one in new:
            oracle.offer([one])
        assert oracle.settle() == []
        assert ids(client.measurements(WORKLOAD, target=target)) == ids([*here, *there, *new])
        oracle.offer(new)  # again: nothing is doubled
        assert oracle.settle() == []
        assert len(list(client.measurements(WORKLOAD, target=target))) == 9


def test_an_oracle_that_knows_nothing_is_told_what_it_is_about(shared, make, target, store):
    other = read_text(KERNEL.replace("64x96", "64x48").replace("96x80", "48x80"))
    mine = [replace(one, workload=other.hash) for one in make(2)]
    store.add_workload(other)
    store.add(mine)
    with Client(shared.address) as client, Sharing(client) as oracle:
        oracle.exchange(other, target, store)
        assert oracle.settle() == []
        assert ids(client.measurements(other.hash, target=target.hash)) == ids(mine)


class Recorder:
    """Records as an oracle does, once a test lets it."""

    def __init__(self):
        self.open = threading.Event()
        self.ids = []

    async def record(self, request, context):
        if not self.open.is_set():
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        self.ids += [one.id for one in request.measurements]
        return pb.RecordResponse(added=len(request.measurements))


def test_what_could_not_be_sent_is_sent_when_it_can_be(make, impatient):
    recorder, mine = Recorder(), make(5)
    with (
        answering(Record=recorder.record) as address,
        Client(address) as client,
        Sharing(client) as oracle,
    ):
        oracle.offer(mine[:3])
        (note,) = oracle.settle()
        assert "3 measurements were not recorded at the oracle" in note
        assert "not yet" in note
        oracle.offer(mine[3:])
        recorder.open.set()
        assert oracle.settle() == []
    assert sorted(recorder.ids) == ids(mine)


@pytest.mark.parametrize("trouble", [StoreLockedError, StoreFullError])
def test_a_store_that_is_held_or_full_refuses_nothing(make, trouble):
    calls, kept, opened = [], [], threading.Event()

    async def record(request, context):
        calls.append(request)
        if not opened.is_set():
            status = status_of(trouble("not now"))
            # A negative pause is gRPC's way of saying that no other try is wanted.
            trailing = [pair for pair in status.trailing_metadata if "retry" not in pair[0]]
            trailing.append(("grpc-retry-pushback-ms", "-1"))
            await context.abort(status.code, status.details, tuple(trailing))
        kept.extend(one.id for one in request.measurements)
        return pb.RecordResponse(added=len(request.measurements))

    mine = make(5)
    with answering(Record=record) as address, Client(address) as client, Sharing(client) as oracle:
        oracle.offer(mine)
        (note,) = oracle.settle()
        assert "5 measurements were not recorded at the oracle: not now" in note
        assert len(calls) < 5  # not one by one
        opened.set()
        assert oracle.settle() == []
    assert sorted(kept) == ids(mine)


def test_nobody_waits_for_an_oracle_that_hangs(make):
    entered, leave = threading.Event(), threading.Event()

    async def hang(request, context):
        import asyncio

        entered.set()
        await asyncio.to_thread(leave.wait, 60)
        return pb.RecordResponse()

    with answering(Record=hang) as address, Client(address) as client, Sharing(client) as oracle:
        oracle.offer(make(1))
        assert entered.wait(60)
        oracle.offer(make(2))  # returns while the first is under way
        assert oracle._sender.flush(0.1) is not None
        leave.set()
        assert oracle.settle() == []


def refusing(*bad):
    """Refuses requests that have one of these measurements."""
    kept = []

    async def record(request, context):
        found = [one.id for one in request.measurements]
        if set(bad) & set(found):
            status = status_of(UsageError("one of them is damaged"))
            await context.abort(status.code, status.details, status.trailing_metadata)
        kept.extend(found)
        return pb.RecordResponse(added=len(found))

    return kept, record


def test_one_that_is_refused_does_not_take_the_others_with_it(make):
    mine = make(6)
    kept, record = refusing(mine[2].id)
    with answering(Record=record) as address, Client(address) as client, Sharing(client) as oracle:
        oracle.offer(mine)
        (note,) = oracle.settle()
        assert oracle.settle() == []  # said once
    assert "1 measurement was not recorded" in note
    assert "damaged" in note
    assert sorted(kept) == ids([*mine[:2], *mine[3:]])


def test_who_may_not_record_is_told_so_once(make):
    calls, asked = [], threading.Event()

    async def refuse(request, context):
        calls.append(request)
        asked.set()
        status = status_of(RefusedError("you may only read"))
        await context.abort(status.code, status.details, status.trailing_metadata)

    with answering(Record=refuse) as address, Client(address) as client, Sharing(client) as oracle:
        oracle.offer(make(40))
        assert asked.wait(60)
        for _ in range(3):  # as a search goes on that measures
            oracle.offer(make(20))
        (note,) = oracle.settle()
        assert len(calls) == 1
        assert oracle.settle() == []
        oracle.offer(make(1))
        assert len(oracle.settle()) == 1
    assert "100 measurements were not recorded at the oracle: you may only read" in note
    assert "again, by who may record, sends them" in note
    assert len(calls) == 2


def test_an_oracle_that_was_never_reached_is_an_error(store, target, impatient):
    with Client(NOWHERE) as client, Sharing(client) as oracle:
        with pytest.raises(UnreachableError):
            oracle.exchange(WORKLOAD, target, store)
        with pytest.raises(UnreachableError):
            oracle.choose(WORKLOAD, target, {"iree"})


def test_or_a_note_where_this_machine_is_to_stand_in(store, target, make, impatient):
    store.add(make(1))
    with Client(NOWHERE) as client, Sharing(client, fallback=True) as oracle:
        oracle.exchange(WORKLOAD, target, store)
        chosen = oracle.choose(WORKLOAD, target, {"iree"})
        assert chosen.model is None  # the tests switch the weights off
        oracle.offer(make(1))
        left_out, unsent = oracle.settle()
    assert "the oracle was left out" in left_out
    assert "1 measurement was not recorded" in unsent


def test_one_that_is_lost_later_is_a_note(store, target, impatient):
    async def nothing(request, context):
        if False:
            yield

    with answering(ListMeasurements=nothing) as address:
        client = Client(address)
        oracle = Sharing(client)
        oracle.exchange(WORKLOAD, target, store)
    assert oracle.choose(WORKLOAD, target, {"iree"}).model is None
    oracle.exchange(WORKLOAD, target, store)
    assert [note for note in oracle.settle() if "was left out" in note]
    oracle.close()
    client.close()


def test_which_model_ranks_is_said(shared, target):
    with Client(shared.address) as client, Sharing(client) as oracle:
        known = oracle.choose(WORKLOAD, host_target(measure=False), {"iree"})
        assert known.model is not None
        assert known.model.name == "oracle (transformer)"
        foreign = oracle.choose(WORKLOAD, replace(target, arch="riscv64"), {"iree"})
        assert foreign.model is None
        assert "this target is another" in foreign.reason
        script = replace(WORKLOAD, script=Script("", "main", ()))
        assert "scripts" in oracle.choose(script, target, {"iree"}).reason
        known.model.trouble = "it was away"
        assert known.reason.endswith("it was away")


class Watching(Silent):
    """Does something once, when some trials have ended."""

    def __init__(self, after, do):
        self.trials, self._after, self._do = 0, after, do

    def on_trial(self, trial, best_us):
        self.trials += 1
        if self.trials == self._after:
            self._do()


def test_a_run_shares_what_it_measures_and_takes_what_is_known(shared, tune, stored, tmp_path):
    with Client(shared.address) as client, Sharing(client) as oracle:
        result = tune(trials=12, seed=3, outside=oracle)
        workload, here = result.workload, stored()
        there = list(client.measurements(workload))
        assert ids(there) == ids(here)
        assert len(here) > 12  # the final too
        # The oracle knows no schedules of this backend, and says so; the run goes on.
        (note,) = (note for note in result.notes if "did not rank" in note)
        assert "'scripted'" in note
        again = tune(
            trials=0, outside=oracle, store=tmp_path / "fresh.sqlite", out=tmp_path / "out"
        )
        assert (again.measured, again.cached) == (0, 12)
        assert again.best_us == result.best_us
        assert ids(stored(tmp_path / "fresh.sqlite")) == ids(here)


def test_a_run_ends_as_ever_when_its_oracle_dies(serve, tune, stored, impatient, tmp_path):
    server = serve()
    dying = Watching(3, lambda: server.stop(signal.SIGKILL))
    with Client(server.address) as client, Sharing(client) as oracle:
        result = tune(trials=24, seed=3, outside=oracle, progress=dying)
    assert (result.measured, result.problems) == (24, ())
    assert len(stored()) > 24
    assert any("not recorded at the oracle" in note for note in result.notes)
    # What it had acknowledged it still has; the next run sends the rest.
    again = serve("--listen", server.address, folder=tmp_path)
    with Client(again.address) as client, Sharing(client) as oracle:
        tune(trials=0, outside=oracle)
        assert ids(client.measurements(result.workload)) == ids(stored())


def test_rows_of_other_kernels_are_not_taken(store, target, make):
    mine, foreign = make(1), [replace(make(1)[0], workload="0" * 64)]

    async def mixed(request, context):
        from costmodel.oracle.convert import measurement_to

        for one in (*mine, *foreign):
            yield measurement_to(one)
        yield pb.Measurement(id="damaged")

    with (
        answering(ListMeasurements=mixed) as address,
        Client(address) as client,
        Sharing(client) as oracle,
        pytest.warns(UserWarning, match="damaged"),
    ):
        oracle.exchange(WORKLOAD, target, store)
    assert ids(store.measurements()) == ids(mine)
