"""The clients against the real server: the same answers as the local functions give."""

import asyncio
import inspect
import itertools
import json
import math
import random
import signal
import threading
import uuid
from dataclasses import replace
from functools import partial

import grpc
import pytest
import trustme

import costmodel
from costmodel.backends.registry import load
from costmodel.errors import InputError, ParseError, UnsupportedError, UsageError
from costmodel.ir import read_text, read_workload
from costmodel.ir.source import LIMIT_BYTES
from costmodel.oracle import AsyncClient, Client, Sharing, channel
from costmodel.oracle.access import Scope
from costmodel.oracle.clients import add_client, client_text
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.requests import record_requests, schedules_of
from costmodel.oracle.status import NotFoundError, RefusedError, TooSlowError, UnreachableError
from costmodel.records import Outcome, Schedule
from costmodel.store import open_store
from costmodel.target import host_target
from tests.oracle.answering import answering
from tests.oracle.clients import KINDS, opened
from tests.oracle.papers import issue, write_authority
from tests.oracle.texts import KERNEL, SCRIPTED
from tests.store import builders

#: Nobody listens there: it takes privileges.
NOWHERE = "127.0.0.1:1"


@pytest.fixture(params=KINDS)
def connect(request):
    """Opens clients of either kind."""
    return partial(opened, request.param)


@pytest.fixture
def client(connect, shared):
    with connect(shared.address) as found:
        yield found


@pytest.fixture
def elsewhere():
    """A target of the test's own."""
    return builders.target(cpu=f"of {uuid.uuid4()}")


def alike(one, other):
    """Equal, but for the last digits of what two processes computed."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    return one == (pytest.approx(other, rel=1e-4) if isinstance(one, float) else other)


def public(kind):
    return {
        name: value
        for name, value in inspect.getmembers(kind, callable)
        if not name.startswith("_") or name == "__init__"
    }


def test_both_clients_have_the_same_interface():
    first, second = public(Client), public(AsyncClient)
    assert first.keys() == second.keys()
    for name, method in first.items():
        ours, theirs = inspect.signature(method), inspect.signature(second[name])
        assert ours.parameters == theirs.parameters, name


@pytest.mark.parametrize("name", ["predict", "rank"])
def test_a_client_takes_what_the_local_functions_take(name):
    local = inspect.signature(getattr(costmodel, name)).parameters
    remote = inspect.signature(getattr(Client, name)).parameters
    assert set(remote) - {"self"} == set(local) - {"store", "weights"}
    for key in set(remote) & set(local):
        assert (remote[key].default, remote[key].kind) == (local[key].default, local[key].kind)


RANKED = {"n": 12, "seed": 4, "backend": "iree"}


@pytest.fixture(scope="module")
def local(shared):
    """What the local functions answer, with the package's weights as the server has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COSTMODEL_WEIGHTS")
        predicted = costmodel.predict(KERNEL, store=shared.store)
        return predicted, costmodel.rank(KERNEL, store=shared.store, **RANKED)


def test_predictions_are_those_of_the_local_function(client, local):
    found = client.predict(KERNEL)
    assert found.model == "transformer"
    assert alike(found.to_json(), local[0].to_json())


def test_rankings_are_those_of_the_local_function(client, local):
    found = client.rank(KERNEL, **RANKED)
    assert len(found.schedules) == len(local[1].schedules) > 2
    for there, here in zip(found.schedules, local[1].schedules, strict=True):
        assert alike(there.to_json(), here.to_json())


def test_of_a_kernel_with_a_script_the_oracle_says_what_is_said_here(client, shared, monkeypatch):
    """Nothing is known of such a kernel's schedules: they rank alike, and a note says why."""
    monkeypatch.delenv("COSTMODEL_WEIGHTS")
    asked = {"n": 3, "backend": "iree", "threads": 1}
    found = client.rank(SCRIPTED, **asked)
    assert "does not read transform scripts" in found.notes[0]
    assert found.notes == costmodel.rank(SCRIPTED, store=shared.store, **asked).notes
    scores = client.rank_schedules(read_workload(SCRIPTED), found.schedules, backend="iree")
    assert "does not read transform scripts" in scores.notes[0]


