"""How cores are counted and shared."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.errors import UsageError
from costmodel.measure.cores import CorePlan, cpu_limit, physical_count, plan_cores, usable_cores


def alone(core: int) -> str:
    return str(core)


def pairs(core: int) -> str:
    return str(core // 2)


@pytest.mark.parametrize(
    ("cores", "threads", "builders", "siblings", "plan", "overlap"),
    [
        ([0, 1], 2, 2, alone, CorePlan((0, 1), ((0,), (1,))), False),
        ([0, 1], 1, 2, alone, CorePlan((0,), ((1,),)), True),
        ([3, 5, 7, 9], 2, 8, alone, CorePlan((3, 5), ((7,), (9,))), True),
        ([3, 5, 7, 9], 2, 1, alone, CorePlan((3, 5), ((7,),)), True),
        # Two physical cores of two: the siblings of the measurer's cores are not spare.
        ([0, 2, 1, 3], 2, 2, pairs, CorePlan((0, 2), ((0,), (2,))), False),
        ([0, 2, 4, 1, 3, 5], 2, 4, pairs, CorePlan((0, 2), ((4,), (5,))), True),
        ([0], 1, 1, alone, CorePlan((0,), ((0,),)), False),
    ],
)
def test_plan(
    cores: list[int],
    threads: int,
    builders: int,
    siblings: Callable[[int], str],
    plan: CorePlan,
    overlap: bool,
) -> None:
    made = plan_cores(cores, threads=threads, builders=builders, siblings=siblings)
    assert made == plan
    assert made.overlap is overlap


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 64), st.booleans())
def test_plan_never_times_beside_a_builder(
    count: int, threads: int, builders: int, smt: bool
) -> None:
    siblings = pairs if smt else alone
    cores = range(count)
    if threads > count:
        with pytest.raises(UsageError):
            plan_cores(cores, threads=threads, builders=builders, siblings=siblings)
        return
    plan = plan_cores(cores, threads=threads, builders=builders, siblings=siblings)
    assert len(plan.measurer) == threads
    assert 1 <= len(plan.builders) <= builders
    if plan.overlap:
        built_on = {siblings(core) for cores in plan.builders for core in cores}
        assert not built_on & {siblings(core) for core in plan.measurer}


def test_counts_below_one_are_refused() -> None:
    with pytest.raises(UsageError):
        plan_cores([0], threads=0, builders=1)
    with pytest.raises(UsageError):
        plan_cores([0], threads=1, builders=0)


def test_usable_cores_are_within_the_affinity() -> None:
    assert set(usable_cores()) <= os.sched_getaffinity(0)
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cores() == (min(allowed),)
    finally:
        os.sched_setaffinity(0, allowed)


def test_limit_is_the_least_of_all_groups_above(tmp_path: Path) -> None:
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    assert cpu_limit(tmp_path, "/outer/inner") == math.inf
    (inner / "cpu.max").write_text("max 100000\n")
    assert cpu_limit(tmp_path, "/outer/inner") == math.inf
    (tmp_path / "outer" / "cpu.max").write_text("150000 100000\n")
    assert cpu_limit(tmp_path, "/outer/inner") == 1.5
    (inner / "cpu.max").write_text("50000 100000\n")
    assert cpu_limit(tmp_path, "/outer/inner") == 0.5


@pytest.mark.parametrize(("quota", "limit"), [("-1", math.inf), ("200000", 2.0), ("?", math.inf)])
def test_limit_of_version_1(tmp_path: Path, quota: str, limit: float) -> None:
    group = tmp_path / "cpu"
    group.mkdir()
    (group / "cpu.cfs_quota_us").write_text(quota)
    (group / "cpu.cfs_period_us").write_text("100000")
    assert cpu_limit(tmp_path, "/") == limit


def test_hardware_threads_of_one_core_count_once() -> None:
    assert physical_count((0, 1, 2, 3), siblings=lambda core: str(core % 2)) == 2
    assert physical_count((0, 1, 2), siblings=str) == 3
    assert physical_count(()) == 0
