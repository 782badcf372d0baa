"""What goes wrong: the right status each, the server stays up, nothing is lost."""

import contextlib
import os
import resource
import signal
import socket
import sqlite3
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costmodel.oracle.client import Client
from costmodel.oracle.convert import measurement_to, target_to
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.proto.oracle_pb2_grpc import OracleStub
from costmodel.oracle.status import TooSlowError, error_from
from costmodel.store import open_store
from tests.oracle.texts import DEADLY, DEEP, KERNEL
from tests.store import builders

Code = grpc.StatusCode
WORKLOAD = pb.Workload(mlir=KERNEL)
METHODS = [(one.name, one.client_streaming, one.server_streaming)
           for one in pb.DESCRIPTOR.services_by_name["Oracle"].methods]  # fmt: skip


def answers(server) -> bool:
    """Whether the server still does its work."""
    return bool(server.running and server.stub().Predict(pb.PredictRequest(workload=WORKLOAD)))


@contextlib.contextmanager
def refused(*codes):
    """A call that ends with one of these codes, and says why."""
    with pytest.raises(grpc.RpcError) as caught:
        yield caught
    assert caught.value.code() in codes, caught.value
    assert caught.value.details()


def prepare(server):
    """Have the store know a workload and a target; what measurements then name."""
    target = builders.target()
    known = server.stub().Record(
        pb.RecordRequest(workloads=[WORKLOAD], targets=[target_to(target)])
    )
    return {"workload": known.workloads[0], "target": target.hash}


def test_killed_amid_a_thousand_records_it_has_all_that_it_acknowledged(serve, tmp_path):
    server = serve()
    names = prepare(server)
    ids = [str(uuid.uuid4()) for _ in range(1000)]
    requests = [
        pb.RecordRequest(measurements=[measurement_to(builders.measurement(id=id, **names))])
        for id in ids
    ]
    acknowledged = []
    with server.channel() as channel:
        stub = OracleStub(channel)
        calls = {id: stub.Record.future(one) for id, one in zip(ids, requests, strict=True)}
        for id, call in calls.items():
            call.add_done_callback(
                lambda done, id=id: acknowledged.append(id) if done.code() is Code.OK else None
            )
        while len(acknowledged) < 200:
            time.sleep(0.001)
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait(60)
        for call in calls.values():
            with contextlib.suppress(grpc.RpcError):
                call.result(60)
    assert 200 <= len(acknowledged) <= 1000
    again = serve(folder=tmp_path)
    with open_store(again.store, read_only=True) as store:
        assert store.verify() == []
        assert {one.id for one in store.measurements()} >= set(acknowledged)
    # A client that was told nothing asks again, and nothing is doubled.
    stub = again.stub()
    assert sum(stub.Record(one).added for one in requests) <= 1000 - len(acknowledged)
    with open_store(again.store, read_only=True) as store:
        assert sorted(one.id for one in store.measurements()) == sorted(ids)


def test_a_message_that_is_too_large_is_refused(shared):
    with refused(Code.RESOURCE_EXHAUSTED):
        shared.stub().Predict(pb.PredictRequest(workload=pb.Workload(mlir="x" * (64 << 20))))
    assert answers(shared)


@pytest.mark.parametrize(("name", "client_streams", "server_streams"), METHODS)
def test_bytes_that_are_no_message_are_refused(shared, name, client_streams, server_streams):
    with shared.channel() as channel:
        kind = (
            f"{'stream' if client_streams else 'unary'}_{'stream' if server_streams else 'unary'}"
        )
        call = getattr(channel, kind)(f"/costmodel.v1.Oracle/{name}")
        request = b"\xff\xff\xff garbage"
        with pytest.raises(grpc.RpcError) as caught:
            list(call(iter([request]) if client_streams else request)) if server_streams else call(
                request
            )
        assert caught.value.code() in (Code.INTERNAL, Code.INVALID_ARGUMENT)
    assert shared.running


