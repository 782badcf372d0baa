"""Evolutionary search finds what random search does not, and knows when to stop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from costmodel.errors import UsageError
from costmodel.models.boosted import Boosted
from costmodel.models.roofline import Roofline
from costmodel.search.evolutionary import EvolutionaryOptions, EvolutionarySearch
from tests.search.baseline import RandomSearch


def run(search, space, trials, batch=8):
    best, spent = math.inf, 0
    while spent < trials:
        asked = search.ask(min(batch, trials - spent))
        if not asked:
            break
        results = [(s, space.latency_us(s)) for s in asked]
        search.tell(results)
        best, spent = min([best, *(latency for _, latency in results)]), spent + len(asked)
    return best


def test_beats_random_on_average_over_seeds(toy, workload, target):
    options = EvolutionaryOptions(population=24, generations=2)
    evolved, drawn = [], []
    for seed in range(6):
        search = EvolutionarySearch(
            toy, Boosted(seed=seed), workload, target, seed=seed, options=options
        )
        evolved.append(math.log(run(search, toy, 48) / toy.best_us))
        drawn.append(math.log(run(RandomSearch(toy, seed=seed), toy, 48) / toy.best_us))
    assert np.mean(evolved) < 0.5 * np.mean(drawn)
    assert np.mean(evolved) < math.log(1.10)


def test_batches_overlap_without_waiting(toy, workload, target):
    search = EvolutionarySearch(toy, Boosted(), workload, target, seed=1)
    first, second = search.ask(8), search.ask(8)
    search.tell([(s, toy.latency_us(s)) for s in second])
    third = search.ask(8)
    search.tell([(s, toy.latency_us(s)) for s in first + third])
    assert len({s.hash for s in first + second + third}) == 24


def test_predictions_are_those_made_before_measuring(toy, workload, target):
    search = EvolutionarySearch(toy, Boosted(), workload, target)
    batch = search.ask(8)
    before = [search.prediction(s) for s in batch]
    search.tell([(s, toy.latency_us(s)) for s in batch])
    search.ask(8)
    assert None not in before
    assert [search.prediction(s) for s in batch] == before
    unasked = next(s for s in toy.all() if search.prediction(s) is None)
    assert unasked not in batch


def test_ends_when_nothing_more_is_to_be_gained(make_toy, workload, target):
    space = make_toy(4, (16, 64, 4))
    options = EvolutionaryOptions(population=24, generations=2, minimum=48, noise=0.2, patience=2)
    search = EvolutionarySearch(space, Boosted(), workload, target, options=options)
    batches = 0
    while not search.done():
        batches += 1
        search.tell([(s, space.latency_us(s)) for s in search.ask(8)])
    assert 6 <= batches < 64 * 4 * 2 // 8
    assert not search.exhausted


def test_does_not_end_before_its_minimum(toy, workload, target):
    options = EvolutionaryOptions(population=8, generations=1, minimum=32, noise=1e9, patience=1)
    search = EvolutionarySearch(toy, Roofline(), workload, target, options=options)
    for _ in range(3):
        search.tell([(s, toy.latency_us(s)) for s in search.ask(8)])
        assert not search.done()
    search.tell([(s, toy.latency_us(s)) for s in search.ask(8)])
    assert search.done()


def test_a_workload_where_everything_fails_does_not_stop_the_search(toy, workload, target):
    search = EvolutionarySearch(toy, Boosted(), workload, target)
    for _ in range(3):
        batch = search.ask(8)
        assert len(batch) == 8
        search.tell([(s, math.inf) for s in batch])
    assert not search.done()


def test_what_the_model_left_open_is_filled_up_at_random_and_says_so(toy, workload, target):
    options = EvolutionaryOptions(population=1, generations=1, exploration=0)
    search = EvolutionarySearch(toy, Roofline(), workload, target, options=options)
    search.tell([(s, toy.latency_us(s)) for s in search.ask(8)])
    batch = search.ask(8)
    assert len(batch) == 8
    assert sum(search.is_exploratory(s) for s in batch) == 7


def test_features_that_were_kept_are_not_made_again(make_toy, workload, target):
    made = []

    class Space(make_toy):
        def features(self, schedules):
            made.extend(schedules)
            return super().features(schedules)

    space = Space()
    known = space.all()[1:40]
    kept = {s.hash: f for s, f in zip(known, space.features(known), strict=True)}
    results = [(s, space.latency_us(s)) for s in known]
    made.clear()
    batches = []
    for features in ({}, kept):
        search = EvolutionarySearch(
            space, Boosted(), workload, target, known=results, features=features
        )
        batches.append(search.ask(8))
        assert (known[0] in made) == (not features)
        made.clear()
    assert batches[0] == batches[1]


@pytest.mark.parametrize(
    "wrong", [{"population": 0}, {"mutation": 1.5}, {"exploration": -0.1}, {"noise": -1.0}]
)
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        EvolutionaryOptions(**wrong)
