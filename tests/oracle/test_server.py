"""What a client sees of the server when all goes well."""

import asyncio
import dataclasses
import json
import signal
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

import costmodel
from costmodel.oracle import servicer
from costmodel.oracle.convert import measurement_from, measurement_to, target_to
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.records import Outcome, Schedule, TimingPolicy
from costmodel.store import open_store
from tests.oracle.conftest import COMMAND
from tests.oracle.texts import KERNEL
from tests.store import builders

WORKLOAD = pb.Workload(mlir=KERNEL)


@pytest.fixture
def measured(shared):
    """Measurements of the kernel, made up, as clients record them: a good, a better, a wrong one.

    They are of another target than the server's own, so that they are in nobody's way.
    """
    stub = shared.stub()
    target = builders.target(cpu="of test_server")
    known = stub.Record(pb.RecordRequest(workloads=[WORKLOAD], targets=[target_to(target)]))
    changes = {"workload": known.workloads[0], "target": target.hash}
    schedules = [builders.schedule(n) for n in range(3)]
    found = [
        builders.measurement(20.0, 22.0, schedule=schedules[0], **changes),
        builders.measurement(10.0, 11.0, 12.0, schedule=schedules[1], **changes),
        builders.failure(Outcome.WRONG_RESULT, schedule=schedules[2], **changes),
    ]
    stub.Record(pb.RecordRequest(measurements=map(measurement_to, found)))
    return found


def test_a_prediction_is_the_one_that_the_library_gives(shared, monkeypatch):
    monkeypatch.delenv("COSTMODEL_WEIGHTS")
    answer = shared.stub().Predict(pb.PredictRequest(workload=WORKLOAD))
    local = costmodel.predict(KERNEL, store=shared.store)
    assert answer.model == local.model == "transformer"
    assert answer.workload == local.workload
    assert answer.function == "product"
    for name in ("latency_us", "low_us", "high_us", "roofline_us", "flops", "bytes", "intensity"):
        assert getattr(answer, name) == pytest.approx(getattr(local, name), rel=1e-4)
    assert answer.untuned.vector_registers == local.untuned.vector_registers
    assert list(answer.notes) == list(local.notes)


def test_a_prediction_tells_the_best_that_these_compilers_made_until_now(shared):
    stub, target = shared.stub(), builders.target(cpu="of a test of its own")
    stub.Record(pb.RecordRequest(workloads=[WORKLOAD], targets=[target_to(target)]))
    where = pb.TargetRef(hash=target.hash)
    asked = pb.PredictRequest(workload=WORKLOAD, target=where, backend="tvm")
    first = stub.Predict(asked)
    other = builders.measurement(1.0, workload=first.workload, target=target.hash,
                                 policy=TimingPolicy())  # fmt: skip
    stub.Record(pb.RecordRequest(measurements=[measurement_to(other)]))
    assert stub.Predict(asked) == first  # that was made by other versions
    for latency_us, best in ((9.0, 9.0), (7.0, 7.0), (8.0, 7.0)):
        found = builders.measurement(
            latency_us, schedule=builders.schedule(int(latency_us)),
            workload=first.workload, target=first.target_hash, policy=TimingPolicy(),
            environment=builders.installed("tvm"),
        )  # fmt: skip
        stub.Record(pb.RecordRequest(measurements=[measurement_to(found)]))
        assert stub.Predict(asked).measured_us == stub.Predict(asked).measured_us == best
    first.measured_us = best
    assert stub.Predict(asked) == first


def test_what_is_no_schedule_neither_refuses_others_nor_keeps_the_model_from_learning(shared):
    stub = shared.stub()
    workload = pb.Workload(mlir=KERNEL.replace("64x", "72x"))
    asked = pb.RankRequest(workload=workload, count=8, backend="tvm")
    first = stub.Rank(asked)
    texts = [builders.schedule().text, '{"kind":"trace","trace":[[["GetSBlock",[],["x"],[]]],[]]}']
    texts += [one.schedule.text for one in first.schedules]
    recorded = [
        builders.measurement(
            1e6, workload=first.workload, target=first.target_hash, schedule=Schedule("tvm", text),
            environment=builders.installed("tvm"), policy=TimingPolicy(),
        )
        for text in texts
    ]  # fmt: skip
    stub.Record(pb.RecordRequest(workloads=[workload], measurements=map(measurement_to, recorded)))
    found = stub.Rank(asked)
    before = {one.schedule_hash: one.predicted_us for one in first.schedules}
    assert all(one.predicted_us > 5 * before[one.schedule_hash] for one in found.schedules)
    assert stub.Predict(pb.PredictRequest(workload=workload, backend="tvm")).measured_us == 1e6