TEXT = st.one_of(
    st.text(max_size=60),
    st.sampled_from([KERNEL, DEEP, "module {}", "/etc/passwd", "\0", "{}", KERNEL[:200]]),
)
HASH = st.one_of(st.text(max_size=70), st.just("0" * 64))
WORKLOADS = st.one_of(
    st.just(pb.Workload()),
    st.builds(pb.Workload, mlir=TEXT, function=st.text(max_size=8), file_name=TEXT),
    st.builds(pb.Workload, hash=HASH),
)
NUMBERS = st.floats(width=64)
FACTS = st.builds(
    pb.Target, kind=st.one_of(st.just("cpu"), TEXT), arch=TEXT, cpu=TEXT,
    threads=st.one_of(st.integers(1, 64), st.integers(0, 2**32 - 1)),
    vector_bytes=st.one_of(st.integers(1, 64), st.integers(0, 2**32 - 1)), bandwidth=NUMBERS,
    peak_flops=st.dictionaries(st.text(max_size=4), NUMBERS, max_size=2),
)  # fmt: skip
TARGETS = st.one_of(
    st.just(pb.TargetRef()),
    st.builds(pb.TargetRef, hash=HASH),
    st.builds(pb.TargetRef, facts=FACTS),
)
SCHEDULES = st.builds(pb.Schedule, backend=st.sampled_from(["tvm", "iree", "", "x"]), text=TEXT)
ASKED = {"workload": WORKLOADS, "target": TARGETS, "backend": st.sampled_from(["", "tvm", "x"])}
MEASUREMENTS = st.builds(
    pb.Measurement, id=st.text(max_size=3), workload=HASH, target=HASH, schedule=SCHEDULES,
    outcome=st.integers(0, 12), samples_us=st.lists(NUMBERS, max_size=3), max_error=NUMBERS,
    extra_json=TEXT, build_seconds=NUMBERS,
)  # fmt: skip
REQUESTS = st.one_of(
    st.tuples(st.just("Predict"), st.builds(pb.PredictRequest, **ASKED)),
    st.tuples(st.just("Rank"), st.builds(
        pb.RankRequest, schedules=st.lists(SCHEDULES, min_size=1, max_size=3), **ASKED)),
    st.tuples(st.just("Lookup"), st.builds(pb.LookupRequest, toolchain=HASH, **ASKED)),
    st.tuples(st.just("Record"), st.builds(
        pb.RecordRequest, workloads=st.lists(WORKLOADS, max_size=2),
        targets=st.lists(FACTS, max_size=2), measurements=st.lists(MEASUREMENTS, max_size=2))),
    st.tuples(st.just("RegisterTarget"), st.builds(pb.RegisterTargetRequest, target=FACTS)),
    st.tuples(st.just("GetTune"), st.builds(pb.GetTuneRequest, name=TEXT)),
    st.tuples(st.just("CancelTune"), st.builds(pb.CancelTuneRequest, name=TEXT)),
    st.tuples(st.just("Complete"), st.builds(
        pb.CompleteRequest, lease=TEXT, measurement=MEASUREMENTS)),
    st.tuples(st.just("ListTunes"), st.builds(
        pb.ListTunesRequest, page_size=st.integers(0, 2**32 - 1), page_token=TEXT)),
)  # fmt: skip
#: What a request may deserve; anything else is a defect.
DESERVED = {
    Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.PERMISSION_DENIED,
    Code.UNIMPLEMENTED,
}  # fmt: skip


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(asked=REQUESTS)
def test_a_thousand_malformed_requests(shared, asked):
    method, request = asked
    error = None
    try:
        _stub(shared, method)(request, timeout=60)
    except grpc.RpcError as caught:
        error = caught
    if error is not None:
        assert error.code() in DESERVED, (method, request, error)
        assert error.details()
        assert str(error_from(error, "here"))
    assert shared.running


_channels: dict[str, grpc.Channel] = {}


def _stub(server, method):
    """One channel for all examples: to make one takes longer than the call."""
    channel = _channels.setdefault(server.address, server.channel())
    return getattr(OracleStub(channel), method)


@pytest.mark.parametrize(("text", "why"), [(DEEP, "nested too deeply"), (DEADLY, "died of")])
def test_text_that_kills_parsers_costs_its_sender_an_error(shared, text, why):
    with refused(Code.INVALID_ARGUMENT) as caught:
        shared.stub().Predict(pb.PredictRequest(workload=pb.Workload(mlir=text)))
    assert why in caught.value.details()
    assert answers(shared)


