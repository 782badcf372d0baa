"""A model that misleads is switched off for that workload, says so, and may come back."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.models.base import Example
from costmodel.models.boosted import Boosted
from costmodel.models.guard import Guarded, kendall_tau
from costmodel.models.roofline import Roofline
from costmodel.records import Prediction


class Ranking:
    """Predicts the first feature raised to ``power``: 1 ranks right, -1 exactly wrong."""

    def __init__(self, name: str, power: float) -> None:
        self.name, self.power = name, power
        self.told = 0
        self.trained = True

    def predict(self, queries):
        return [Prediction(float(q.features[0, 0]) ** self.power, 0.1) for q in queries]

    def knows(self, queries):
        return self.trained

    def update(self, examples):
        self.told += len(examples)


@pytest.fixture
def examples(make_query):
    def make(count, text="w"):
        values = random.Random(0).sample(range(1, 1000), count)
        return [Example(make_query([[v]], text, f"{text}{v}"), float(v)) for v in values]

    return make


def workload_of(example):
    return example.query.candidate.workload.hash


def watched(model, told, **options):
    """A guard of ``model`` that has been asked about the workload of what it will be told."""
    guarded = Guarded(model, Ranking("right", 1), **options)
    guarded.predict([told[0].query])
    return guarded


def test_a_model_that_ranks_backwards_is_switched_off(examples):
    told = examples(20)
    guarded = watched(Ranking("wrong", -1), told)
    hash = workload_of(told[0])
    assert guarded.ranked_by(hash) == "wrong"
    guarded.update(told[:10])
    assert guarded.enabled(hash)
    assert guarded.report(hash) is None
    guarded.update(told[10:])
    assert not guarded.enabled(hash)
    assert "wrong ranked this kernel worse than chance" in guarded.report(hash)
    assert "right proposes until it does better" in guarded.report(hash)
    assert guarded.ranked_by(hash) == "right"
    assert not guarded.knows([told[0].query])
    assert guarded.predict([told[0].query]) == Ranking("", 1).predict([told[0].query])


def test_what_stands_in_for_an_untrained_model_is_not_held_against_it(examples):
    told = examples(64)
    model = Ranking("wrong while untrained", -1)
    model.trained = False
    guarded = watched(model, told)
    guarded.update(told[:32])
    assert guarded.enabled(workload_of(told[0]))
    assert guarded.correlation(workload_of(told[0])) is None
    model.trained = True
    guarded.update(told[32:])
    assert not guarded.enabled(workload_of(told[0]))


def test_what_was_known_beforehand_is_learned_and_not_judged(examples):
    """A resumed run tells all that it knows at once, to a model that has not seen it yet."""
    told = examples(64)
    model = Ranking("wrong before it knows the workload", -1)
    guarded = Guarded(model, Ranking("right", 1))
    guarded.update(told[:32])
    assert model.told == 32
    assert guarded.enabled(workload_of(told[0]))
    guarded.predict([told[0].query])
    guarded.update(told[32:])
    assert not guarded.enabled(workload_of(told[0]))


def test_the_roofline_s_ranking_is_not_blamed_on_the_trees(matmul):
    """Untrained trees answer with the roofline; the order of these latencies is its reverse."""
    queries = [e.query for e in matmul]
    guarded = Guarded(Boosted(), Roofline())
    predicted = [p.latency_us for p in guarded.predict(queries)]
    reverse = sorted(range(len(queries)), key=lambda i: predicted[i])[:32]
    guarded.update([Example(queries[i], 1e4 / predicted[i]) for i in reverse])
    assert guarded.enabled(workload_of(matmul[0]))
    assert guarded.report(workload_of(matmul[0])) is None


def test_other_workloads_keep_the_model(examples):
    guarded = watched(Ranking("wrong", -1), examples(1, "a"))
    guarded.update(examples(32, "a"))
    mixed = [examples(2, "a")[0].query, examples(2, "b")[0].query]
    first, second = guarded.predict(mixed)
    assert first.latency_us == float(mixed[0].features[0, 0])
    assert second.latency_us == float(mixed[1].features[0, 0]) ** -1


def test_a_model_that_ranks_right_stays(examples):
    told = examples(64)
    guarded = watched(Ranking("good", 1), told)
    guarded.update(told)
    assert guarded.correlation(workload_of(told[0])) == pytest.approx(1.0)
    assert guarded.enabled(workload_of(told[0]))


def test_it_comes_back_once_it_has_learned(examples):
    model = Ranking("slow learner", -1)
    told = examples(64)
    guarded = watched(model, told, window=32)
    guarded.update(told[:32])
    assert not guarded.enabled(workload_of(told[0]))
    model.power = 1
    guarded.update(told[32:])
    assert guarded.enabled(workload_of(told[0]))
    assert "switched off for a while" in guarded.report(workload_of(told[0]))
    assert model.told == 64


def test_a_model_without_opinion_is_not_worse_than_chance(examples):
    told = examples(64)
    guarded = watched(Ranking("constant", 0), told)
    guarded.update(told)
    assert guarded.enabled(workload_of(told[0]))


@given(st.lists(st.integers(0, 50), min_size=2, max_size=30))
def test_tau_is_one_with_itself_and_turns_round(values):
    tau = kendall_tau(values, values)
    assert tau == (1.0 if len(set(values)) > 1 else 0.0) or math.isclose(tau, 1.0)
    assert math.isclose(kendall_tau(values, [-v for v in values]), -tau)


def test_tau_of_a_known_ranking_and_with_failures():
    assert kendall_tau([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(2 / 3)
    assert kendall_tau([1, 2, 3], [1, 2, np.inf]) == pytest.approx(1.0)
    assert kendall_tau([1, 2, 3, 4], [1, 2, np.inf, np.inf]) == pytest.approx(5 / math.sqrt(30))