def test_what_is_measured_ranks_a_kernel_as_here(client, shared, monkeypatch):
    """Without features, as measurements come from elsewhere, both say the same."""
    monkeypatch.delenv("COSTMODEL_WEIGHTS")
    kernel = KERNEL.replace("64x", "56x")
    found = client.rank(kernel, **RANKED)
    fast, *_, slow = sorted(found.schedules, key=lambda one: one.schedule_hash)
    client.record(
        [
            builders.measurement(
                latency_us, workload=found.workload, target=host_target(measure=False).hash,
                schedule=Schedule(one.backend, json.dumps(one.schedule)),
                environment=builders.installed(one.backend),
            )
            for one, latency_us in ((fast, 0.5), (slow, 1e6))
        ],
        workloads=[read_text(kernel)], targets=[host_target(measure=False)],
    )  # fmt: skip
    told, here = (
        one.rank(kernel, **RANKED | more)
        for one, more in ((client, {}), (costmodel, {"store": shared.store}))
    )
    assert (told.schedules[0].measured_us, told.schedules[-1].measured_us) == (0.5, 1e6)
    for there, one in zip(told.schedules, here.schedules, strict=True):
        assert alike(there.to_json(), one.to_json())


def test_what_is_measured_of_a_kernel_with_a_script_ranks_it_as_here(client, shared, monkeypatch):
    monkeypatch.delenv("COSTMODEL_WEIGHTS")
    workload, own = read_workload(SCRIPTED), host_target(threads=1, measure=False)
    space = load("iree").space(workload, own)
    schedules = space.sample(24, random.Random(1))
    rows = list(zip(schedules, space.features(schedules), strict=True))
    with open_store(shared.store) as store:
        store.add_workload(workload)
        store.add_target(own)
        store.add_features(space.feature_set, workload.hash, rows)
        store.add([
            builders.measurement(
                10.0 * (1 + float(features.sum()) % 7), workload=workload.hash, target=own.hash,
                schedule=one, environment=builders.installed("iree"),
            )
            for one, features in rows
        ])  # fmt: skip
    asked = {"n": 24, "backend": "iree", "threads": 1}
    found = client.rank(SCRIPTED, **asked)
    here = costmodel.rank(SCRIPTED, store=shared.store, **asked)
    assert "xgboost" in found.model
    assert len({one.predicted_us for one in found.schedules}) > 2
    assert alike(found.to_json() | {"seconds": 0.0}, here.to_json() | {"seconds": 0.0})


def test_schedules_are_scored_in_their_order_in_any_number(client):
    space = load("iree").space(read_text(KERNEL), host_target(measure=False))
    drawn = [Schedule("iree", one.text) for one in (space.default(), *space.guesses())]
    drawn = list(itertools.islice(itertools.cycle(drawn), 300))  # more than one request takes
    scores = client.rank_schedules(KERNEL, drawn)
    assert scores.model == "transformer"
    assert len(scores.predictions) == 300
    by_schedule = {}
    for schedule, prediction in zip(drawn, scores.predictions, strict=True):
        assert by_schedule.setdefault(schedule.hash, prediction) == prediction
    assert len(set(by_schedule.values())) > 1
    backwards = client.rank_schedules(read_text(KERNEL), drawn[5::-1])
    assert [one.latency_us for one in backwards.predictions] == pytest.approx(
        [one.latency_us for one in scores.predictions[5::-1]], rel=1e-4
    )
    assert client.rank_schedules(KERNEL, []).predictions == ()


