"""A model that misleads is switched off for that workload, says so, and may come back."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.models.base import Example
from costmodel.models.guard import Guarded, kendall_tau
from costmodel.records import Prediction


class Ranking:
    """Predicts the first feature raised to ``power``: 1 ranks right, -1 exactly wrong."""

    def __init__(self, name: str, power: float) -> None:
        self.name, self.power = name, power
        self.told = 0

    def predict(self, queries):
        return [Prediction(float(q.features[0, 0]) ** self.power, 0.1) for q in queries]

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


def test_a_model_that_ranks_backwards_is_switched_off(examples):
    guarded = Guarded(Ranking("wrong", -1), Ranking("right", 1))
    told = examples(20)
    hash = workload_of(told[0])
    guarded.update(told[:10])
    assert guarded.enabled(hash)
    assert guarded.report(hash) is None
    guarded.update(told[10:])
    assert not guarded.enabled(hash)
    assert "wrong ranked worse than chance" in guarded.report(hash)
    assert "right ranks this workload" in guarded.report(hash)
    assert guarded.predict([told[0].query]) == Ranking("", 1).predict([told[0].query])


def test_other_workloads_keep_the_model(examples):
    wrong = Ranking("wrong", -1)
    guarded = Guarded(wrong, Ranking("right", 1))
    guarded.update(examples(32, "a"))
    mixed = [examples(2, "a")[0].query, examples(2, "b")[0].query]
    first, second = guarded.predict(mixed)
    assert first.latency_us == float(mixed[0].features[0, 0])
    assert second.latency_us == float(mixed[1].features[0, 0]) ** -1


def test_a_model_that_ranks_right_stays(examples):
    guarded = Guarded(Ranking("good", 1), Ranking("other", -1))
    told = examples(64)
    guarded.update(told)
    assert guarded.correlation(workload_of(told[0])) == pytest.approx(1.0)
    assert guarded.enabled(workload_of(told[0]))


def test_it_comes_back_once_it_has_learned(examples):
    model = Ranking("slow learner", -1)
    guarded = Guarded(model, Ranking("right", 1), window=32)
    told = examples(64)
    guarded.update(told[:32])
    assert not guarded.enabled(workload_of(told[0]))
    model.power = 1
    guarded.update(told[32:])
    assert guarded.enabled(workload_of(told[0]))
    assert "switched off for a while" in guarded.report(workload_of(told[0]))
    assert model.told == 64


def test_a_model_without_opinion_is_not_worse_than_chance(examples):
    told = examples(64)
    guarded = Guarded(Ranking("constant", 0), Ranking("right", 1))
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
