"""The promise of the boosted model, replayed on recorded kernels without hardware.

Its first choice among 64 held-out candidates is within 1.25 of the best of them (geometric mean
over tasks and repeats), having learned from up to 128 others of the same workload, as many as a
tuning measures (some recordings have only 48 to spare), and from 64 of each other workload.
``tests/bench/ranking.py`` prints the whole table.
"""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.models.base import Example
from costmodel.models.boosted import Boosted
from costmodel.models.evaluation import Protocol, geometric_mean, ranking_scores
from costmodel.models.roofline import Roofline
from costmodel.records import Prediction

LEARNED = Protocol(group=64, own=128, warm=64, repeats=4)


class Shuffle:
    name = "random"

    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)

    def predict(self, queries):
        return [Prediction(float(v), 1.0) for v in 1 + self._rng.random(len(queries))]

    def update(self, examples):
        pass


@pytest.fixture(scope="module")
def tasks(recordings, examples_of):
    return {r.workload.function: examples_of(r) for r in recordings}


def warm_boosted(warm, seed):
    return Boosted(warm, seed=seed)


@pytest.fixture(scope="module")
def learned(tasks):
    return {s.task: s for s in ranking_scores(warm_boosted, tasks, LEARNED)}


def first_choice(scores):
    return geometric_mean([s.first for s in scores])


def test_first_choice_among_64_is_within_a_quarter_of_the_best(learned):
    assert len(learned) >= 8
    assert first_choice(learned.values()) <= 1.25, learned


def test_the_best_of_five_choices_is_within_a_tenth(learned):
    assert geometric_mean([s.first_five for s in learned.values()]) <= 1.10, learned


def test_every_task_is_ranked_far_better_than_at_random(learned, tasks):
    shuffled = ranking_scores(lambda warm, seed: Shuffle(seed), tasks, Protocol(own=0, repeats=16))
    for score in shuffled:
        assert abs(score.tau) < 0.15
        assert learned[score.task].tau > 0.2
        assert learned[score.task].first < score.first


def test_learning_improves_on_the_analytic_model(learned, tasks):
    analytic = ranking_scores(
        lambda warm, seed: Roofline(), tasks, Protocol(own=0, repeats=LEARNED.repeats)
    )
    assert np.mean([s.tau for s in learned.values()]) > np.mean([s.tau for s in analytic]) + 0.05


class Witness(Roofline):
    """Remembers every schedule learned from and every one ranked."""

    def __init__(self, warm):
        super().__init__()
        self.warm = {e.query.candidate for e in warm}
        self.learned, self.ranked = set(), set()

    def update(self, examples):
        self.learned |= {e.query.candidate for e in examples}

    def predict(self, queries):
        self.ranked |= {q.candidate for q in queries}
        return super().predict(queries)


def test_nothing_is_both_learned_from_and_ranked(tasks):
    witnesses = []

    def make(warm, seed):
        witnesses.append(Witness(warm))
        return witnesses[-1]

    ranking_scores(make, tasks, Protocol(own=200, warm=200, repeats=2))
    assert len(witnesses) == 2 * sum(len(examples) > 64 for examples in tasks.values())
    for witness in witnesses:
        assert len(witness.ranked) == 64
        assert not witness.ranked & witness.learned
        assert not {c.workload for c in witness.ranked} & {c.workload for c in witness.warm}
        assert witness.learned
        assert witness.warm


def test_a_repeated_measurement_does_not_leak(matmul):
    twice: list[Example] = [*matmul, *matmul]
    witnesses = []

    def make(warm, seed):
        witnesses.append(Witness(warm))
        return witnesses[-1]

    ranking_scores(make, {"matmul": twice}, Protocol(own=500, repeats=3))
    for witness in witnesses:
        assert not witness.ranked & witness.learned
