"""Accuracy, special values and machine code of the vector functions."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tvm import s_tir, te, tirx

from costmodel.backends.tvm import intrinsics

LANES = 16
REFERENCES: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "exp2": np.exp2,
    "exp10": lambda x: np.power(10.0, x),
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "erfc": np.vectorize(math.erfc, otypes=[np.float64]),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sin": np.sin,
    "cos": np.cos,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "atan": np.arctan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "pow": np.power,
}
SPECIAL = np.array(
    [0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 3e38, -3e38],
    np.float32,
)


def build(name: str, dtype: str, size: int, cpu: str | None = None) -> Any:
    """An element-wise kernel whose loop is vectorized over 16 lanes, before code is loaded."""
    intrinsics.register()
    intrinsics.register()
    function = intrinsics.erfc if name == "erfc" else getattr(tirx, name)
    inputs = [te.placeholder((size,), dtype, f"A{i}") for i in range(1 + (name == "pow"))]
    output = te.compute((size,), lambda i: function(*(a(i) for a in inputs)), "x")
    sch = s_tir.Schedule(te.create_prim_func([*inputs, output]))
    _, inner = sch.split(sch.get_loops("x")[0], [None, LANES])
    sch.vectorize(inner)
    mcpu = cpu or tvm.target.codegen.llvm_get_system_cpu()
    return tvm.compile(sch.mod, target=tvm.target.Target({"kind": "llvm", "mcpu": mcpu}))


@functools.cache
def kernel(name: str, dtype: str, size: int) -> Any:
    return build(name, dtype, size).jit()["main"]


def evaluate(name: str, *arrays: NDArray[Any]) -> NDArray[Any]:
    padding = -arrays[0].size % LANES
    padded = [np.concatenate([array, np.ones(padding, array.dtype)]) for array in arrays]
    out = tvm.runtime.tensor(np.zeros_like(padded[0]))
    function = kernel(name, str(arrays[0].dtype), padded[0].size)
    function(*(tvm.runtime.tensor(array) for array in padded), out)
    return out.numpy()[: arrays[0].size]


def expected(name: str, *arrays: NDArray[Any]) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        return np.asarray(REFERENCES[name](*(array.astype(np.float64) for array in arrays)))


def check(name: str, *arrays: NDArray[Any]) -> None:
    """Within MAX_ULP where the result is normal; infinities and NaN where the reference has them.

    Where it is denormal, within a few of the smallest steps, or zero for ``sigmoid``.
    """
    got, exact = evaluate(name, *arrays), expected(name, *arrays)
    with np.errstate(over="ignore"):
        want = exact.astype(np.float32)
    odd = ~np.isfinite(want)
    assert np.array_equal(got[odd], want[odd], equal_nan=True)
    assert np.isfinite(got[~odd]).all()
    tiny = np.finfo(np.float32).tiny
    unit = np.spacing(np.maximum(np.abs(want[~odd]), tiny)).astype(np.float64)
    error = np.abs(got[~odd] - exact[~odd]) / unit
    normal = np.abs(want[~odd]) >= tiny
    assert error[normal].max(initial=0) <= intrinsics.MAX_ULP[name]
    if name == "sigmoid":
        assert (np.abs(got[~odd][~normal]) <= tiny).all()
    else:
        assert error[~normal].max(initial=0) <= intrinsics.MAX_ULP[name]


@pytest.mark.parametrize("name", [name for name in REFERENCES if name != "pow"])
def test_f32_over_all_exponents_and_signs(name: str) -> None:
    patterns = np.arange(0, 2**32, 2**13 + 1, dtype=np.uint64).astype(np.uint32)
    values = np.concatenate([patterns.view(np.float32), SPECIAL])
    values = np.concatenate([values, np.linspace(-20, 20, 2**16, dtype=np.float32)])
    if name in ("sin", "cos"):
        values = values[~(np.abs(values) >= 2**30) | np.isinf(values)]
    check(name, values)


def test_f32_pow() -> None:
    generator = np.random.default_rng(0)
    base = np.exp(generator.uniform(-20, 20, 2**16)) * generator.choice([1, -1], 2**16)
    exponent = generator.uniform(-8, 8, 2**16)
    exponent[::2] = np.round(exponent[::2])
    bases, exponents = np.meshgrid(SPECIAL, SPECIAL)
    check(
        "pow",
        np.concatenate([base.astype(np.float32), bases.ravel()]),
        np.concatenate([exponent.astype(np.float32), exponents.ravel()]),
    )


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["exp", "log", "tanh", "erf", "erfc", "sigmoid", "log1p"]),
       st.lists(st.floats(width=32), min_size=LANES, max_size=LANES))  # fmt: skip
def test_f32_on_any_numbers(name: str, values: list[float]) -> None:
    check(name, np.array(values, np.float32))


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_huge_angles_stay_bounded(name: str) -> None:
    assert np.abs(evaluate(name, np.geomspace(1, 3e38, 4096, dtype=np.float32))).max() <= 1


@pytest.mark.parametrize("name", [name for name in REFERENCES if name != "pow"])
def test_f64(name: str) -> None:
    values = np.concatenate([
        np.linspace(-745, 710, 2**12), np.linspace(-1, 1, 2**12),
        np.exp(np.linspace(-700, 700, 2**12)),
        SPECIAL.astype(np.float64),
    ])  # fmt: skip
    np.testing.assert_allclose(evaluate(name, values), expected(name, values), 1e-14, 1e-300)


@pytest.mark.parametrize("name", ["exp", "tanh", "log", "erf", "erfc"])
def test_f16_goes_through_f32(name: str) -> None:
    values = np.arange(2**16, dtype=np.uint16).view(np.float16)
    with np.errstate(over="ignore"):
        want = expected(name, values).astype(np.float16)
    got = evaluate(name, values)
    assert np.array_equal(np.isnan(got), np.isnan(want))
    numbers = ~np.isnan(want)
    steps = got[numbers].view(np.int16).astype(int) - want[numbers].view(np.int16)
    assert np.abs(np.where(want[numbers] == 0, 0, steps)).max() <= 1


@pytest.mark.parametrize("name", list(REFERENCES))
def test_vector_loops_call_no_library(name: str) -> None:
    built = build(name, "float32", 1024, cpu="znver4")
    assembly = built.mod.inspect_source("asm")
    called = set(re.findall(r"(?:call|jmp)q?\s+([A-Za-z_]\w*)", assembly))
    called |= set(re.findall(r"(\w+)@(?:GOTPCREL|PLT)", assembly))
    assert not [function for function in called if function.rstrip("f") in {*REFERENCES, "sqrt"}]
    assert re.search(r"v\w+ps\b.*zmm", assembly)
