"""The timing policy under a simulated clock: no test here waits or reads the time."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.measure.timing import (
    calibrate,
    is_win,
    median_interval,
    noise_floor,
    paired_ratio,
    time_kernel,
)
from costmodel.records import TimingPolicy


class Machine:
    """A kernel and a clock: every run takes ``latency_us``, more with noise, and time passes."""

    def __init__(self, latency_us: float, *, noise: float = 0.0, seed: int = 0) -> None:
        self.now = 0.0
        self.calls: list[int] = []
        self._latency_us = latency_us
        self._noise = noise
        self._rng = random.Random(seed)

    def run(self, number: int) -> float:
        self.calls.append(number)
        factor = 1 + self._rng.expovariate(1.0) * self._noise
        seconds = number * self._latency_us * 1e-6 * factor
        self.now += seconds
        return seconds

    def clock(self) -> float:
        return self.now


LATENCIES = st.floats(0.01, 1e6)
NOISES = st.floats(0, 2)
SEEDS = st.integers(0, 1000)
POLICIES = st.builds(
    TimingPolicy,
    warmup=st.integers(0, 5),
    min_sample_us=st.floats(1, 5000),
    min_samples=st.integers(1, 10),
    max_samples=st.integers(1, 40),
    precision=st.floats(0.001, 0.5),
    budget_s=st.floats(0.001, 1),
)


@given(LATENCIES, NOISES, SEEDS, POLICIES)
def test_policy_is_kept(latency: float, noise: float, seed: int, policy: TimingPolicy) -> None:
    machine = Machine(latency, noise=noise, seed=seed)
    timing = time_kernel(machine.run, policy, clock=machine.clock)
    assert 1 <= len(timing.samples_us) <= policy.max_samples
    assert min(timing.samples_us) >= latency * (1 - 1e-9)
    assert not timing.gave_up
    # One sample may be under way when the budget ends, never two.
    before_last = machine.now - timing.samples_us[-1] * timing.number * 1e-6
    if len(timing.samples_us) > 1:
        assert before_last < policy.budget_s
    stopped_early = len(timing.samples_us) < policy.max_samples and machine.now < policy.budget_s
    if stopped_early:
        assert len(timing.samples_us) >= policy.min_samples
        low, high = median_interval(timing.samples_us)
        assert (high - low) / 2 < policy.precision * median(timing.samples_us)


@given(LATENCIES, st.floats(1, 1e4))
def test_quiet_machine_gets_the_fewest_samples_and_the_truth(latency: float, least: float) -> None:
    policy = TimingPolicy(min_sample_us=least, budget_s=1e9)
    machine = Machine(latency)
    timing = time_kernel(machine.run, policy, clock=machine.clock)
    assert len(timing.samples_us) == policy.min_samples
    assert timing.number * latency >= least * (1 - 1e-9)
    assert median(timing.samples_us) == pytest.approx(latency)


@given(LATENCIES, NOISES, SEEDS, st.floats(1, 1e4))
def test_calibrated_sample_is_long_enough(
    latency: float, noise: float, seed: int, least: float
) -> None:
    machine = Machine(latency, noise=noise, seed=seed)
    number, sample_us = calibrate(machine.run, least)
    assert number == machine.calls[-1]
    assert sample_us * number >= least * (1 - 1e-9)
    assert all(
        after <= 10 * before
        for before, after in zip(machine.calls, machine.calls[1:], strict=False)
    )


def test_calibration_ends_on_a_clock_that_sees_nothing() -> None:
    number, sample_us = calibrate(lambda number: 0.0, 500.0)
    assert number == 1 << 20
    assert sample_us == 0.0


@given(st.floats(1, 1e5), POLICIES)
def test_hopeless_candidate_is_sampled_once(limit: float, policy: TimingPolicy) -> None:
    machine = Machine(limit * 1.5)
    timing = time_kernel(machine.run, policy, clock=machine.clock, give_up_above_us=limit)
    assert timing.gave_up
    assert len(timing.samples_us) == 1


def test_long_first_run_of_a_hopeless_candidate_is_all_there_is() -> None:
    machine = Machine(100_000.0)
    timing = time_kernel(
        machine.run, TimingPolicy(), give_up_above_us=2_000.0, first_run_us=100_000.0
    )
    assert timing.samples_us == (100_000.0,)
    assert machine.calls == []


def test_short_first_run_proves_nothing() -> None:
    # A cold start (page faults, threads that wake up) made the first run slow; it is a good one.
    machine = Machine(100.0)
    timing = time_kernel(
        machine.run, TimingPolicy(), clock=machine.clock, give_up_above_us=300.0,
        first_run_us=15_000.0,
    )  # fmt: skip
    assert not timing.gave_up
    assert median(timing.samples_us) == pytest.approx(100.0)


@given(SEEDS, st.floats(0.6, 0.9))
def test_loser_is_not_timed_to_the_end(seed: int, share: float) -> None:
    # Too noisy for the precision that is asked, but surely no winner after a few samples.
    machine = Machine(1000.0 * share, noise=0.05, seed=seed)
    policy = TimingPolicy(precision=1e-6)
    timing = time_kernel(machine.run, policy, clock=machine.clock, give_up_above_us=1000.0)
    assert timing.gave_up
    assert len(timing.samples_us) in (1, policy.min_samples)


def test_one_slow_sample_is_no_verdict_on_a_fast_first_run() -> None:
    machine = Machine(500.0)
    timing = time_kernel(
        machine.run, TimingPolicy(), clock=machine.clock, give_up_above_us=400.0,
        first_run_us=300.0,
    )  # fmt: skip
    assert not timing.gave_up
    assert len(timing.samples_us) == TimingPolicy().min_samples


@pytest.mark.parametrize(("first_run", "warm_runs"), [(None, [3]), (50.0, [2])])
def test_first_run_counts_as_warm_up(first_run: float | None, warm_runs: list[int]) -> None:
    machine = Machine(1000.0)
    time_kernel(machine.run, TimingPolicy(warmup=3), clock=machine.clock, first_run_us=first_run)
    assert machine.calls[:2] == [*warm_runs, 1]


@pytest.mark.parametrize(
    ("count", "rank"), [(1, 1), (5, 1), (6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (20, 6), (30, 10)]
)
def test_ranks_of_the_interval_are_those_of_the_sign_test(count: int, rank: int) -> None:
    # Conover, "Practical Nonparametric Statistics": binomial tables for p = 1/2, 2.5% a side.
    samples = [float(value) for value in range(1, count + 1)]
    assert median_interval(reversed_copy(samples)) == (rank, count + 1 - rank)


def reversed_copy(samples: list[float]) -> list[float]:
    return samples[::-1]


def test_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        median_interval([])


def coverage(draw: Callable[[random.Random], float], truth: float, count: int) -> float:
    rng = random.Random(0)
    hits = 0
    for _ in range(2000):
        low, high = median_interval([draw(rng) for _ in range(count)])
        hits += low <= truth <= high
    return hits / 2000


@pytest.mark.parametrize("count", [6, 9, 15, 30])
def test_interval_covers_a_skewed_distribution(count: int) -> None:
    assert coverage(lambda rng: rng.expovariate(1.0), math.log(2), count) >= 0.94


def test_noise_floor_sees_through_drift() -> None:
    rng = random.Random(1)
    drift = [1.0 + 0.5 * step / 30 for step in range(30)]
    first = [100 * slow * (1 + rng.uniform(0, 0.01)) for slow in drift]
    second = [100 * slow * (1 + rng.uniform(0, 0.01)) for slow in drift]
    assert 0 < noise_floor(first, second) < 0.01
    assert noise_floor(first, first) == 0


@given(st.lists(st.floats(1, 1e4), min_size=1, max_size=30), SEEDS)
def test_noise_floor_is_symmetric_and_makes_no_win_of_itself(first: list[float], seed: int) -> None:
    rng = random.Random(seed)
    second = [value * rng.uniform(0.9, 1.1) for value in first]
    noise = noise_floor(first, second)
    assert noise == pytest.approx(noise_floor(second, first))
    ratio = paired_ratio(first, second)
    assert 1 / (1 + noise) <= ratio.value * (1 + 1e-9)
    assert ratio.value <= (1 + noise) * (1 + 1e-9)


def test_win_is_more_than_the_noise() -> None:
    assert is_win([90.0, 91.0, 92.0], [100.0] * 3, noise=0.05)
    assert not is_win([90.0, 91.0, 92.0], [100.0] * 3, noise=0.12)
    assert not is_win([100.0], [100.0], noise=0.0)


def test_pairs_must_match() -> None:
    with pytest.raises(ValueError, match="zip"):
        paired_ratio([1.0], [1.0, 2.0])