@pytest.mark.parametrize("backend", ["iree", "tvm"])
def test_schedules_are_scored_as_they_were_ranked(client, backend):
    ranked = client.rank(KERNEL, n=6, backend=backend).schedules
    listed = json.loads(json.dumps([one.to_json() for one in ranked]))
    for given in (ranked, listed):
        scores = client.rank_schedules(KERNEL, given, backend=backend)
        assert [one.latency_us for one in scores.predictions] == pytest.approx(
            [one.predicted_us for one in ranked], rel=1e-4
        )
    hashes = [one.schedule_hash for one in ranked]
    assert [one.hash for one in schedules_of(ranked)] == hashes
    alone = [{key: one[key] for key in ("backend", "schedule")} for one in listed]
    assert [one.hash for one in schedules_of(alone)] == hashes


def test_what_is_no_schedule_is_said(client):
    found = client.rank(KERNEL, n=2)
    for wrong in (found, found.to_json(), ["{}"], [{"backend": "tvm"}],
                  [{"backend": "tvm", "schedule": "{}"}]):  # fmt: skip
        with pytest.raises(UsageError, match="is no schedule") as caught:
            client.rank_schedules(KERNEL, wrong)
        assert "RankedSchedule" in caught.value.hint
    with pytest.raises(UsageError, match="no JSON"):
        client.rank_schedules(KERNEL, [{"backend": "tvm", "schedule": {"kind": {1, 2}}}])


def test_errors_are_placed_in_the_users_file(client, tmp_path):
    path = tmp_path / "broken.mlir"
    path.write_text(KERNEL.replace("linalg.matmul", "linalg.matmool"))
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "matmool" in text)
    for ask in (client.predict, client.rank, client.lookup):
        with pytest.raises(ParseError) as caught:
            ask(path)
        assert caught.value.location.file == str(path)
        assert caught.value.location.line == line
        with pytest.raises(ParseError) as local:
            costmodel.predict(path)
        assert str(local.value) == str(caught.value)


def test_what_is_wrong_with_a_question_is_said(client, tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        client.predict(tmp_path / "none.mlir")
    with pytest.raises(InputError, match="none"):
        client.predict(KERNEL, function="none")
    with pytest.raises(UsageError, match="abacus"):
        client.rank(KERNEL, backend="abacus")
    with pytest.raises(UsageError, match="no target is called 'tpu'"):
        client.predict(KERNEL, target="tpu")
    with pytest.raises(UsageError, match="threads"):
        client.predict(KERNEL, target="server", threads=2)
    with pytest.raises(NotFoundError):
        client.predict(KERNEL, target="0" * 64)
    loops = "func.func @f(%a: memref<8xf32>) {\n  return\n}\n"
    with pytest.raises(UnsupportedError):
        client.rank(loops)


def test_none_is_not_the_servers_default(connect):
    """Which is what 0 says on the wire."""
    with connect(NOWHERE) as client:
        for trials in (0, -1):
            for ask in (client.tune, client.start_tune):
                with pytest.raises(UsageError, match=f"trials is {trials}") as caught:
                    ask(KERNEL, trials=trials)
                assert "lookup" in caught.value.hint
        with pytest.raises(UsageError, match="n is 0"):
            client.rank(KERNEL, n=0)


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        ("rank", {"n": -1}), ("rank", {"n": 2**32}), ("rank", {"n": 2.5}), ("rank", {"seed": -1}),
        ("rank", {"seed": 2**32}), ("start_tune", {"seed": 2**32}), ("tune", {"trials": 2**32}),
        ("start_tune", {"seconds": 1e300}), ("start_tune", {"seconds": float("inf")}),
        ("tune", {"seconds": float("nan")}), ("tune", {"seconds": -1.0}),
    ],
)  # fmt: skip
def test_numbers_that_no_message_holds_are_bad_usage(connect, method, wrong):
    (name,) = wrong
    with connect(NOWHERE) as client, pytest.raises(UsageError, match=f"^{name} is "):
        getattr(client, method)(KERNEL, **wrong)


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"count": 2**32}, {"wait_s": -1.0}, {"wait_s": 1e12}, {"term_s": 1e12}]
)
def test_nor_are_leases_of_them(connect, wrong):
    (name,) = wrong
    with connect(NOWHERE) as client, pytest.raises(UsageError, match=f"^{name} is "):
        client.lease("0" * 64, **wrong)


