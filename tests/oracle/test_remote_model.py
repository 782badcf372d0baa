"""The oracle's model in a search of this process."""

import math
import uuid
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from costmodel.backends.registry import load
from costmodel.ir import read_text
from costmodel.models.base import BaseModel, Example, Query
from costmodel.models.boosted import Boosted
from costmodel.models.roofline import estimates_us
from costmodel.oracle import Client, channel
from costmodel.oracle.remote_model import RemoteModel
from costmodel.records import Candidate
from costmodel.target import host_target
from tests.oracle.texts import KERNEL
from tests.store import builders

NOWHERE = "127.0.0.1:1"


class Counting(Client):
    """Counts the schedules that it is asked about."""

    asked = 0

    def rank_schedules(self, workload, schedules, *given, **options):
        self.asked += len(schedules)
        return super().rank_schedules(workload, schedules, *given, **options)


@pytest.fixture
def client(shared):
    with Counting(shared.address) as found:
        yield found


@pytest.fixture(scope="module")
def queries() -> Sequence[Query]:
    """Schedules of the kernel for a machine like this one, of which nothing was measured."""
    workload = read_text(KERNEL)
    target = replace(host_target(measure=False), cpu=f"like this, {uuid.uuid4()}")
    space = load("iree").space(workload, target)
    schedules = [space.default(), *space.guesses()]
    pairs = zip(schedules, space.features(schedules), strict=True)
    return [Query(Candidate(workload, one, target), features) for one, features in pairs]


def told(client, queries):
    """What the oracle itself says, in microseconds."""
    one = queries[0].candidate
    scores = client.rank_schedules(
        one.workload, [query.candidate.schedule for query in queries], one.target
    )
    return [each.latency_us for each in scores.predictions]


def close(found, wanted):
    return found == pytest.approx(wanted, rel=1e-3)


def medians(model, queries):
    return [each.latency_us for each in model.predict(queries)]


def test_it_says_what_the_oracle_says_and_asks_once(client, queries):
    model: BaseModel = RemoteModel(client, "transformer")
    assert model.name == "oracle (transformer)"
    assert model.knows(queries)
    predicted = model.predict(queries)
    assert client.asked == len(queries) > 4
    assert close([each.latency_us for each in predicted], told(client, queries))
    assert all(each.log_std > 0 for each in predicted)
    before = client.asked
    assert model.predict(queries[::-1]) == predicted[::-1]
    assert close(list(model.expected_us(queries)), [each.latency_us for each in predicted])
    assert client.asked == before


def test_measurements_shift_the_level_and_not_the_order(client, queries):
    model = RemoteModel(client, "transformer")
    expected = model.expected_us(queries)
    measured = [Example(q, 3.0 * us) for q, us in zip(queries[:4], expected, strict=False)]
    model.update([*measured, Example(queries[5], math.inf)])
    shift = 3.0 ** (4 / 8)  # four measurements weigh as much as the belief in the model
    assert close(medians(model, queries), list(shift * expected))
    assert close(list(model.expected_us(queries)), list(expected))


def test_what_the_oracle_learns_meanwhile_does_not_shift_it(client, queries):
    at_first = told(client, queries)
    model = RemoteModel(client, "transformer")
    assert close(list(model.expected_us(queries[:3])), at_first[:3])
    candidate = queries[0].candidate
    client.record(
        [
            builders.measurement(
                10.0 * us, workload=candidate.workload.hash, target=candidate.target.hash,
                schedule=query.candidate.schedule,
                environment=builders.installed("iree"),
            )
            for query, us in zip(queries, at_first, strict=True)
        ],
        workloads=[candidate.workload], targets=[candidate.target],
    )  # fmt: skip
    assert min(np.divide(told(client, queries), at_first)) > 3  # it has learned
    assert close(list(model.expected_us(queries)), at_first)


def test_where_it_cannot_be_asked_the_roofline_answers_at_its_level(client, queries, monkeypatch):
    monkeypatch.setitem(channel._RETRIES, "maxAttempts", 2)
    now = 0.0
    model = RemoteModel(client, "transformer", clock=lambda: now)
    known = model.expected_us(queries[:4])
    above = np.median(np.log(known / estimates_us(queries[:4])))
    with Counting(NOWHERE) as away:
        model._client = away
        assert model.trouble == ""
        found = model.expected_us(queries)
        assert list(found[:4]) == list(known)
        assert close(list(found[4:]), list(np.exp(above) * estimates_us(queries[4:])))
        assert "127.0.0.1:1 does not answer" in model.trouble
        assert "roofline" in model.trouble
        assert model.knows(queries[:4])
        assert not model.knows(queries)
        asked = away.asked
        model.predict(queries)
        model.update([Example(query, 50.0) for query in queries])
        assert away.asked == asked  # not each time
        model._client, now = client, 31.0
    assert close(list(model.expected_us(queries))[4:], told(client, queries)[4:])
    assert model.knows(queries)


def test_trees_correct_it(client, queries):
    model = Boosted(base=RemoteModel(client, "transformer"))
    assert model.name == "oracle (transformer) and xgboost"
    assert model.knows(queries)
    examples = [Example(query, 10.0 + place) for place, query in enumerate(queries)]
    model.update(examples)
    assert model.trained == (len(queries) >= model.options.minimum)
    assert len(model.predict(queries)) == len(queries)
