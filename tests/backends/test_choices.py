"""Schedules as choices: every number of a schedule is there, at the site that it is about."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest

from costmodel.backends.choices import Choice, Site
from costmodel.backends.iree.backend import IREEBackend
from costmodel.backends.iree.choices import choices_of as iree_choices
from costmodel.backends.iree.choices import sites_of as iree_sites
from costmodel.backends.tvm.backend import TVMBackend
from costmodel.backends.tvm.choices import choices_of as tvm_choices
from costmodel.backends.tvm.choices import sites_of as tvm_sites
from costmodel.errors import UsageError
from costmodel.ir import read_workload
from costmodel.records import Schedule
from costmodel.target import host_target

KERNELS = Path(__file__).resolve().parents[2] / "kernels"
MATMUL = KERNELS / "matmul_bias_relu.mlir"


def named(sites: tuple[Site, ...], choice: Choice) -> str:
    return sites[choice.site].name if choice.site >= 0 else ""


def test_knobs_of_a_template_are_choices_at_their_blocks() -> None:
    workload = read_workload(MATMUL)
    sites = tvm_sites(workload)
    assert [axis.reduction for axis in sites[0].axes] == [False, False, True]
    knobs = {"matmul.rows0_s0": 6, "matmul.vec": "s1", "matmul.unroll": 4, "matmul.odd": "r"}
    text = json.dumps({"kind": "template", "knobs": knobs})
    first, *found = tvm_choices(Schedule("tvm", text), sites)
    assert first.word == "template"
    assert {(c.word, named(sites, c), c.axis) for c in found} == {
        ("rows0", "matmul", 0), ("vec", "matmul", 1), ("unroll", "matmul", -1),
        ("odd=r", "matmul", -1),
    }  # fmt: skip
    assert {c.word: c.value for c in found if not math.isnan(c.value)} == {"rows0": 6, "unroll": 4}


def test_strides_of_a_matmul() -> None:
    """C[i, j] += A[i, k] * B[k, j]: along j, B is contiguous and A stands still."""
    rows, columns, reduced = tvm_sites(read_workload(MATMUL))[0].axes
    assert (rows.strided, rows.invariant, rows.contiguous) == (1, 1, 0)
    assert (columns.contiguous, columns.invariant, columns.stores) == (1, 1, 1)
    assert (reduced.contiguous, reduced.strided, reduced.stores) == (1, 1, 0)
    matmul = next(s for s in iree_sites(read_workload(MATMUL)) if s.name == "linalg.matmul")
    along = [(a.contiguous, a.strided, a.invariant, a.stores) for a in matmul.axes]
    assert along == [(0, 1, 1, 2), (1, 0, 1, 1), (1, 1, 0, 0)]


def test_sites_say_what_a_point_takes() -> None:
    for sites, loads in ((tvm_sites, 3), (iree_sites, 2)):  # TVM's block reads its own result
        found = sites(read_workload(MATMUL))
        matmul = next(site for site in found if len(site.axes) == 3)
        assert (matmul.loads, matmul.operations, matmul.calls) == (loads, 2, 0)
        softmax = sites(read_workload(KERNELS / "bert_softmax.mlir"))
        assert any(site.calls for site in softmax)
        assert not all(site.calls for site in softmax)


def test_tilings_and_flags_of_iree_are_choices() -> None:
    workload = read_workload(MATMUL)
    sites = iree_sites(workload)
    place = next(site.place for site in sites if site.name == "linalg.matmul")
    tiling = {"pipeline": "DoubleTilingExpert", "distribution": [32, 64, 0]}
    text = json.dumps({
        "kind": "iree", "flags": {"iree-opt-level": "O2", "iree-llvmcpu-distribution-size": "64"},
        "roots": {str(place): tiling}, "matched": {}, "cuts": [place],
    })  # fmt: skip
    found = iree_choices(Schedule("iree", text), sites)
    assert [(c.word, c.axis, named(sites, c)) for c in found] == [
        ("iree", -1, ""),
        ("iree-llvmcpu-distribution-size", -1, ""), ("iree-opt-level=O2", -1, ""),
        ("DoubleTilingExpert", -1, "linalg.matmul"), ("distribution", 0, "linalg.matmul"),
        ("distribution", 1, "linalg.matmul"), ("cut", -1, "linalg.matmul"),
    ]  # fmt: skip
    assert [c.value for c in found if c.word == "distribution"] == [32.0, 64.0]


def test_the_defaults_are_one_choice() -> None:
    workload = read_workload(MATMUL)
    for made, sites, text in (
        (tvm_choices, tvm_sites(workload), {"kind": "default"}),
        (iree_choices, iree_sites(workload), {"kind": "default"}),
    ):
        backend = "tvm" if made is tvm_choices else "iree"
        assert made(Schedule(backend, json.dumps(text)), sites) == [Choice("default")]


@pytest.mark.parametrize("kernel", ["bert_softmax", "whisper_conv1d_nwc", "vit_transpose_key"])
def test_every_sampled_schedule_of_tvm_can_be_read(kernel: str) -> None:
    workload, target = read_workload(KERNELS / f"{kernel}.mlir"), host_target(2, measure=False)
    space, sites = TVMBackend().space(workload, target), tvm_sites(workload)
    schedules = [space.default(), *space.guesses(), *space.sample(24, random.Random(0))]
    read = [tuple(tvm_choices(schedule, sites)) for schedule in schedules]
    # Their order says nothing: a model reads a set.
    assert len({str(sorted(map(str, r))) for r in read}) == len({s.hash for s in schedules})
    for choice in [choice for choices in read for choice in choices]:
        assert -1 <= choice.site < len(sites)
        if choice.site >= 0:
            assert -1 <= choice.axis < len(sites[choice.site].axes)


def test_sampled_schedules_of_iree_can_be_read() -> None:
    workload, target = read_workload(MATMUL), host_target(2, measure=False)
    space, sites = IREEBackend().space(workload, target), iree_sites(workload)
    schedules = [space.default(), *space.sample(16, random.Random(0))]
    read = {str(sorted(map(str, iree_choices(schedule, sites)))) for schedule in schedules}
    assert len(read) == len({schedule.hash for schedule in schedules})


@pytest.mark.parametrize("text", ["", "[]", '{"kind": "other"}'])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        tvm_choices(Schedule("tvm", text), ())
    with pytest.raises(UsageError):
        iree_choices(Schedule("iree", text), ())
