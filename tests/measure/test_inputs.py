import numpy as np
import pytest

from costmodel.dtypes import NUMPY_DTYPES
from costmodel.measure.inputs import poisoned_outputs, random_inputs
from costmodel.records import DTYPE_BYTES, TensorType


def test_every_element_type_of_the_records_has_a_numpy_type_of_its_size():
    assert {name: dtype.itemsize for name, dtype in NUMPY_DTYPES.items()} == dict(DTYPE_BYTES)


@pytest.mark.parametrize("dtype", DTYPE_BYTES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 5, 7)])
def test_shape_and_type(dtype, shape):
    (array,) = random_inputs([TensorType(shape, dtype)], seed=1)
    (poison,) = poisoned_outputs([TensorType(shape, dtype)])
    assert array.shape == poison.shape == shape
    assert array.dtype == poison.dtype == NUMPY_DTYPES[dtype]
    assert isinstance(array, np.ndarray)


def test_same_seed_same_values_and_another_seed_others():
    types = [TensorType((64, 64), "f32"), TensorType((64,), "bf16"), TensorType((64,), "i64")]
    first, again, other = (random_inputs(types, seed) for seed in (3, 3, 4))
    for one, two, three in zip(first, again, other, strict=True):
        assert one.tobytes() == two.tobytes()
        assert one.tobytes() != three.tobytes()


def test_two_inputs_of_one_type_differ():
    left, right = random_inputs([TensorType((32, 32), "f32")] * 2, seed=0)
    assert (left != right).any()


def test_an_input_does_not_depend_on_the_shape_of_the_one_before():
    second = TensorType((16,), "f32")
    narrow = random_inputs([TensorType((1,), "f32"), second], seed=5)[1]
    wide = random_inputs([TensorType((100,), "f64"), second], seed=5)[1]
    np.testing.assert_array_equal(narrow, wide)


@pytest.mark.parametrize("dtype", ["f64", "f32", "f16", "bf16"])
def test_floats_are_standard_normal(dtype):
    (array,) = random_inputs([TensorType((100_000,), dtype)], seed=0)
    values = array.astype(np.float64)
    assert abs(values.mean()) < 0.02
    assert abs(values.std() - 1) < 0.02


@pytest.mark.parametrize("dtype", ["f64", "f32", "f16", "bf16", "i64", "i32", "i8"])
def test_positive_leaves_no_negative_value(dtype):
    (array,) = random_inputs([TensorType((10_000,), dtype)], seed=0, positive=True)
    assert (array.astype(np.float64) >= 0).all()
    assert array.astype(np.float64).max() > 2


@pytest.mark.parametrize("dtype", ["i64", "i32", "i8"])
def test_integers_are_small_and_of_both_signs(dtype):
    (array,) = random_inputs([TensorType((10_000,), dtype)], seed=0)
    assert (int(array.min()), int(array.max())) == (-8, 8)


@pytest.mark.parametrize("dtype", ["i64", "i32", "i8"])
def test_indices_stay_in_range_and_reach_both_ends(dtype):
    (array,) = random_inputs([TensorType((10_000,), dtype, index_limit=7)], seed=0)
    assert (int(array.min()), int(array.max())) == (0, 6)


def test_booleans_are_of_both_kinds():
    (array,) = random_inputs([TensorType((1000,), "i1")], seed=0)
    assert 400 < int(array.sum()) < 600


def test_poison_is_nan_or_the_least_integer():
    types = [TensorType((2,), dtype) for dtype in DTYPE_BYTES]
    for type_, array in zip(types, poisoned_outputs(types), strict=True):
        if type_.dtype.startswith("i"):
            expected = True if type_.dtype == "i1" else np.iinfo(array.dtype).min
            assert (array == expected).all()
        else:
            assert np.isnan(array.astype(np.float64)).all()
