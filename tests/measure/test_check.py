import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.dtypes import NUMPY_DTYPES
from costmodel.ir.analysis import Analysis, Loop, OpSummary
from costmodel.measure.check import compare, compute_dtype, reduction_length, tolerance
from costmodel.measure.inputs import poisoned_outputs
from costmodel.records import TensorType

FLOATS = ["f64", "f32", "f16", "bf16"]
seeds = st.integers(0, 2**32 - 1)
lengths = st.integers(1, 3000)


def sums(seed, length, dtype, order=None, rows=40):
    """Rows of ``length`` products added up one after the other in the arithmetic of ``dtype``."""
    generator = np.random.default_rng(seed)
    kind = NUMPY_DTYPES[dtype]
    left, right = generator.standard_normal((2, rows, length)).astype(kind)
    terms = left * right
    if order is not None:
        terms = terms[:, np.random.default_rng(order).permutation(length)]
    return np.add.accumulate(terms, axis=1, dtype=kind)[:, -1].copy()


@settings(max_examples=40, deadline=None)
@given(seed=seeds, order=seeds, length=lengths, dtype=st.sampled_from(["f64", "f32"]))
def test_any_order_of_a_sum_is_accepted(seed, order, length, dtype):
    actual, expected = sums(seed, length, dtype, order), sums(seed, length, dtype)
    result = compare([actual], [expected], reduction_length=length)
    assert result.ok, result.message


@settings(max_examples=40, deadline=None)
@given(seed=seeds, length=lengths, dtype=st.sampled_from(["f32", "f16"]))
def test_a_wider_accumulator_is_accepted(seed, length, dtype):
    wide = {"f32": "f64", "f16": "f32"}[dtype]
    generator = np.random.default_rng(seed)
    left, right = generator.standard_normal((2, 40, length)).astype(NUMPY_DTYPES[dtype])
    exact = (left.astype(NUMPY_DTYPES[wide]) * right.astype(NUMPY_DTYPES[wide])).sum(axis=1)
    narrow = np.add.accumulate(left * right, axis=1, dtype=left.dtype)[:, -1].copy()
    result = compare([exact.astype(left.dtype)], [narrow], reduction_length=length)
    assert result.ok, result.message


@settings(max_examples=60, deadline=None)
@given(
    seed=seeds,
    length=lengths,
    dtype=st.sampled_from(["f64", "f32", "f16"]),
    relative=st.floats(0.12, 0.5),
)
def test_noise_of_some_percent_of_scale_is_rejected(seed, length, dtype, relative):
    expected = sums(seed, length, dtype)
    scale = np.abs(expected.astype(np.float64)).mean()
    noise = np.random.default_rng(seed + 1).standard_normal(expected.shape) * relative * scale
    actual = (expected.astype(np.float64) + noise).astype(expected.dtype)
    assert not compare([actual], [expected], reduction_length=length).ok


@settings(max_examples=60, deadline=None)
@given(seed=seeds, dtype=st.sampled_from(["f64", "f32"]), relative=st.floats(0.02, 0.5))
def test_a_factor_that_is_off_by_two_percent_is_rejected(seed, dtype, relative):
    expected = sums(seed, 768, dtype)
    actual = (expected * (1 + relative)).astype(expected.dtype)
    assert not compare([actual], [expected], reduction_length=768).ok


@settings(max_examples=60, deadline=None)
@given(seed=seeds, dtype=st.sampled_from(FLOATS), place=st.integers(0, 39))
def test_one_wrong_element_is_rejected_and_named(seed, dtype, place):
    expected = sums(seed, 64, dtype).reshape(5, 8)
    actual = expected.copy()
    scale = np.abs(expected.astype(np.float64)).mean()
    right = float(expected.reshape(-1)[place])
    actual.reshape(-1)[place] = right + math.copysign(0.5 * (abs(right) + scale), right)
    result = compare([expected, actual], [expected, expected], reduction_length=64)
    assert not result.ok
    row, column = divmod(place, 8)
    assert f"output 1[{row}, {column}] is {actual[row, column]!s}" in result.message
    assert f"expected {expected[row, column]!s}" in result.message
    assert "1 of 40" in result.message


@pytest.mark.parametrize("dtype", [*FLOATS, "i64", "i32", "i8"])
def test_one_element_of_poison_is_rejected(dtype):
    expected = np.arange(12).astype(NUMPY_DTYPES[dtype]).reshape(3, 4)
    actual = expected.copy()
    actual[1, 2] = poisoned_outputs([TensorType((), dtype)])[0]
    result = compare([actual], [expected], reduction_length=1)
    assert not result.ok
    assert "output 0[1, 2]" in result.message


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_transposed_result_is_rejected(dtype):
    square = sums(3, 16, dtype, rows=64).reshape(8, 8)
    assert not compare([square.T.copy()], [square], reduction_length=16).ok
    tall = square[:4]
    result = compare([tall.T.copy()], [tall], reduction_length=16)
    assert not result.ok
    assert f"output 0 is 8x4x{dtype}, expected 4x8x{dtype}" in result.message