def test_a_scoring_process_that_dies_is_replaced(serve):
    server = serve()
    assert answers(server)
    (child,) = [one for one in psutil.Process(server.process.pid).children()
                if "costmodel.oracle.answers" in one.cmdline()]  # fmt: skip
    child.kill()
    assert server.stub().Rank(pb.RankRequest(workload=WORKLOAD, count=4)).schedules


def test_a_question_that_takes_too_long_is_given_up(serve):
    server = serve("--timeout", "0.0001")
    with refused(Code.DEADLINE_EXCEEDED) as caught:
        server.stub().Rank(pb.RankRequest(workload=WORKLOAD, count=4))
    assert "took more than" in caught.value.details()
    with Client(server.address) as client, pytest.raises(TooSlowError, match="took more than"):
        client.rank(KERNEL, n=4)
    assert server.running


def test_a_deadline_is_obeyed(shared):
    with refused(Code.DEADLINE_EXCEEDED):
        shared.stub().Rank(pb.RankRequest(workload=WORKLOAD, count=3000, seed=77), timeout=0.01)
    assert answers(shared)


def test_a_slow_reader_holds_nobody_up(shared):
    names = prepare(shared)
    rows = [builders.measurement(error="x" * 2000, **names) for _ in range(3000)]
    stub = shared.stub()
    for start in range(0, len(rows), 500):
        part = map(measurement_to, rows[start : start + 500])
        stub.Record(pb.RecordRequest(measurements=part))
    asked = pb.ListMeasurementsRequest(
        workload=pb.Workload(hash=names["workload"]), target=pb.TargetRef(hash=names["target"])
    )
    with shared.channel() as slow:
        stream = OracleStub(slow).ListMeasurements(asked)
        next(stream)
        before = psutil.Process(shared.process.pid).memory_info().rss
        for _ in range(20):
            assert answers(shared)
        assert psutil.Process(shared.process.pid).memory_info().rss < before + (64 << 20)
        assert sum(1 for _ in stream) >= len(rows) - 1
    with shared.channel() as gone:
        next(OracleStub(gone).ListMeasurements(asked))
    assert answers(shared)


def test_a_store_that_another_process_holds(serve):
    server = serve()
    names = prepare(server)
    request = pb.RecordRequest(measurements=[measurement_to(builders.measurement(**names))])
    holder = sqlite3.connect(server.store, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with refused(Code.UNAVAILABLE) as caught:
        server.stub().Record(request)
    assert "holding the store" in caught.value.details()
    assert answers(server)  # who only reads does not notice
    holder.execute("ROLLBACK")
    assert server.stub().Record(request).added == 1


def test_a_full_disk(serve):
    limit = 1 << 20
    server = serve()
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    names = prepare(server)
    stub, kept = server.stub(), []
    with refused(Code.RESOURCE_EXHAUSTED) as caught:
        for _ in range(400):
            rows = [builders.measurement(error="x" * 2000, **names) for _ in range(10)]
            stub.Record(pb.RecordRequest(measurements=map(measurement_to, rows)))
            kept += [row.id for row in rows]
    assert "cannot grow" in caught.value.details()
    assert kept
    assert answers(server)
    with open_store(server.store, read_only=True) as store:
        assert store.verify() == []
        assert {one.id for one in store.measurements()} >= set(kept)


def test_garbage_instead_of_http_is_disregarded(shared):
    host, port = shared.address.rsplit(":", 1)
    for garbage in (
        b"GET / HTTP/1.1\r\n\r\n",
        os.urandom(4096),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ):
        with socket.create_connection((host, int(port))) as raw, contextlib.suppress(OSError):
            raw.sendall(garbage)
            raw.settimeout(5)
            raw.recv(4096)
    assert answers(shared)


def test_clients_that_leave_in_mid_call_leave_nothing_behind(shared):
    with shared.channel() as channel, ThreadPoolExecutor(8) as threads:
        stub = OracleStub(channel)
        calls = [stub.Rank.future(pb.RankRequest(workload=WORKLOAD, count=500, seed=seed))
                 for seed in range(16)]  # fmt: skip
        list(threads.map(lambda call: call.cancel(), calls))
    assert answers(shared)
