"""The analytic model: bounds that hold, and an order that follows what hardware does."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from costmodel.ir.analysis import Analysis
from costmodel.models.base import Example
from costmodel.models.guard import kendall_tau
from costmodel.models.per_store import COLUMNS, WIDTH
from costmodel.models.roofline import Roofline, bandwidth, bound_us, peak_flops, predict_workload


def analysis(flops: float, moved: int, dtype: str = "f32") -> Analysis:
    return Analysis(flops, moved, (dtype,), (), ((dtype, flops),))


def row(**counts: float) -> np.ndarray:
    values = np.zeros((1, WIDTH), np.float32)
    for name, count in counts.items():
        values[0, COLUMNS.index(name.replace("__", "."))] = math.log2(1 + count)
    return values


def test_the_bound_is_the_slower_of_compute_and_memory(target):
    assert bound_us(analysis(2e9, 1000), target) == pytest.approx(1e4)
    # 1 GB does not fit in any cache; 1 MB does, and moves four times faster.
    assert bound_us(analysis(1, 10**9), target) == pytest.approx(5e4)
    assert bound_us(analysis(1, 10**6), target) == pytest.approx(12.5)


def test_a_workload_is_never_predicted_faster_than_its_bound(target):
    for flops, moved in [(1e3, 100), (1e9, 10**6), (1.0, 10**9)]:
        what = analysis(flops, moved)
        prediction = predict_workload(what, target)
        assert prediction.latency_us > bound_us(what, target)
        low, high = prediction.interval()
        assert low < prediction.latency_us < high


def test_an_empty_kernel_still_costs_its_call(target):
    assert predict_workload(analysis(0.0, 0), target).latency_us > 0.1


def test_peaks_that_were_not_measured_follow_from_the_vector_width(target):
    assert peak_flops(target, "f64") == pytest.approx(1e11)
    bare = dataclasses.replace(target, peak_flops={})
    assert peak_flops(bare, "f32") == 2 * 16 * 4 * 3.0e9


def test_rates_that_were_not_measured_make_a_prediction_less_certain(target):
    what = analysis(1e9, 10**8)
    for missing in ({"peak_flops": {}}, {"bandwidth": 0.0}):
        bare = dataclasses.replace(target, **missing)
        assert predict_workload(what, bare).log_std > predict_workload(what, target).log_std
    few, many = (dataclasses.replace(target, threads=n, bandwidth=0.0) for n in (2, 64))
    assert (bandwidth(few), bandwidth(many)) == (30e9, 100e9)


#: FLOPs for each element of the result of a recorded kernel, as costmodel.ir counts them.
RECORDED = {
    "matmul_128x768x768": 2 * 768,
    "matmul_bias_relu_197x192x768": 2 * 192 + 2,
    "conv_nchw_64x64x28": 2 * 9 * 64,
    "conv_nhwc_128x128x14": 2 * 9 * 128,
    "depthwise_144x56": 2 * 9,
    "softmax_1536x128": 17,
    "layernorm_512x768": 8,
    "maxpool_64x112": 9,
}


def test_the_interval_of_a_workload_holds_as_often_as_it_says(recordings):
    """The best of each recording against what was predicted, in standard deviations."""
    errors = {}
    for recording in recordings:
        workload = recording.workload
        moved = sum(t.bytes for t in (*workload.inputs, *workload.outputs))
        flops = float(RECORDED[workload.function] * workload.outputs[0].elements)
        prediction = predict_workload(analysis(flops, moved), recording.target)
        best = recording.latency_us[np.isfinite(recording.latency_us)].min()
        errors[workload.function] = math.log(best / prediction.latency_us) / prediction.log_std
    assert errors.keys() == RECORDED.keys()
    # Softmax: these recordings' exponentials are a call of libm for each element.
    assert [name for name, error in errors.items() if abs(error) > 1.645] == ["softmax_1536x128"]
    assert 0.5 < math.sqrt(np.mean(np.square(list(errors.values())))) < 1.1
    assert abs(np.mean(list(errors.values()))) < 0.5


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"vectorize__len": 16}, {}),
        ({"vectorize__len": 32}, {"vectorize__len": 24}),
        ({"parallel__prod": 64}, {}),
        ({"parallel__prod": 64}, {"parallel__prod": 3}),
        ({}, {"float_math_func": 1e6}),
        ({"buffer0__lines": 1e4}, {"buffer0__lines": 1e7}),
        (
            {"buffer0__lines": 1e6, "buffer0__reuse_bytes": 1e4},
            {"buffer0__lines": 1e6, "buffer0__reuse_bytes": 1e8},
        ),
    ],
)
def test_what_makes_code_fast_ranks_first(make_query, better, worse):
    base = {"float_mul": 1e7, "float_add_sub": 1e7}
    fast, slow = Roofline().predict([make_query(row(**base | c)) for c in (better, worse)])
    assert fast.latency_us < slow.latency_us


def test_measurements_move_the_level_and_keep_the_order(matmul):
    model = Roofline()
    queries = [e.query for e in matmul]
    before = np.array([p.latency_us for p in model.predict(queries)])
    model.update([Example(q, 10 * b) for q, b in zip(queries[:40], before, strict=False)])
    after = np.array([p.latency_us for p in model.predict(queries)])
    np.testing.assert_array_equal(np.argsort(before), np.argsort(after))
    assert np.median(after / before) == pytest.approx(10, rel=0.25)


def test_ranks_recorded_kernels_better_than_chance_without_data(recordings, examples_of):
    for recording in recordings:
        examples = examples_of(recording)
        predicted = [p.latency_us for p in Roofline().predict([e.query for e in examples])]
        assert kendall_tau(predicted, [e.latency_us for e in examples]) > 0.15


def test_features_of_another_layout_get_an_uncertain_guess(make_query):
    predictions = Roofline().predict([make_query(np.ones((2, 7))), make_query(np.zeros((1, 7)))])
    assert predictions[0] == predictions[1]
    assert predictions[0].log_std > 0.5
