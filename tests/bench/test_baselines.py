import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


class Recorder:
    """A kernel that takes a fixed time a run by its own clock and notes who ran when."""

    def __init__(self, name, seconds, log):
        self.name, self.seconds, self.log = name, seconds, log

    def run(self, number):
        self.log.append((self.name, number))
        return number * self.seconds


def test_every_round_times_every_kernel_once_in_changing_order(baselines):
    log = []
    kernels = {name: Recorder(name, 1e-3, log) for name in "abc"}
    samples = baselines.compare_interleaved(
        kernels, rounds=20, min_sample_us=2000, pause_s=0, warm_s=0
    )
    assert {name: len(values) for name, values in samples.items()} == dict.fromkeys("abc", 20)
    turns = [name for name, number in log][-120::2]  # each turn is a warm-up, then a sample
    rounds = ["".join(turns[i : i + 3]) for i in range(0, 60, 3)]
    assert all(sorted(order) == ["a", "b", "c"] for order in rounds)
    assert len(set(rounds)) > 2


def test_samples_are_microseconds_a_run_of_long_enough_samples(baselines):
    log = []
    kernels = {"fast": Recorder("fast", 1e-6, log), "slow": Recorder("slow", 0.5, log)}
    samples = baselines.compare_interleaved(kernels, rounds=3, min_sample_us=100, pause_s=0)
    assert samples["fast"] == pytest.approx([1.0] * 3)
    assert samples["slow"] == pytest.approx([5e5] * 3)
    assert max(number for name, number in log if name == "fast") == 100
    assert max(number for name, number in log if name == "slow") == 1


def test_a_kernel_that_pins_its_caller_does_not_keep_the_others_pinned(baselines):
    before = os.sched_getaffinity(0)
    seen = []

    class Pinning(Recorder):
        def run(self, number):
            seen.append(os.sched_getaffinity(0))
            os.sched_setaffinity(0, {min(before)})
            return super().run(number)

    kernels = {"pins": Pinning("pins", 1e-3, [])}
    try:
        baselines.compare_interleaved(kernels, rounds=4, min_sample_us=1, pause_s=0, warm_s=0)
        sampled = seen[-8::2]  # each turn is a warm-up, then a sample
        assert sampled == [before] * 4
    finally:
        os.sched_setaffinity(0, before)


def test_the_ratio_of_a_kernel_with_itself_is_one(baselines):
    values = [1.0, 2.0, 3.0]
    assert baselines.ratio(values, values) == baselines.Ratio(1.0, 1.0, 1.0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(0.2, 5.0))
def test_the_interval_holds_a_factor_far_better_than_it_holds_another(baselines, seed, factor):
    generator = np.random.default_rng(seed)
    load = 1 + generator.exponential(0.3, 41)  # shared by the kernels of a round
    top, bottom = load * factor, load * (1 + generator.normal(0, 0.01, 41))
    quotient = baselines.ratio(list(top), list(bottom))
    assert quotient.low <= quotient.value <= quotient.high
    assert quotient.low * 0.97 < factor < quotient.high * 1.03
    assert not quotient.low <= factor * 1.5 <= quotient.high


def test_a_summary_knows_a_busy_machine(baselines):
    quiet = baselines.Summary.of([10.0, 10.1, 10.2, 10.3, 30.0])
    busy = baselines.Summary.of([10.0, 18.0, 20.0, 25.0, 30.0], 0.0)
    assert (quiet.latency_us, quiet.noisy) == (10.2, False)
    assert (busy.latency_us, busy.noisy) == (10.0, True)


def test_freed_memory_is_kept_where_the_c_library_can(baselines):
    assert baselines.keep_freed_memory() is hasattr(__import__("ctypes").CDLL(None), "mallopt")