def test_equal_arrays_are_accepted_without_error_or_message():
    for dtype, kind in NUMPY_DTYPES.items():
        array = np.arange(6).astype(kind)
        result = compare([array], [array.copy()], reduction_length=1)
        assert (result.ok, result.max_error, result.message) == (True, 0.0, ""), dtype


def test_integers_must_be_equal():
    expected = np.array([1000, 2000, 3000], np.int32)
    off_by_one = expected + np.array([0, 0, 1], np.int32)
    result = compare([off_by_one], [expected], reduction_length=10**6)
    assert not result.ok
    assert "output 0[2] is 3001, expected 3000" in result.message
    assert compare([expected.copy()], [expected], reduction_length=10**6).ok


def test_another_element_type_is_rejected_even_with_equal_values():
    expected = np.array([1, 2, 3], np.int32)
    result = compare([expected.astype(np.int64)], [expected], reduction_length=1)
    assert "output 0 is 3xi64, expected 3xi32" in result.message


def test_booleans_must_be_equal():
    expected = np.array([True, False])
    assert not compare([~expected], [expected], reduction_length=1).ok


def test_special_values_must_be_the_same_ones():
    expected = np.array([np.nan, np.inf, -np.inf, 1.0], np.float32)
    assert compare([expected.copy()], [expected], reduction_length=1).ok
    for place, value in [(0, 1.0), (1, -np.inf), (2, np.nan), (3, np.nan), (3, np.inf)]:
        actual = expected.copy()
        actual[place] = value
        result = compare([actual], [expected], reduction_length=1)
        assert not result.ok
        assert f"output 0[{place}]" in result.message


def test_a_reference_without_a_finite_value_is_said_to_prove_nothing():
    expected = np.full(3, np.nan, np.float32)
    result = compare([expected.copy()], [expected], reduction_length=1)
    assert result.ok
    assert "nothing was compared" in result.message


def test_a_missing_output_is_rejected():
    array = np.ones(2, np.float32)
    assert "1 outputs, expected 2" in compare([array], [array] * 2, reduction_length=1).message


def test_scalars_have_no_index():
    result = compare([np.array(2.0)], [np.array(1.0)], reduction_length=1)
    assert "output 0 is 2.0, expected 1.0" in result.message


def test_zero_outputs_are_compared_on_the_scale_of_the_inputs():
    zero = np.zeros(4, np.float32)
    assert compare([zero + np.float32(1e-7)], [zero], reduction_length=1).ok
    assert not compare([zero + np.float32(1e-2)], [zero], reduction_length=1).ok


@given(length=st.integers(1, 10**9), inner=st.sampled_from(FLOATS), outer=st.sampled_from(FLOATS))
def test_tolerance_grows_with_length_and_coarseness_and_has_a_ceiling(length, inner, outer):
    bound = tolerance(outer, reduction_length=length, dtype=inner)
    assert 0 < bound <= 0.05
    assert bound <= tolerance(outer, reduction_length=2 * length, dtype=inner)
    assert tolerance("f64", reduction_length=length) <= tolerance("f32", reduction_length=length)
    assert bound >= tolerance("f64", reduction_length=length)


def test_a_narrow_output_of_wide_arithmetic_does_not_grow_with_the_length():
    short, long = (tolerance("f16", reduction_length=n, dtype="f32") for n in (1, 4096))
    assert short == long
    assert tolerance("f16", reduction_length=4096) > long


def op(*loops):
    return OpSummary("op", tuple(Loop(*loop) for loop in loops), 1.0, 1, "f32")


def test_reduction_length_chains_the_ops_of_an_analysis():
    matmul = op((64, "parallel"), (128, "parallel"), (768, "reduction"))
    convolution = op((8, "parallel"), (3, "reduction"), (3, "reduction"), (64, "reduction"))
    relu = op((64, "parallel"))
    by_dtype = (("bf16", 10.0), ("f32", 2.0), ("i32", 5.0))
    analysis = Analysis(17.0, 1, ("f32",), (matmul, relu, convolution), by_dtype)
    assert reduction_length(analysis) == 768 + 3 * 3 * 64
    assert compute_dtype(analysis) == "bf16"


def test_reduction_length_of_elementwise_functions_is_one():
    analysis = Analysis(1.0, 1, ("i32",), (op((4, "parallel")),), (("i32", 1.0),))
    assert reduction_length(analysis) == 1
    assert compute_dtype(analysis) is None


def test_bf16_rounding_of_the_result_is_accepted():
    exact = np.random.default_rng(0).standard_normal(1000)
    expected = exact.astype(ml_dtypes.bfloat16)
    nudged = (exact * (1 + 2.0**-8)).astype(ml_dtypes.bfloat16)
    result = compare([nudged], [expected], reduction_length=1)
    assert result.ok
    assert 0 < result.max_error < math.inf
