"""Whatever is asked and told, in whatever order, a search keeps its promises."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costmodel.models.roofline import Roofline
from costmodel.search.acquisition import pick_diverse, signatures
from costmodel.search.evolutionary import EvolutionaryOptions, EvolutionarySearch
from tests.search.baseline import RandomSearch

FAST = EvolutionaryOptions(population=8, generations=2, minimum=16)
relaxed = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

#: Rounds of a run: how many to ask, and the share of the waiting that is told afterwards.
rounds = st.lists(st.tuples(st.integers(0, 12), st.floats(0, 1)), min_size=1, max_size=8)


@pytest.fixture(params=["random", "evolutionary"])
def make(request, workload, target):
    def build(space, seed, known=()):
        if request.param == "random":
            return RandomSearch(space, seed=seed, known=known)
        return EvolutionarySearch(
            space, Roofline(), workload, target, seed=seed, known=known, options=FAST
        )

    return build


def play(search, space, rounds, rng):
    """Ask and tell as scripted, telling in random order; everything asked, in order."""
    asked, waiting = [], []
    for count, share in rounds:
        batch = search.ask(count)
        assert len(batch) <= count
        asked += batch
        waiting += batch
        rng.shuffle(waiting)
        told = waiting[: round(share * len(waiting))]
        waiting = waiting[len(told) :]
        search.tell([(s, space.latency_us(s)) for s in told])
    return asked


@relaxed
@given(rounds=rounds, seed=st.integers(0, 2**16), sizes=st.integers(1, 4))
def test_nothing_is_asked_twice(make, make_toy, rounds, seed, sizes):
    space = make_toy(sizes)
    asked = play(make(space, seed), space, rounds, random.Random(seed))
    assert len({s.hash for s in asked}) == len(asked)


@relaxed
@given(rounds=rounds, seed=st.integers(0, 2**16), known=st.integers(1, 60))
def test_what_is_known_is_not_asked_again(make, make_toy, rounds, seed, known):
    space = make_toy(2)
    before = [(s, space.latency_us(s)) for s in space.sample(known, random.Random(seed))]
    asked = play(make(space, seed, before), space, rounds, random.Random(seed))
    assert not {s.hash for s in asked} & {s.hash for s, _ in before}


@relaxed
@given(rounds=rounds, seed=st.integers(0, 2**16))
def test_replay_is_deterministic_for_a_seed(make, make_toy, rounds, seed):
    space = make_toy(3)
    first, second = (play(make(space, seed), space, rounds, random.Random(seed)) for _ in range(2))
    assert first == second


@relaxed
@given(order=st.randoms(use_true_random=False), seed=st.integers(0, 2**16))
def test_the_order_of_telling_changes_nothing(make, make_toy, order, seed):
    space = make_toy(3)
    straight, shuffled = make(space, seed), make(space, seed)
    for _ in range(4):
        batch = straight.ask(6)
        assert shuffled.ask(6) == batch
        results = [(s, space.latency_us(s)) for s in batch]
        straight.tell(results)
        order.shuffle(results)
        for result in results:
            shuffled.tell([result])
    assert straight.ask(6) == shuffled.ask(6)


def test_the_first_batch_has_the_default(make, toy):
    assert toy.default() in make(toy, 5).ask(4)
    assert make(toy, 5).ask(1) == [toy.default()]


def test_a_small_space_is_asked_whole_and_then_done(make, make_toy):
    class Tiny(make_toy):
        def all(self):
            return [self._schedule((a, 1, 1, 0)) for a in (1, 2, 4, 8, 16)]

        def mutate(self, schedule, rng):
            return rng.choice([s for s in self.all() if s != schedule])

    space = Tiny()
    search = make(space, 3)
    asked = search.ask(16)
    assert {s.hash for s in asked} == {s.hash for s in space.all()}
    search.tell([(s, space.latency_us(s)) for s in asked])
    assert search.ask(16) == []
    assert search.done()


@pytest.mark.parametrize("latency", [0.0, -1.0, float("nan")])
def test_impossible_latencies_are_refused(make, toy, latency):
    with pytest.raises(ValueError, match="positive or infinite"):
        make(toy, 0).tell([(toy.default(), latency)])


def test_backends_are_far_apart_and_their_own_as_near_as_alone() -> None:
    """Features of another width belong to another backend."""
    rng = np.random.default_rng(0)
    narrow = [rng.normal(size=(1, 3)).astype(np.float32) for _ in range(4)]
    wide = [rng.normal(size=(2, 7)).astype(np.float32) for _ in range(4)]
    mixed = signatures([*narrow[:2], *wide, *narrow[2:]])
    alone = signatures(narrow)
    own = mixed[[0, 1, 6, 7]]

    def distances(points):
        return np.linalg.norm(points[:, None] - points[None, :], axis=-1)

    np.testing.assert_allclose(distances(own), distances(alone), atol=1e-9)
    assert distances(mixed)[0, 2:6].min() > 5 * distances(mixed)[0, 6:].max()


def test_groups_get_what_they_are_owed_and_the_best_come_first() -> None:
    gains = np.array([9.0, 8.0, 7.0, 6.0, 0.2, 0.1])
    points = np.arange(6.0)[:, None]
    groups = ["a", "a", "a", "a", "b", "b"]

    def picked(count, **least):
        return pick_diverse(gains, points, count, radius=0.0, groups=groups, least=least)

    assert picked(3) == [0, 1, 2]
    assert picked(3, b=1) == [0, 1, 4]
    assert picked(3, b=5) == [0, 4, 5]
    assert picked(2, b=1, c=4) == [0, 4]
    assert picked(9, a=1, b=1) == [0, 1, 2, 3, 4, 5]