def test_more_runs_than_a_message_can_ask_for_are_all(connect):
    async def listed(request, context):
        return pb.ListTunesResponse(tunes=[pb.TuneOperation(name="tunes/1")])

    with answering(ListTunes=listed) as address, connect(address) as client:
        assert len(client.list_tunes(2**40)) == 1


def test_a_target_is_this_machine_or_the_servers_or_known(client, elsewhere):
    here, there = client.predict(KERNEL), client.predict(KERNEL, target="server")
    assert here == there
    hash = client.register_target(elsewhere)
    assert hash == elsewhere.hash
    assert client.predict(KERNEL, target=hash) == client.predict(KERNEL, target=elsewhere)
    (known,) = (one for one in client.list_targets() if one.hash == hash)
    assert (known.target, known.own) == (elsewhere, False)
    assert known.target.peak_flops == elsewhere.peak_flops


def recorded(client, target, count):
    workload = read_text(KERNEL)
    found = [
        builders.measurement(
            20.0 + n, workload=workload.hash, target=target.hash,
            schedule=builders.schedule(n),
        )
        for n in range(count)
    ]  # fmt: skip
    assert client.record(found, workloads=[workload], targets=[target]) == count
    return found


def test_what_is_recorded_is_found(client, elsewhere):
    assert client.lookup(KERNEL, target=elsewhere) is None
    assert list(client.measurements(KERNEL, target=elsewhere)) == []
    found = recorded(client, elsewhere, 3)
    failed = builders.failure(
        Outcome.CRASH,
        workload=found[0].workload,
        target=elsewhere.hash,
        schedule=builders.schedule(),
    )
    assert client.record([*found, failed]) == 1
    best = client.lookup(KERNEL, target=elsewhere, toolchain="any")
    assert (best.best, best.latency_us) == (found[0], 20.0)
    assert best.outcomes == {"ok": 3, "crash": 1}
    assert client.lookup(best.workload, target=elsewhere.hash, toolchain="any") == best
    made = best.best.environment.toolchain
    assert client.lookup(best.workload, target=elsewhere.hash, toolchain=made) == best
    assert client.lookup(KERNEL, target=elsewhere) is None  # the server has other versions
    assert client.lookup(KERNEL, target=elsewhere, toolchain="0" * 64) is None
    listed = list(client.measurements(KERNEL, target=elsewhere))
    assert listed == [*found, failed]
    assert next(client.measurements(KERNEL, target=elsewhere)) == found[0]


def test_nothing_is_known_of_what_is_known_alone(client, elsewhere):
    assert client.lookup(KERNEL, target=client.register_target(elsewhere)) is None
    for asked, target in ((KERNEL, "0" * 64), ("0" * 64, elsewhere)):
        with pytest.raises(NotFoundError, match="has the hash 0000"):
            client.lookup(asked, target=target)


def test_records_are_sent_in_pieces(client, elsewhere, monkeypatch):
    monkeypatch.setattr("costmodel.oracle.requests._PIECE", 2000)
    pieces = list(record_requests([builders.measurement() for _ in range(40)]))
    assert len(pieces) > 5
    assert sum(len(piece.measurements) for piece in pieces) == 40
    assert all(piece.ByteSize() <= 2100 for piece in pieces)
    found = recorded(client, elsewhere, 40)
    assert list(client.measurements(KERNEL, target=elsewhere)) == found
    assert client.record(found) == 0


