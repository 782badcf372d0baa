"""What the network reads: numbers by value, choices at their axes, graphs as edges."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.backends.choices import Choice
from costmodel.backends.tiles import TILE_WIDTH
from costmodel.errors import UnsupportedError
from costmodel.ir import analyze, read_workload
from costmodel.models.roofline import bandwidth, peak_flops
from costmodel.models.transformer.calibration import COVERAGE, Calibration, widening
from costmodel.models.transformer.inputs import (
    MOST_CHOICES,
    SHARE,
    TILE,
    read_schedule,
    read_workload_input,
)
from costmodel.models.transformer.numbers import WIDTH, number_features
from costmodel.models.transformer.sites import choices_of, reader_of
from costmodel.records import Schedule, Target
from costmodel.tokens.vocabulary import build_vocabulary

KERNELS = Path(__file__).resolve().parents[3] / "kernels"
TARGET = Target("cpu", "x86_64", "any", (), 2, (32 << 10,), 64, {"f32": 2e11}, 2e10)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=False, width=32), max_size=20))
def test_numbers_are_finite_and_unknown_ones_are_zero(values: list[float]) -> None:
    table = number_features(np.array(values, np.float64))
    assert table.shape == (len(values), WIDTH)
    assert np.isfinite(table).all()
    for value, row in zip(values, table, strict=True):
        assert (row[0] == 1) == (value == value)
        if value != value:
            assert not row[:6].any()


@given(st.integers(1, 2**40))
def test_sizes_are_logarithms_and_factors_of_two(size: int) -> None:
    row = number_features(np.array([size], np.float64))[0]
    assert row[1] * 8 == pytest.approx(np.log2(1 + size), rel=1e-5)
    twos = 0
    while size % 2 == 0 and twos < 8:
        size, twos = size // 2, twos + 1
    assert row[5] * 8 == pytest.approx(twos)


def matmul_input(backend: str):
    workload = read_workload(KERNELS / "matmul_bias_relu.mlir")
    reader = reader_of(backend, workload, TARGET)
    given = read_workload_input(workload, TARGET, {backend: reader.sites}, build_vocabulary([]))
    return given, reader


def test_bounds_are_those_of_the_roofline() -> None:
    given, _ = matmul_input("iree")
    ops = analyze(read_workload(KERNELS / "matmul_bias_relu.mlir")).ops
    matmul = next(op for op in ops if op.name == "linalg.matmul")
    bound = 1e6 * max(matmul.flops / peak_flops(TARGET), matmul.bytes / bandwidth(TARGET))
    each = np.maximum(given.compute_us, given.memory_us)
    assert each.max() == pytest.approx(bound)
    assert given.bound_us == pytest.approx(float(each.sum()))
    assert given.peak_us == pytest.approx(1e6 * given.flops / peak_flops(TARGET))
    assert given.flops == pytest.approx(sum(op.flops for op in ops))


def test_edges_go_from_readers_to_what_they_read() -> None:
    given, _ = matmul_input("iree")
    assert len(given.edges) > 0
    assert (given.edges[:, 0] > given.edges[:, 1]).all()
    assert given.edges.max() < given.tokens.ops


def test_a_knob_knows_its_axis_and_what_is_left_over() -> None:
    given, reader = matmul_input("tvm")
    rows = reader.sites[0].axes[0].extent
    for size in (rows, 7):
        knobs = {"kind": "template", "knobs": {f"{reader.sites[0].name}.odd_s0": size}}
        schedule = Schedule("tvm", json.dumps(knobs))
        read = read_schedule("tvm", choices_of(schedule, reader), given)
        assert read.words == ("tvm:template", "tvm:odd")
        assert read.sites.tolist() == [-1, 0]
        assert not read.numbers[0, WIDTH:].any()
        ratio, rest = read.numbers[1, SHARE : SHARE + 2]
        assert ratio * 8 == pytest.approx(np.log2(rows / size), abs=1e-5)
        assert rest == (rows % size != 0)


def test_numbers_of_tiles_are_read() -> None:
    given, reader = matmul_input("tvm")
    schedule = Schedule("tvm", json.dumps({"kind": "template", "knobs": {}}))
    choices = choices_of(schedule, reader)
    read = read_schedule("tvm", choices, given)
    for choice, row in zip(choices, read.numbers, strict=True):
        assert row[TILE:] == pytest.approx(choice.about or (0.0,) * TILE_WIDTH)
    assert sum(bool(choice.about) for choice in choices) == 3


def test_narrow_numbers_are_bounded_by_their_own_rate() -> None:
    target = Target(
        "cpu", "x86_64", "any", (), 2, (32 << 10,), 64, {"f32": 2e11, "i32": 1e11, "i8": 8e11}, 2e10
    )
    workload = read_workload(KERNELS / "bert_int8_matmul.mlir")
    given = read_workload_input(workload, target, {}, build_vocabulary([]))
    matmul = max(analyze(workload).ops, key=lambda op: op.flops)
    assert given.compute_us.max() == pytest.approx(1e6 * matmul.flops / 8e11, rel=1e-3)


def test_more_choices_than_are_read_are_refused() -> None:
    given, _ = matmul_input("tvm")
    with pytest.raises(UnsupportedError, match="at the most"):
        read_schedule("tvm", [Choice("x")] * (MOST_CHOICES + 1), given)


@given(st.integers(60, 400), st.floats(0.01, 2.0), st.integers(0, 1000))
def test_each_task_counts_the_same_for_an_interval(n: int, width: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, groups = rng.normal(size=n), np.arange(n)
    low, high = np.full(n, -width), np.full(n, width)
    once = widening(truth, low, high)
    often = np.repeat(np.arange(n), np.where(groups % 2 == 0, 5, 1))
    repeated = widening(truth[often], low[often], high[often], groups=groups[often])
    lacking = np.sort(np.abs(truth) - width)
    places = np.searchsorted(lacking, [once, repeated])
    assert abs(places[0] - places[1]) <= 1  # sums of shares round


@given(st.integers(60, 400), st.floats(0.01, 2.0), st.integers(0, 1000))
def test_the_calibrated_interval_covers_what_it_promises(n: int, width: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, told = rng.normal(size=n), rng.normal(size=n)
    by = widening(truth, told - width, told + width)
    inside = (told - width - by <= truth) & (truth <= told + width + by)
    # The one at the bound may fall out by rounding.
    assert COVERAGE - 1 / n <= inside.mean() <= COVERAGE + 4 / n


def test_a_calibration_survives_json() -> None:
    one = Calibration(0.1, -0.2)
    assert Calibration.from_json(one.to_json()) == one
