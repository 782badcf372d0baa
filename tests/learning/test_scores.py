"""The figures of the model card, on cases that can be counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from costmodel.learning.scores import rank_correlation, score_functions, score_schedules


def test_functions_are_scored_where_they_were_measured() -> None:
    found = score_functions({
        "log_us": np.log([10.0, 22.0, 50.0, 1.0]),
        "log_us_true": np.log([10.0, 20.0, 40.0, np.nan]),
        "low": np.log([9.0, 21.0, 30.0, 0.1]), "high": np.log([11.0, 25.0, 60.0, 9.0]),
        "registers": np.array([5.0, 5.0, 5.0, 5.0]),
        "registers_true": np.array([6.0, 8.0, np.nan, 5.0]),
        "utilization": np.array([0.1, 0.2, 0.3, 0.9]),
        "utilization_true": np.array([0.1, 0.1, 0.2, np.nan]),
        "spills": np.zeros(4), "spills_true": np.array([0.0, 3.0, np.nan, 100.0]),
    })  # fmt: skip
    assert found.functions == 3
    assert found.spearman == pytest.approx(1.0)
    assert found.median_error == pytest.approx(0.1)
    assert found.registers == 0.5
    assert found.utilization_rmse == pytest.approx(100 * math.sqrt(0.02 / 3))
    assert found.spills_mae == 1.5
    assert found.covered == pytest.approx(2 / 3)


def test_columns_that_are_absent_are_not_known() -> None:
    found = score_functions({"log_us": np.zeros(2), "log_us_true": np.array([0.0, 1.0])})
    assert found.spearman == 0.0  # a constant orders nothing
    assert math.isnan(found.registers)
    assert math.isnan(found.covered)


def task(score: list[float], us: list[float]) -> dict[str, np.ndarray]:
    return {"score": np.array(score), "log_us": np.log(us)}


def test_a_group_is_scored_by_its_first_and_by_its_first_five() -> None:
    # By score the order is 4, 3, 2, 6, 5, 1: the first takes 4 times the best, and of the first
    # five the best twice.
    us = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    found = score_schedules([task([6.0, 3.0, 2.0, 1.0, 5.0, 4.0], us)], group=6)
    assert (found.tasks, found.grouped) == (1, 1)
    assert found.first == pytest.approx(4.0)
    assert found.five == pytest.approx(2.0)
    perfect = score_schedules([task(us, us), task(us, us)], group=6)
    assert perfect.first == perfect.five == pytest.approx(1.0)
    assert perfect.spearman == pytest.approx(1.0)


def test_what_failed_is_no_choice_and_small_tasks_have_no_group() -> None:
    found = score_schedules([task([0.0, 1.0, 2.0], [np.inf, 1.0, 2.0])], group=6)
    assert (found.tasks, found.grouped) == (1, 0)
    assert found.spearman == pytest.approx(1.0)
    assert math.isnan(found.first)
    nothing = score_schedules([task([1.0], [1.0])])
    assert nothing.tasks == 0
    assert math.isnan(nothing.spearman)


def test_intervals_count_by_task() -> None:
    inside = task([0.0, 1.0], [1.0, 2.0]) | {"low": np.full(2, -1.0), "high": np.full(2, 2.0)}
    outside = task([0.0, 1.0], [1.0, 2.0]) | {"low": np.full(2, 3.0), "high": np.full(2, 4.0)}
    assert score_schedules([inside, outside]).covered == 0.5


@pytest.mark.parametrize("predicted", [[1.0], [1.0, 1.0]])
def test_what_cannot_be_ordered_correlates_with_nothing(predicted: list[float]) -> None:
    assert rank_correlation(np.array(predicted), np.arange(float(len(predicted)))) == 0.0
