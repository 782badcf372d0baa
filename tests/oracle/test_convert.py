"""Records keep their value, their hash and their key on the way through messages."""

import json
import math
from dataclasses import replace

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.oracle import convert
from costmodel.oracle.convert import FieldError
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.records import (
    Environment,
    Measurement,
    Outcome,
    Schedule,
    Target,
    TimingPolicy,
)
from costmodel.results import PredictResult, Untuned
from tests.store import builders

#: All that protobuf carries as a string; lone surrogates are no text.
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NAMES = TEXT.filter(bool)
HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
RATES = st.floats(0, 1e18)
SECONDS = st.floats(-1e9, 1e9)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=3)

TARGETS = st.builds(
    Target,
    kind=st.just("cpu"), arch=NAMES, cpu=NAMES,
    features=st.lists(TEXT, max_size=4).map(lambda names: tuple(sorted(names))),
    threads=st.integers(1, 1000), cache_bytes=st.lists(st.integers(0, 2**63)).map(tuple),
    vector_bytes=st.integers(1, 4096), peak_flops=st.dictionaries(TEXT, RATES), bandwidth=RATES,
)  # fmt: skip
SCHEDULES = st.builds(Schedule, backend=NAMES, text=JSON.map(json.dumps))
POLICIES = st.builds(
    TimingPolicy,
    warmup=st.integers(0, 2**32 - 1), min_sample_us=RATES, min_samples=st.integers(0, 99),
    max_samples=st.integers(0, 99), precision=st.floats(0, 1), budget_s=RATES,
    build_timeout_s=RATES, run_timeout_s=RATES, memory_bytes=st.integers(0, 2**64 - 1),
)  # fmt: skip
ENVIRONMENTS = st.builds(
    Environment, versions=st.dictionaries(TEXT, TEXT, max_size=3), machine=OBJECTS
)
FAILURES = [each for each in Outcome if each is not Outcome.OK]
ENDS = st.one_of(
    st.tuples(
        st.just(Outcome.OK),
        st.lists(st.floats(1e-3, 1e10), min_size=1, max_size=4).map(tuple),
    ),
    st.tuples(st.sampled_from(FAILURES), st.just(())),
)
MEASUREMENTS = ENDS.flatmap(
    lambda end: st.builds(
        Measurement,
        id=NAMES,
        workload=HASHES,
        schedule=SCHEDULES,
        target=HASHES,
        environment=ENVIRONMENTS,
        policy=POLICIES,
        outcome=st.just(end[0]),
        samples_us=st.just(end[1]),
        timestamp=st.floats(1e6, 4e9),
        error=TEXT,
        build_seconds=SECONDS,
        run_seconds=SECONDS,
        max_error=st.none() | st.floats(0, math.inf),
        extra=OBJECTS,
    )
)


def wired(message):
    """What comes out at the other end."""
    return type(message).FromString(message.SerializeToString())


@settings(max_examples=50, deadline=None)
@given(TARGETS)
def test_targets(target):
    found = convert.target_from(wired(convert.target_to(target)))
    assert found == target
    assert found.hash == target.hash
    assert (found.peak_flops, found.bandwidth) == (target.peak_flops, target.bandwidth)


@settings(max_examples=50, deadline=None)
@given(SCHEDULES)
def test_schedules(schedule):
    found = convert.schedule_from(wired(convert.schedule_to(schedule)))
    assert found == schedule
    assert found.hash == schedule.hash


@settings(max_examples=50, deadline=None)
@given(POLICIES)
def test_policies(policy):
    found = convert.policy_from(wired(convert.policy_to(policy)))
    assert found == policy
    assert found.hash == policy.hash


@settings(max_examples=50, deadline=None)
@given(MEASUREMENTS)
def test_measurements(measurement):
    found = convert.measurement_from(wired(convert.measurement_to(measurement)))
    assert found == measurement
    assert found.key == measurement.key
    assert found.environment.hash == measurement.environment.hash


def test_measurements_of_the_store_keep_their_time_to_the_last_digit():
    for step in range(1000):
        timestamp = 1_764_201_600.0 + step * 0.1234567
        measurement = builders.measurement(timestamp=timestamp)
        found = convert.measurement_from(wired(convert.measurement_to(measurement)))
        assert found.timestamp == timestamp


def test_a_compilers_message_may_be_no_text():
    measurement = builders.failure(Outcome.BUILD_ERROR, error="bad \udcff byte")
    found = convert.measurement_from(wired(convert.measurement_to(measurement)))
    assert found.error == "bad \\udcff byte"


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_a_number_of_its_own(outcome):
    assert convert.outcome_from(convert.outcome_to(outcome)) is outcome


def message(**changes):
    return convert.measurement_to(builders.measurement(**changes))


def broken(field, value):
    found = message()
    setattr(found, field, value)
    return found


def message_at(**time):
    found = message()
    found.time.CopyFrom(Timestamp(**time))
    return found


