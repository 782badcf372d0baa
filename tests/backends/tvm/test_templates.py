"""Whatever the knobs, a scheduled program computes what the program computes unscheduled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from costmodel.backends.tvm.knobs import InvalidKnobsError, knobs_of
from costmodel.backends.tvm.replay import lowered
from costmodel.backends.tvm.template import schedule
from costmodel.ir import analyze, read_text
from costmodel.measure.check import compare, compute_dtype, reduction_length
from costmodel.measure.inputs import random_inputs
from tests.backends.tvm.programs import FAMILIES

SPECIAL = (np.nan, np.inf, -np.inf)


def with_specials(inputs: list[NDArray[Any]], positions: list[int]) -> list[NDArray[Any]]:
    """The first input with NaN and infinities at some places.

    Not the others: those may be weights, and TVM drops a product of one with a padded zero.
    """
    first = inputs[0].copy()
    if first.dtype.kind not in "iub":
        for position, value in zip(positions, SPECIAL, strict=False):
            first.reshape(-1)[position % first.size] = value
    return [first, *inputs[1:]]


@pytest.mark.parametrize("family", FAMILIES)
@settings(
    derandomize=True,
    max_examples=16,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_schedule_changes_no_result(family, target, machine, library, data):
    workload = read_text(data.draw(FAMILIES[family], "program"))
    module, program = lowered(workload.text)
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
    inputs = random_inputs(workload.inputs, seed=data.draw(st.integers(0, 99), "seed"))
    positions = data.draw(st.lists(st.integers(0, 10**6), max_size=3), "special")
    plain, changed = (library(each, workload, target) for each in (module, scheduled.mod))
    analysis = analyze(workload)
    for arrays, at_end in ((inputs, True), (with_specials(inputs, positions), False)):
        result = compare(
            changed(arrays, at_end=at_end),
            plain(arrays),
            reduction_length=reduction_length(analysis),
            dtype=compute_dtype(analysis),
        )
        assert result.ok, result.message
