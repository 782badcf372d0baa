"""Schedules as choices: every number of a schedule is there, at the site that it is about."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest

from costmodel.backends.choices import Axis, Choice, Operand, Site
from costmodel.backends.iree.backend import IREEBackend
from costmodel.backends.iree.choices import IREEChoices
from costmodel.backends.tiles import TILE_WIDTH, tile_choice
from costmodel.backends.tvm.backend import TVMBackend
from costmodel.backends.tvm.choices import TVMChoices
from costmodel.errors import UsageError
from costmodel.ir import read_workload
from costmodel.records import Schedule
from costmodel.target import host_target

KERNELS = Path(__file__).resolve().parents[2] / "kernels"
MATMUL = KERNELS / "matmul_bias_relu.mlir"


TARGET = host_target(2, measure=False)


def named(sites: tuple[Site, ...], choice: Choice) -> str:
    return sites[choice.site].name if choice.site >= 0 else ""


def template(**knobs: int | str) -> Schedule:
    return Schedule("tvm", json.dumps({"kind": "template", "knobs": knobs}))


def test_knobs_that_are_not_of_the_space_are_choices_as_they_stand() -> None:
    reader = TVMChoices(read_workload(MATMUL), TARGET)
    assert [axis.reduction for axis in reader.sites[0].axes] == [False, False, True]
    knobs = {"matmul.rows0_s0": 6, "matmul.vec": "s1", "matmul.unroll": 4, "matmul.odd": "r"}
    first, *found = reader.choices(template(**knobs))
    assert first.word == "template"
    assert {(c.word, named(reader.sites, c), c.axis) for c in found} == {
        ("rows0", "matmul", 0), ("vec", "matmul", 1), ("unroll", "matmul", -1),
        ("odd=r", "matmul", -1),
    }  # fmt: skip
    assert {c.word: c.value for c in found if not math.isnan(c.value)} == {"rows0": 6, "unroll": 4}


def test_knobs_of_a_reduction_are_told_by_the_tiles_that_they_make() -> None:
    workload = read_workload(MATMUL)
    reader = TVMChoices(workload, TARGET)
    options = TVMBackend().space(workload, TARGET).options
    rows, columns, reduced = reader.sites[0].extents
    size, row = options["matmul.size_s1"][0], 4
    knobs = {"matmul.vec": "s1", "matmul.size_s1": size, "matmul.rows0_s1": row}
    found = reader.choices(template(**knobs, **{"matmul.block_a": 2, "matmul.unroll": 2}))
    at = {(c.word, c.axis): c.value for c in found if c.site == 0}
    assert at["size", 1] == size
    assert at["rows", 0] == row
    assert at["unroll", 2] == 2
    larger = 0 if -(-rows // row) >= -(-columns // size) else 1
    assert at["tiles", larger] == 2
    # Of A (rows x reduced), B (reduced x columns) and C (rows x columns).
    assert at["register", -1] == 4 * (row * 2 + 2 * size + row * size)
    assert at["inner", -1] == 4 * (row * reduced + reduced * size + row * size)
    assert not {"matmul.vec", "vec", "rows0", "size_s1"} & {c.word for c in found}


def test_a_size_that_has_one_option_is_told_without_its_knob() -> None:
    workload = read_workload(MATMUL)
    reader = TVMChoices(workload, TARGET)
    found = {c.word: c for c in reader.choices(template())}
    assert found["register"].value > 0
    assert found["size"].value == TVMBackend().space(workload, TARGET).options["matmul.size_s1"][0]


SITE = Site(
    "matmul", (Axis(64, False), Axis(48, False, stores=1), Axis(32, True)), 4,
    operands=(
        Operand(4, ({0: 1}, {2: 1})), Operand(4, ({2: 1}, {1: 1})), Operand(4, ({0: 1}, {1: 1})),
    ),
)  # fmt: skip


def test_numbers_of_a_tile() -> None:
    one = tile_choice("x", 0, SITE, (16, 20, 8), vector_bytes=64, threads=2, parallel=True)
    touched = 4 * (16 * 8 + 8 * 20 + 16 * 20)
    tiles, busiest = 4 * 3, 1.0
    moved = touched * tiles * 4
    whole = 4 * (64 * 32 + 32 * 48 + 64 * 48)
    points = 64 * 48 * 32
    assert one.value == touched
    assert one.about == pytest.approx((
        1.0, math.log2(320) / 8, math.log2(8) / 8, math.log2(4 * 320) / 16,
        math.log2(moved / whole) / 8, math.log2(moved / points) / 4, math.log2(tiles) / 8,
        math.log2(busiest), math.log2(60 / 48), math.log2(80 / 64) / 4, math.log2(20) / 4,
    ))  # fmt: skip
    assert len(one.about) == TILE_WIDTH


@pytest.mark.parametrize(
    ("sizes", "parallel", "busiest"),
    [((64, 48, 32), True, 2.0), ((16, 48, 32), True, 1.0), ((22, 48, 32), True, 4 / 3),
     ((16, 48, 32), False, 2.0), ((16, 48, 32), None, 1.0)],
)  # fmt: skip
def test_a_tile_knows_how_evenly_threads_share(
    sizes: tuple[int, ...], parallel: bool | None, busiest: float
) -> None:
    one = tile_choice("x", 0, SITE, sizes, vector_bytes=64, threads=2, parallel=parallel)
    assert 2.0 ** one.about[7] == pytest.approx(busiest)


def test_a_window_slides_over_what_it_shares() -> None:
    """Neighbours of a convolution read 2 * (4 - 1) + 3 elements, not 4 * 3."""
    assert Operand(4, ({0: 2, 1: 1},)).bytes((4, 3)) == 4 * (2 * 3 + 2 + 1)


def test_convolutions_have_windows_in_both_backends() -> None:
    workload = read_workload(KERNELS / "whisper_conv1d_nwc.mlir")
    for reader in (TVMChoices(workload, TARGET), IREEChoices(workload, TARGET)):
        dims = [dim for site in reader.sites for one in site.operands for dim in one.dims]
        assert any(len(dim) == 2 for dim in dims)


def test_strides_of_a_matmul() -> None:
    """C[i, j] += A[i, k] * B[k, j]: along j, B is contiguous and A stands still."""
    rows, columns, reduced = TVMChoices(read_workload(MATMUL), TARGET).sites[0].axes
    assert (rows.strided, rows.invariant, rows.contiguous) == (1, 1, 0)
    assert (columns.contiguous, columns.invariant, columns.stores) == (1, 1, 1)
    assert (reduced.contiguous, reduced.strided, reduced.stores) == (1, 1, 0)
    matmul = next(
        s for s in IREEChoices(read_workload(MATMUL), TARGET).sites if s.name == "linalg.matmul"
    )
    along = [(a.contiguous, a.strided, a.invariant, a.stores) for a in matmul.axes]
    assert along == [(0, 1, 1, 2), (1, 0, 1, 1), (1, 1, 0, 0)]


def test_sites_say_what_a_point_takes() -> None:
    for reader, loads in ((TVMChoices, 3), (IREEChoices, 2)):  # TVM's block reads its own result
        found = reader(read_workload(MATMUL), TARGET).sites
        matmul = next(site for site in found if len(site.axes) == 3)
        assert (matmul.loads, matmul.operations, matmul.calls) == (loads, 2, 0)
        softmax = reader(read_workload(KERNELS / "bert_softmax.mlir"), TARGET).sites
        assert any(site.calls for site in softmax)
        assert not all(site.calls for site in softmax)


def test_tilings_and_flags_of_iree_are_choices() -> None:
    workload = read_workload(MATMUL)
    reader = IREEChoices(workload, TARGET)
    sites = reader.sites
    place = next(site.place for site in sites if site.name == "linalg.matmul")
    tiling = {"pipeline": "DoubleTilingExpert", "distribution": [32, 64, 0]}
    text = json.dumps({
        "kind": "iree", "flags": {"iree-opt-level": "O2", "iree-llvmcpu-distribution-size": "64"},
        "roots": {str(place): tiling}, "matched": {}, "cuts": [place],
    })  # fmt: skip
    found = reader.choices(Schedule("iree", text))
    assert [(c.word, c.axis, named(sites, c)) for c in found] == [
        ("iree", -1, ""),
        ("iree-llvmcpu-distribution-size", -1, ""), ("iree-opt-level=O2", -1, ""),
        ("DoubleTilingExpert", -1, "linalg.matmul"), ("distribution", 0, "linalg.matmul"),
        ("distribution", 1, "linalg.matmul"), ("task", -1, "linalg.matmul"),
        ("cut", -1, "linalg.matmul"),
    ]  # fmt: skip
    assert [c.value for c in found if c.word == "distribution"] == [32.0, 64.0]


def test_the_defaults_are_one_choice() -> None:
    workload = read_workload(MATMUL)
    for backend, reader in (("tvm", TVMChoices), ("iree", IREEChoices)):
        default = Schedule(backend, json.dumps({"kind": "default"}))
        assert reader(workload, TARGET).choices(default) == [Choice("default")]


@pytest.mark.parametrize("kernel", ["bert_softmax", "whisper_conv1d_nwc", "vit_transpose_key"])
def test_every_sampled_schedule_of_tvm_can_be_read(kernel: str) -> None:
    workload = read_workload(KERNELS / f"{kernel}.mlir")
    space, reader = TVMBackend().space(workload, TARGET), TVMChoices(workload, TARGET)
    sites = reader.sites
    schedules = [space.default(), *space.guesses(), *space.sample(24, random.Random(0))]
    read = [tuple(reader.choices(schedule)) for schedule in schedules]
    # Their order says nothing: a model reads a set.
    assert len({str(sorted(map(str, r))) for r in read}) == len({s.hash for s in schedules})
    for choice in [choice for choices in read for choice in choices]:
        assert -1 <= choice.site < len(sites)
        if choice.site >= 0:
            assert -1 <= choice.axis < len(sites[choice.site].axes)


def test_sampled_schedules_of_iree_can_be_read() -> None:
    workload = read_workload(MATMUL)
    space, reader = IREEBackend().space(workload, TARGET), IREEChoices(workload, TARGET)
    schedules = [space.default(), *space.sample(16, random.Random(0))]
    read = {str(sorted(map(str, reader.choices(schedule)))) for schedule in schedules}
    assert len(read) == len({schedule.hash for schedule in schedules})


def test_numbers_beyond_any_float_are_read() -> None:
    """In a shared store there may be anything."""
    huge = 10**400
    instruction = ["SamplePerfectTile", ["l0"], [4, 64], ["v0", "v1"]]
    trace = {"kind": "trace", "trace": [[instruction], [[0, [huge, 1]]]]}
    reader = TVMChoices(read_workload(MATMUL), TARGET)
    for schedule in (template(x=huge), Schedule("tvm", json.dumps(trace))):
        assert all(not choice.value > 2.0**53 for choice in reader.choices(schedule))


@pytest.mark.parametrize("text", ["", "[]", '{"kind": "other"}'])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        TVMChoices(read_workload(MATMUL), TARGET).choices(Schedule("tvm", text))
    with pytest.raises(UsageError):
        IREEChoices(read_workload(MATMUL), TARGET).choices(Schedule("iree", text))