WRONG = {
    "id": broken("id", ""),
    "workload": broken("workload", "no hash"),
    "target": broken("target", "A" * 64),
    "outcome": broken("outcome", 0),
    "extra_json": broken("extra_json", "[1]"),
    "environment.machine_json": pb.Measurement(
        id="1", schedule=pb.Schedule(backend="tvm", text="{}"), outcome=pb.OUTCOME_CRASH,
        environment=pb.Environment(machine_json='{"load": 1e999}'),
    ),
    "build_seconds": broken("build_seconds", math.nan),
    "time": message_at(seconds=253_402_300_800),
    "samples_us": message(samples_us=()),
    "schedule.text": pb.Measurement(
        id="1", schedule=pb.Schedule(backend="tvm", text="{"), outcome=pb.OUTCOME_CRASH
    ),
    "schedule.backend": pb.Measurement(id="1", schedule=pb.Schedule(text="{}")),
    "policy.precision": pb.Measurement(
        id="1", schedule=pb.Schedule(backend="tvm", text="{}"),
        policy=pb.TimingPolicy(precision=math.inf),
    ),
}  # fmt: skip


@pytest.mark.parametrize("field", WRONG)
def test_what_no_store_takes_is_refused_by_its_name(field):
    with pytest.raises(FieldError) as caught:
        convert.measurement_from(WRONG[field])
    assert caught.value.field == field


@pytest.mark.parametrize(
    "time", [{"seconds": 2**62}, {"seconds": -(2**62)}, {"nanos": -1}, {"nanos": 10**9}], ids=str
)
def test_times_that_no_calendar_has_are_refused(time):
    with pytest.raises(FieldError, match="no time"):
        convert.measurement_from(message_at(**time))


@pytest.mark.parametrize("around", ['{"a":%s}', '{"a":[%s]}'])
def test_json_may_be_nested_but_not_without_end(around):
    text = "{}"
    while text.count("{") + text.count("[") < 99:
        text = around % text
    convert.measurement_from(broken("extra_json", text))
    while text.count("{") + text.count("[") < 102:
        text = around % text
    with pytest.raises(FieldError, match="deeper than 100"):
        convert.measurement_from(broken("extra_json", text))


@pytest.mark.parametrize("sample", [0.0, -1.0, math.nan, math.inf, 1e-300, 9e-4, 2e10, 1e308])
def test_times_that_no_kernel_takes_are_refused(sample):
    with pytest.raises(FieldError, match="sample"):
        convert.measurement_from(message(samples_us=(1.0, sample)))


def test_it_is_said_which_sample_is_none_and_what_samples_are():
    with pytest.raises(FieldError, match="sample 1 is 8e-05 microseconds") as caught:
        convert.measurement_from(message(samples_us=(80.0, 80e-6)))
    assert caught.value.field == "samples_us"


@pytest.mark.parametrize("backend", ["tvm", "iree"])
@pytest.mark.parametrize("text", ["{}", "[]", "7", '{"kind":"nonsense"}', '{"kind":["trace"]}'])
def test_what_is_no_schedule_of_its_backend_is_not_recorded(backend, text):
    sent = message(schedule=Schedule(backend, text))
    with pytest.raises(FieldError, match="no schedule of the backend") as caught:
        convert.recorded_from(sent)
    assert caught.value.field == "schedule.text"
    convert.measurement_from(sent)  # as it may lie in a store
    convert.recorded_from(message(schedule=Schedule("another", text)))


@pytest.mark.parametrize(
    "changes", [{"kind": "tpu"}, {"arch": ""}, {"threads": 0}, {"vector_bytes": 0},
                {"bandwidth": math.inf}, {"bandwidth": -1.0}, {"peak_flops": {"f32": math.nan}},
                {"cpu": "x" * 201}, {"features": ("x" * 201,)}, {"cache_bytes": (1,) * 1001}],
    ids=str,
)  # fmt: skip
def test_targets_that_are_none_are_refused(changes):
    with pytest.raises(FieldError):
        convert.target_from(convert.target_to(replace(builders.target(), **changes)))


PREDICTED = PredictResult(
    workload="0" * 64, function="f", target="t", backend="auto", model="transformer",
    latency_us=4.0, low_us=2.0, high_us=8.0, roofline_us=3.0, flops=1e6, bytes=10**12,
    intensity=0.5, measured_us=5.0, notes=("one", "two"),
    untuned=Untuned("iree", 9.0, 8.0, 10.0, 12, 0.5, 300.0, 2000.0, 0.5, 0.25),
)  # fmt: skip


@pytest.mark.parametrize(
    "result",
    [PREDICTED, replace(PREDICTED, measured_us=None), replace(PREDICTED, untuned=None, notes=())],
)
def test_predictions(result):
    sent = wired(convert.predict_to(result, "1" * 64))
    assert sent.target_hash == "1" * 64
    assert convert.predict_from(sent) == result