def test_what_was_learned_of_a_schedule_that_proves_wrong_is_taken_back(shared):
    stub = shared.stub()
    workload = pb.Workload(mlir=KERNEL.replace("@product", "@proven_wrong"))
    asked = pb.RankRequest(workload=workload, count=8, backend="tvm")

    def ranked():
        return {one.schedule_hash: one.predicted_us for one in stub.Rank(asked).schedules}

    first = stub.Rank(asked)
    good = builders.measurement(
        1e6, workload=first.workload, target=first.target_hash, policy=TimingPolicy(),
        schedule=Schedule("tvm", first.schedules[0].schedule.text),
        environment=builders.installed("tvm"),
    )  # fmt: skip
    before = ranked()
    stub.Record(pb.RecordRequest(workloads=[workload], measurements=[measurement_to(good)]))
    assert all(told > before[one] for one, told in ranked().items())
    wrong = dataclasses.replace(good, id="wrong", outcome=Outcome.WRONG_RESULT)
    stub.Record(pb.RecordRequest(measurements=[measurement_to(wrong)]))
    assert ranked() == pytest.approx(before)


def test_schedules_that_the_server_draws_and_those_that_it_is_given_rank_alike(shared):
    stub = shared.stub()
    drawn = stub.Rank(pb.RankRequest(workload=WORKLOAD, count=24, seed=3))
    assert [one.rank for one in drawn.schedules] == list(range(1, 25))
    assert [one.predicted_us for one in drawn.schedules] == sorted(
        one.predicted_us for one in drawn.schedules
    )
    given = [one.schedule for one in reversed(drawn.schedules)]
    again = stub.Rank(pb.RankRequest(workload=WORKLOAD, schedules=given, top=10))
    assert [one.schedule_hash for one in again.schedules] == [
        one.schedule_hash for one in drawn.schedules[:10]
    ]
    assert [given[one.index].text for one in again.schedules] == [
        one.schedule.text for one in drawn.schedules[:10]
    ]
    assert [one.predicted_us for one in again.schedules] == pytest.approx(
        [one.predicted_us for one in drawn.schedules[:10]], rel=1e-4
    )
    assert not again.schedules[0].HasField("schedule")


def test_a_ranking_is_the_one_that_the_library_gives(shared, monkeypatch):
    monkeypatch.delenv("COSTMODEL_WEIGHTS")
    answer = shared.stub().Rank(pb.RankRequest(workload=WORKLOAD, count=16, seed=1))
    local = costmodel.rank(KERNEL, n=16, seed=1, store=shared.store)
    assert [one.schedule_hash for one in answer.schedules] == [
        one.schedule_hash for one in local.schedules
    ]
    assert [one.predicted_us for one in answer.schedules] == pytest.approx(
        [one.predicted_us for one in local.schedules], rel=1e-4
    )


def test_the_same_question_has_the_same_answer(shared):
    """Also where there are so many schedules that most are only skimmed."""
    stub, asked = shared.stub(), pb.RankRequest(workload=WORKLOAD, count=300, seed=5)
    first = stub.Rank(asked)
    again = stub.Rank(asked)
    assert [one.schedule_hash for one in again.schedules] == [
        one.schedule_hash for one in first.schedules
    ]
    assert [one.predicted_us for one in again.schedules] == pytest.approx(
        [one.predicted_us for one in first.schedules], rel=1e-4
    )


def test_a_stream_ranks_piece_by_piece(shared):
    stub = shared.stub()
    drawn = [one.schedule for one in
             stub.Rank(pb.RankRequest(workload=WORKLOAD, count=12)).schedules]  # fmt: skip
    pieces = [
        pb.RankRequest(workload=WORKLOAD, schedules=drawn[:4]),
        pb.RankRequest(schedules=drawn[4:9]),
        pb.RankRequest(schedules=drawn[9:]),
    ]
    answers = list(stub.RankStream(iter(pieces)))
    assert [len(one.schedules) for one in answers] == [4, 5, 3]
    assert {one.workload for one in answers} == {answers[0].workload}