def test_only_the_text_and_the_name_of_a_file_are_sent(connect, tmp_path):
    asked = []

    async def keep(request, context):
        asked.append((request, dict(context.invocation_metadata())))
        return pb.PredictResponse(untuned=None)

    path = tmp_path / "secret" / "kernel.mlir"
    path.parent.mkdir()
    path.write_text(KERNEL)
    with answering(Predict=keep) as address, connect(address, token="s3cret") as client:
        client.predict(path, function="product")
    (request, metadata), *others = asked
    assert not others
    assert request.workload == pb.Workload(mlir=KERNEL, function="product", file_name="kernel.mlir")
    assert str(tmp_path) not in str(request)
    assert metadata["authorization"] == "Bearer s3cret"


def test_a_call_ends_when_it_takes_too_long(connect):
    async def sleep(request, context):
        await asyncio.sleep(600)

    with (
        answering(ListTargets=sleep) as address,
        connect(address, timeout=0.2) as client,
        pytest.raises(UnreachableError, match="Deadline"),
    ):
        client.list_targets()


@pytest.mark.parametrize("seconds", [None, 300.0, 600.0])
def test_how_long_a_call_may_take_is_the_users_to_say(connect, seconds):
    left = {}

    async def targets(request, context):
        left["call"] = context.time_remaining()
        return pb.ListTargetsResponse()

    async def lease(request, context):
        left["wait"] = context.time_remaining()
        return pb.LeaseResponse()

    with (
        answering(ListTargets=targets, Lease=lease) as address,
        connect(address, timeout=seconds) as client,
    ):
        client.list_targets()
        client.lease("0" * 64, wait_s=2000.0)
    usual = channel.DEADLINES["ListTargets"] if seconds is None else seconds
    assert left["call"] == pytest.approx(usual, abs=20)
    assert left["wait"] == pytest.approx(2000 + usual, abs=20)


def test_who_takes_answers_one_by_one_has_all_the_time(connect, tmp_path):
    left = []

    async def take(request, context):
        left.append(context.time_remaining())
        if isinstance(request, pb.WatchTuneRequest):
            yield pb.TuneEvent(end=pb.TuneOperation(state=pb.TUNE_STATE_DONE))

    methods = dict.fromkeys(("ListMeasurements", "WatchTune", "DownloadTune"), take)
    with answering(**methods) as address, connect(address, timeout=60.0) as client:
        assert list(client.measurements(KERNEL)) == []
        assert len(list(client.watch_tune("tunes/1"))) == 1
        assert client.download_tune("tunes/1", tmp_path / "out") == {}
    assert left == [None] * 3


def test_a_server_that_dies_in_a_call_is_asked_again(connect):
    calls = []

    async def die(request, context):
        calls.append(request)
        if len(calls) < 3:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        return pb.RecordResponse(added=1)

    with answering(Record=die) as address, connect(address) as client:
        assert client.record([builders.measurement()]) == 1
    assert len(calls) == 3
    assert calls[0] == calls[2]


def test_a_server_that_was_killed_is_found_again(serve, elsewhere, tmp_path):
    server = serve()
    with Client(server.address) as client:
        found = recorded(client, elsewhere, 2)
        server.stop(signal.SIGKILL)
        with pytest.raises(UnreachableError, match="does not answer") as caught:
            client.list_targets()
        assert "costmodel serve" in caught.value.hint
        assert caught.value.exit_status == 1
        serve("--listen", server.address, folder=tmp_path)
        for _ in range(50):  # gRPC pauses between its own tries to connect
            try:
                listed = list(client.measurements(KERNEL, target=elsewhere))
                break
            except UnreachableError:
                continue
        assert listed == found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, "60"])
