"""Whatever was decided, a scheduled program computes what the program computes unscheduled."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import tvm
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from costmodel.backends.tvm.knobs import InvalidKnobsError, knobs_of
from costmodel.backends.tvm.metaschedule import MetaScheduleSpace
from costmodel.backends.tvm.replay import lowered, replay, tvm_target
from costmodel.backends.tvm.template import schedule
from costmodel.backends.tvm.texts import default_text
from costmodel.ir import analyze, read_text
from costmodel.measure.check import compare, compute_dtype, reduction_length
from costmodel.measure.inputs import random_inputs
from costmodel.records import Schedule, Workload
from tests.backends.tvm.programs import FAMILIES

SPECIAL = (np.nan, np.inf, -np.inf)
COMMON = {
    "derandomize": True,
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow],
}


def with_specials(inputs: list[NDArray[Any]], positions: list[int]) -> list[NDArray[Any]]:
    """The first input with NaN and infinities at some places.

    Not the others: those may be weights, and TVM drops a product of one with a padded zero.
    """
    first = inputs[0].copy()
    if first.dtype.kind not in "iub":
        for position, value in zip(positions, SPECIAL, strict=False):
            first.reshape(-1)[position % first.size] = value
    return [first, *inputs[1:]]


@pytest.fixture(scope="module")
def assert_agrees(target, library):
    """Compares a scheduled module with the workload's, on random numbers and on odd ones."""

    def check(workload: Workload, scheduled: tvm.IRModule, data: Any) -> None:
        inputs = random_inputs(workload.inputs, seed=data.draw(st.integers(0, 99), "seed"))
        positions = data.draw(st.lists(st.integers(0, 10**6), max_size=3), "special")
        plain = library(lowered(workload.text)[0], workload, target)
        changed = library(scheduled, workload, target)
        analysis = analyze(workload)
        for arrays, at_end in ((inputs, True), (with_specials(inputs, positions), False)):
            result = compare(
                changed(arrays, at_end=at_end),
                plain(arrays),
                reduction_length=reduction_length(analysis),
                dtype=compute_dtype(analysis),
            )
            assert result.ok, result.message

    return check


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=16, **COMMON)
@given(data=st.data())
def test_knobs_change_no_result(family, machine, assert_agrees, data):
    workload = read_text(data.draw(FAMILIES[family], "program"))
    _, program = lowered(workload.text)
    assume(program is not None)
    options = knobs_of(program, machine)
    chosen = data.draw(
        st.fixed_dictionaries({name: st.sampled_from(values) for name, values in options.items()}),
        "knobs",
    )
    try:
        scheduled = schedule(program, chosen, machine)
    except InvalidKnobsError:
        reject()
    assert_agrees(workload, scheduled.mod, data)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=4, **COMMON)
@given(data=st.data())
def test_neither_do_the_rules_of_metaschedule(family, target, assert_agrees, data):
    workload = read_text(data.draw(FAMILIES[family], "program"))
    rules = MetaScheduleSpace(lowered(workload.text)[0], tvm_target(target))
    drawn = rules.sample(random.Random(data.draw(st.integers(0, 1000), "rules' seed")))
    assume(drawn is not None)
    assert_agrees(workload, drawn.mod, data)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=4, **COMMON)
@given(data=st.data())
def test_nor_does_the_untuned_default(family, target, assert_agrees, data):
    workload = read_text(data.draw(FAMILIES[family], "program"))
    default = replay(workload, Schedule("tvm", default_text()), target)
    assert_agrees(workload, default.mod, data)