def test_rankings_that_are_asked_for_at_once_are_those_asked_for_alone(shared):
    stub = shared.stub()
    drawn = [one.schedule for one in
             stub.Rank(pb.RankRequest(workload=WORKLOAD, count=60, seed=9)).schedules]  # fmt: skip
    asked = [
        pb.RankRequest(workload=WORKLOAD, schedules=drawn[n : n + 10]) for n in range(0, 50, 5)
    ]
    with ThreadPoolExecutor(len(asked)) as threads:
        together = list(threads.map(stub.Rank, asked))
    for request, answer in zip(asked, together, strict=True):
        alone = stub.Rank(request)
        assert [one.index for one in alone.schedules] == [one.index for one in answer.schedules]
        assert [one.predicted_us for one in alone.schedules] == pytest.approx(
            [one.predicted_us for one in answer.schedules], rel=1e-4
        )


def test_the_best_that_is_known_comes_with_its_provenance(shared, measured):
    stub = shared.stub()
    target = pb.TargetRef(hash=measured[0].target)
    asked = {"target": target, "any_toolchain": True}
    found = stub.Lookup(pb.LookupRequest(workload=WORKLOAD, **asked))
    assert measurement_from(found.best) == measured[1]
    assert found.latency_us == 11.0
    assert found.outcomes["wrong_result"] == found.outcomes["ok"] / 2
    by_hash = pb.Workload(hash=found.workload)
    assert stub.Lookup(pb.LookupRequest(workload=by_hash, **asked)) == found


def test_a_look_up_is_of_its_target_alone(shared, measured):
    elsewhere = pb.TargetRef(facts=target_to(builders.target(cpu="another")))
    with pytest.raises(grpc.RpcError) as caught:
        shared.stub().Lookup(pb.LookupRequest(workload=WORKLOAD, target=elsewhere))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_look_up_may_ask_for_a_backend_and_a_toolchain(shared, measured):
    stub, target = shared.stub(), pb.TargetRef(hash=measured[0].target)
    asked = {"workload": WORKLOAD, "target": target}
    toolchain = measured[0].environment.toolchain
    assert stub.Lookup(pb.LookupRequest(**asked, backend="tvm", toolchain=toolchain)).latency_us
    for other in ({"backend": "iree", "any_toolchain": True}, {"toolchain": "0" * 64}, {}):
        with pytest.raises(grpc.RpcError) as caught:
            stub.Lookup(pb.LookupRequest(**asked, **other))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_look_up_knows_what_was_recorded_a_moment_ago_also_by_others(shared, measured):
    stub, target = shared.stub(), pb.TargetRef(hash=measured[0].target)
    asked = pb.LookupRequest(workload=WORKLOAD, target=target, any_toolchain=True)
    assert stub.Lookup(asked).latency_us == 11.0
    faster = builders.measurement(5.0, schedule=builders.schedule(7),
                                  workload=measured[0].workload,
                                  target=measured[0].target)  # fmt: skip
    stub.Record(pb.RecordRequest(measurements=[measurement_to(faster)]))
    assert stub.Lookup(asked).latency_us == 5.0
    wrong = dataclasses.replace(faster, id="by another process", outcome=Outcome.WRONG_RESULT)
    with open_store(shared.store) as store:
        store.add([wrong])
    assert stub.Lookup(asked).latency_us == 11.0


def test_what_is_no_schedule_is_not_recorded_and_neither_is_the_rest(shared, measured):
    good, bad = (
        measurement_to(dataclasses.replace(measured[0], id=id, schedule=schedule))
        for id, schedule in (("good", builders.schedule(9)), ("bad", Schedule("tvm", "{}")))
    )
    with pytest.raises(grpc.RpcError) as caught:
        shared.stub().Record(pb.RecordRequest(measurements=[good, bad]))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "no schedule of the backend 'tvm'" in caught.value.details()
    (violation,) = [
        found.field_violations[0].field
        for detail in rpc_status.from_call(caught.value).details
        if detail.Unpack(found := error_details_pb2.BadRequest())
    ]
    assert violation == "measurements[1].schedule.text"
    with open_store(shared.store, read_only=True) as store:
        assert store.with_id("good") == []


def test_recording_twice_is_recording_once(shared, measured):
    stub = shared.stub()
    one = dataclasses.replace(measured[0], id="recorded twice")
    request = pb.RecordRequest(measurements=[measurement_to(one)])
    assert stub.Record(request).added == 1
    assert stub.Record(request).added == 0
    listed = list(
        stub.ListMeasurements(
            pb.ListMeasurementsRequest(
                workload=pb.Workload(hash=one.workload), target=pb.TargetRef(hash=one.target)
            )
        )
    )
    assert [each.id for each in listed].count(one.id) == 1
    assert measurement_from(next(each for each in listed if each.id == one.id)) == one