def test_a_time_that_no_call_can_take_is_refused(kind, seconds):
    with pytest.raises(UsageError, match="timeout is"), opened(kind, NOWHERE, timeout=seconds):
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_an_address_is_text(kind):
    with pytest.raises(UsageError, match="no int"), opened(kind, 5):
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_was_closed_says_so(kind):
    with opened(kind, NOWHERE) as client:
        client.close()
        for ask in (
            client.list_targets,
            partial(client.predict, KERNEL),
            partial(client.rank_schedules, KERNEL, [builders.schedule()] * 300),  # a stream
            partial(next, client.watch_tune("tunes/1")),
            partial(next, client.measurements(KERNEL)),
        ):
            with pytest.raises(UsageError, match="this client is closed"):
                ask()


class Silent:
    """Answers nothing to a call, or no more than one event, and tells that it has come."""

    def __init__(self):
        self.reached = threading.Event()

    async def call(self, request, context):
        self.reached.set()
        await asyncio.sleep(600)

    async def tune(self, request, context):
        return pb.TuneOperation(name="tunes/1", state=pb.TUNE_STATE_RUNNING)

    async def watch(self, request, context):
        yield pb.TuneEvent(number=0, phase="reading")
        await self.call(request, context)

    async def rank(self, requests, context):
        async for _ in requests:
            await self.call(requests, context)
        yield pb.RankResponse()

    @property
    def methods(self):
        return {"ListTargets": self.call, "Tune": self.tune, "WatchTune": self.watch,
                "RankStream": self.rank}  # fmt: skip


def begun(client, method, *given):
    """A task that makes a call, in a thread where the client is one for threads."""
    call = getattr(client, method)

    async def awaited():
        found = call(*given)
        return [one async for one in found] if hasattr(found, "__aiter__") else await found

    def waited():
        found = call(*given)
        return list(found) if hasattr(found, "__next__") else found

    ours = isinstance(client, AsyncClient)
    return asyncio.create_task(awaited() if ours else asyncio.to_thread(waited))


CALLS = [("list_targets",), ("watch_tune", "tunes/1"), ("tune", KERNEL),
         ("rank_schedules", KERNEL, [builders.schedule()] * 300)]  # fmt: skip


@pytest.mark.parametrize("asked", CALLS, ids=lambda asked: asked[0])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_call_under_way_when_its_client_is_closed_says_so(kind, asked):
    server = Silent()

    async def ending(address):
        client = kind(address)
        task = begun(client, *asked)
        assert await asyncio.to_thread(server.reached.wait, 60)
        await asyncio.gather(*filter(None, [client.close()]))
        with pytest.raises(UsageError, match="this client is closed"):
            await task

    with answering(**server.methods) as address:
        asyncio.run(ending(address))


def test_a_task_that_is_cancelled_stays_so_when_its_client_is_closed():
    server = Silent()

    async def ending(address):
        client = AsyncClient(address)
        task = begun(client, "list_targets")
        assert await asyncio.to_thread(server.reached.wait, 60)
        task.cancel()
        await client.close()
        with pytest.raises(asyncio.CancelledError):
            await task

    with answering(**server.methods) as address:
        asyncio.run(ending(address))


@pytest.fixture
def nowhere(connect, tmp_path, monkeypatch):
    """A client that reaches nobody, which it finds out at once, and answers by itself."""
    monkeypatch.setitem(channel._RETRIES, "maxAttempts", 2)
    open_store(tmp_path / "store.sqlite").close()
    with connect(NOWHERE, fallback=True, store=tmp_path / "store.sqlite") as found:
        yield found


def test_where_nobody_is_reached_this_machine_answers_if_it_is_to(nowhere, tmp_path):
    found = nowhere.predict(KERNEL)
    note, *others = found.notes
    assert "127.0.0.1:1 does not answer: Connection refused" in note
    assert "answered on this machine" in note
    local = costmodel.predict(KERNEL, store=tmp_path / "store.sqlite")
    assert replace(found, notes=tuple(others)) == local
    ranked = nowhere.rank(KERNEL, n=2, seed=3, backend="tvm")
    assert ranked.notes == (note,)
    assert len(ranked.schedules) == 2


