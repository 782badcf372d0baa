"""Boosted trees: learning, uncertainty, failures, and the same answer every time."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from costmodel.models.base import Example
from costmodel.models.boosted import Boosted, BoostedOptions
from costmodel.models.guard import kendall_tau
from costmodel.models.per_store import COLUMNS
from costmodel.models.roofline import Roofline


def latencies(model, examples):
    return np.array([p.latency_us for p in model.predict([e.query for e in examples])])


def test_ranks_unseen_schedules_of_a_workload_it_was_told_of(matmul):
    model = Boosted()
    model.update(matmul[:64])
    unseen = matmul[64:]
    tau = kendall_tau(latencies(model, unseen), [e.latency_us for e in unseen])
    untaught = kendall_tau(latencies(Roofline(), unseen), [e.latency_us for e in unseen])
    assert tau > max(0.4, untaught)


def test_predicts_as_the_roofline_until_it_has_enough(matmul):
    model = Boosted()
    assert not model.trained
    queries = [e.query for e in matmul]
    assert model.predict(queries) == Roofline().predict(queries)
    model.update(matmul[:7])
    assert not model.trained
    model.update(matmul[7:8])
    assert model.trained


def test_warm_start_ranks_a_workload_that_was_never_measured(recordings, examples_of):
    unseen = next(r for r in recordings if r.workload.function.startswith("matmul_bias"))
    model = Boosted([e for r in recordings if r is not unseen for e in examples_of(r)])
    examples = examples_of(unseen)
    assert kendall_tau(latencies(model, examples), [e.latency_us for e in examples]) > 0.3


def test_same_seed_same_examples_same_predictions(matmul):
    first, second = Boosted(matmul[:30], seed=3), Boosted(matmul[:30], seed=3)
    for model in (first, second):
        model.update(matmul[30:50])
    queries = [e.query for e in matmul]
    assert first.predict(queries) == second.predict(queries)
    assert first.predict(queries[:5]) == first.predict(queries)[:5]


def test_intervals_hold_what_they_promise(recordings, examples_of):
    """90% intervals hold 80% to 99% of schedules that no booster saw."""
    inside = []
    for seed, recording in enumerate(recordings):
        examples = examples_of(
            recording, np.random.default_rng(seed).permutation(len(recording.schedules))
        )
        model = Boosted(seed=seed)
        model.update(examples[:64])
        predictions = model.predict([e.query for e in examples[64:]])
        for example, prediction in zip(examples[64:], predictions, strict=True):
            low, high = prediction.interval()
            inside.append(low <= example.latency_us <= high)
    assert 0.80 <= np.mean(inside) <= 0.99


def marked(example, mark):
    """The example with an operation that the recorded kernels do not have; it fails."""
    rows = np.array(example.query.features)
    rows[:, COLUMNS.index("bool_op")] = 10.0 * mark
    query = dataclasses.replace(example.query, features=rows)
    return Example(query, math.inf if mark else example.latency_us)


def test_failures_are_learned_as_bad_and_leave_the_rest_alone(matmul):
    rng = np.random.default_rng(0)
    taught = [marked(e, int(rng.random() < 0.3)) for e in matmul[:64]]
    model, clean = Boosted(), Boosted()
    model.update(taught)
    clean.update([e for e in taught if math.isfinite(e.latency_us)])
    good, bad = ([marked(e, mark) for e in matmul[64:]] for mark in (0, 1))
    np.testing.assert_allclose(latencies(model, good), latencies(clean, good), rtol=0.2)
    assert (latencies(model, bad) > 3 * latencies(model, good)).all()


def test_only_failures_still_give_finite_predictions(matmul):
    model = Boosted()
    model.update([Example(e.query, math.inf) for e in matmul[:20]])
    predictions = model.predict([e.query for e in matmul[20:30]])
    assert all(math.isfinite(p.latency_us) and p.log_std > 0 for p in predictions)


def test_features_of_another_layout_never_mix(matmul, make_query):
    model = Boosted(matmul[:32])
    other = [make_query(np.full((1, 5), i), name=str(i)) for i in range(12)]
    assert model.predict(other) == Roofline().predict(other)
    model.update([Example(q, 100.0 + i) for i, q in enumerate(other)])
    told = [p.latency_us for p in model.predict(other)]
    assert kendall_tau(told, range(12)) > 0.5


def test_a_change_of_layout_leaves_no_stale_trees(matmul, make_query):
    model = Boosted(matmul[:32])
    few = [make_query(np.full((1, 5), i), name=str(i)) for i in range(3)]
    model.update([Example(q, 100.0) for q in few])
    assert not model.trained
    assert all(p.latency_us > 0 for p in model.predict(few))
    assert all(p.latency_us > 0 for p in model.predict([e.query for e in matmul[:3]]))


def test_candidates_that_look_all_alike_get_their_mean(make_query):
    model = Boosted()
    alike = [make_query(np.ones((1, 4)), name=str(i)) for i in range(16)]
    model.update([Example(q, 100.0 if i % 2 else 200.0) for i, q in enumerate(alike)])
    assert {round(p.latency_us) for p in model.predict(alike)} <= set(range(120, 170))


@pytest.mark.parametrize("examples", [[], [None]])
def test_nothing_to_predict_or_learn(examples, matmul):
    model = Boosted([e or matmul[0] for e in examples])
    model.update([])
    assert model.predict([]) == []


def test_warm_examples_are_limited_and_own_ones_are_not(matmul):
    options = BoostedOptions(limit=16)
    model = Boosted(matmul[:60], options=options)
    model.update(matmul[60:100])
    assert model.trained_on == 16 + 40