def test_a_target_is_known_once_it_is_registered(shared):
    stub, target = shared.stub(), builders.target(cpu="registered")
    hash = stub.RegisterTarget(pb.RegisterTargetRequest(target=target_to(target))).hash
    assert hash == target.hash
    known = {each.hash: each for each in stub.ListTargets(pb.ListTargetsRequest()).targets}
    assert known[hash].target == target_to(target)
    assert [each.own for each in known.values()].count(True) == 1
    asked = pb.PredictRequest(workload=WORKLOAD, target=pb.TargetRef(hash=hash))
    assert stub.Predict(asked).target_hash == hash


def test_what_is_told_of_the_servers_own_target_is_what_it_answers_with(serve):
    stub = serve().stub()
    (own,) = stub.ListTargets(pb.ListTargetsRequest()).targets
    other = pb.Target()
    other.CopyFrom(own.target)
    other.bandwidth = 2 * own.target.bandwidth + 1
    stub.RegisterTarget(pb.RegisterTargetRequest(target=other))
    (again,) = stub.ListTargets(pb.ListTargetsRequest()).targets
    assert again == own


def test_many_measurements_are_not_read_where_others_would_wait():
    many = [measurement_to(builders.measurement()) for _ in range(200)]

    async def run():
        turns, reading = 0, asyncio.create_task(servicer._measurements(many))
        while not reading.done():
            await asyncio.sleep(0)
            turns += 1
        assert list(map(measurement_to, await reading)) == many
        return turns

    assert asyncio.run(run()) > 1  # others had theirs meanwhile


def test_targets_come_page_by_page(shared):
    stub = shared.stub()
    for number in range(5):
        target = target_to(builders.target(cpu=f"of a page {number}"))
        stub.RegisterTarget(pb.RegisterTargetRequest(target=target))
    found, token = [], ""
    while True:
        page = stub.ListTargets(pb.ListTargetsRequest(page_size=2, page_token=token))
        assert 1 <= len(page.targets) <= 2
        found += [each.hash for each in page.targets]
        token = page.next_page_token
        if not token:
            break
    everything = stub.ListTargets(pb.ListTargetsRequest()).targets
    assert found == sorted(found) == [each.hash for each in everything]
    assert len(found) > 5


def test_health_and_reflection_answer(shared):
    with shared.channel() as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", "costmodel.v1.Oracle"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        database = ProtoReflectionDescriptorDatabase(channel)
        assert "costmodel.v1.Oracle" in set(database.get_services())
        file = database.FindFileContainingSymbol("costmodel.v1.Oracle")
        assert file.SerializeToString() == pb.DESCRIPTOR.serialized_pb


def test_metrics_count_what_was_asked(serve):
    server = serve("--metrics", "127.0.0.1:0")
    page = next(event["address"] for event in server.events() if event["event"] == "metrics")
    server.stub().Predict(pb.PredictRequest(workload=WORKLOAD))
    text = urllib.request.urlopen(f"http://{page}/metrics").read().decode()
    assert 'costmodel_oracle_calls_total{code="OK",method="Predict"} 1.0' in text
    assert "costmodel_oracle_call_seconds_bucket" in text


def test_a_place_for_metrics_that_is_none_is_refused(tmp_path):
    store = ["--store", str(tmp_path / "store.sqlite"), "--listen", "127.0.0.1:0"]
    for place in ("127.0.0.1:99999", "unix:/tmp/metrics"):
        done = subprocess.run(
            [*COMMAND, *store, "--processes", "1", "--metrics", place],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert "--metrics" in json.loads(done.stdout)["error"]["message"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(serve, number):
    server = serve()
    server.stub().ListTargets(pb.ListTargetsRequest())
    assert server.stop(number) == 0
    assert not list(server.store.parent.glob("*-wal"))  # all is in the file itself
    with open_store(server.store, read_only=True) as store:
        assert store.verify() == []


def test_a_server_says_what_it_answers_from(serve, tmp_path):
    server = serve()
    store = tmp_path / "store.sqlite"
    assert server.began == {
        "address": server.address, "store": str(store), "created": True, "tuning": False
    }  # fmt: skip
    command = [one for one in COMMAND if one != "--json"]
    process = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--store", str(store), "--processes", "1",
         "--allow-tuning"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        assert line.startswith("the oracle listens on 127.0.0.1:")
        assert f"with the store {store};" in line
        assert line.endswith("tuning is allowed\n")
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