def test_of_other_machines_this_one_does_not_answer(nowhere):
    for ask in (
        partial(nowhere.predict, KERNEL, target="server"),
        partial(nowhere.rank, KERNEL, target=builders.target()),
        partial(nowhere.predict, "0" * 64),
        partial(nowhere.lookup, KERNEL),
    ):
        with pytest.raises(UnreachableError):
            ask()


def test_what_is_wrong_is_wrong_here_too(nowhere):
    with pytest.raises(UsageError, match="no such file"):
        nowhere.predict("none.mlir")
    with pytest.raises(ParseError):
        nowhere.predict("{")


def test_otherwise_that_is_an_error(connect):
    with connect(NOWHERE) as client, pytest.raises(UnreachableError, match="Connection refused"):
        client.predict(KERNEL)


def test_a_refusal_is_not_answered_by_this_machine(connect):
    async def refuse(request, context):
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")

    with (
        answering(Predict=refuse, Rank=refuse) as address,
        connect(address, fallback=True) as client,
    ):
        for ask in (client.predict, client.rank):
            with pytest.raises(RefusedError, match="not you"):
                ask(KERNEL)


def test_a_limit_that_was_passed_names_the_servers_option(serve):
    server = serve("--max-message", "1", "--timeout", "1e-3")
    with Client(server.address) as client:
        with pytest.raises(UsageError, match="larger than max") as large:
            client.rank(KERNEL + "// " + "x" * (1 << 20))
        with pytest.raises(TooSlowError, match=r"more than 0\.001 s") as slow:
            client.predict(KERNEL)
    assert "costmodel serve --max-message MIB" in large.value.hint
    assert "costmodel serve --timeout S" in slow.value.hint


def test_the_largest_file_is_taken_by_default(serve, tmp_path):
    server = serve()
    file = tmp_path / "large.mlir"
    file.write_text(KERNEL + "//" + "x" * (LIMIT_BYTES - len(KERNEL) - 3) + "\n")
    assert file.stat().st_size == LIMIT_BYTES
    with Client(server.address) as client:
        assert client.predict(file).function == "product"


def test_an_address_is_needed(monkeypatch):
    monkeypatch.delenv("COSTMODEL_ORACLE", raising=False)
    with pytest.raises(UsageError, match="no oracle is named"):
        Client()
    monkeypatch.setenv("COSTMODEL_ORACLE", NOWHERE)
    with Client() as client:
        assert client.connection.address == NOWHERE


def test_over_tls_with_a_token_that_may_read_alone(serve, tmp_path):
    authority = trustme.CA()
    pair, ca = issue(tmp_path, authority, "127.0.0.1"), write_authority(tmp_path, authority)
    add_client(tmp_path / "clients.toml", client_text("me", "s3cret", (Scope.READ,), None))
    server = serve(
        "--tls-cert", pair.cert, "--tls-key", pair.key, "--clients", tmp_path / "clients.toml"
    )
    address = f"grpcs://{server.address}"
    for kind in KINDS:
        with opened(kind, address, ca=ca, token="s3cret") as client:
            assert client.predict(KERNEL).function == "product"
            assert list(client.measurements(KERNEL)) == []
            with pytest.raises(RefusedError, match="record") as caught:
                client.record([], targets=[builders.target()])
            assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED
        with opened(kind, address, ca=ca) as client, pytest.raises(RefusedError) as caught:
            client.predict(KERNEL)
        assert caught.value.code is grpc.StatusCode.UNAUTHENTICATED
        with (
            opened(kind, address, token="s3cret") as client,
            pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED") as strange,
        ):
            client.wait_tune("tunes/1")
        assert not strange.value.passing  # so that nobody waits two minutes for it
    with Client(address, ca=ca, token="s3cret") as client, Sharing(client) as outside:
        outside.offer([builders.measurement()])
        (note,) = outside.settle()
        assert "not recorded at the oracle" in note
        assert "record" in note
