"""Measurements shift the level of a model, by workload and backend."""

import math

import numpy as np
import pytest

from costmodel.models.base import Example, Query
from costmodel.models.levels import Levels
from costmodel.records import Candidate, Schedule
from tests.store import builders


def query(name: str, backend: str) -> Query:
    candidate = Candidate(builders.workload(name), Schedule(backend, "{}"), builders.target())
    return Query(candidate, np.zeros((0, 0), np.float32))


def test_each_workload_and_backend_has_a_level_of_its_own() -> None:
    levels = Levels()
    asked = [query("f", "tvm"), query("f", "iree"), query("g", "tvm")]
    assert list(levels.shifts(asked)) == [0, 0, 0]
    levels.learn([Example(asked[0], 20.0)] * 4, np.full(4, 10.0))
    levels.learn([Example(asked[1], 5.0)], np.array([10.0]))
    # Four measurements weigh as much as the belief that the level is right.
    wanted = [math.log(2) / 2, -math.log(2) / 5, 0]
    assert list(levels.shifts(asked)) == pytest.approx(wanted)


def test_what_others_took_for_microseconds_says_little() -> None:
    levels, one = Levels(), query("f", "tvm")
    levels.learn([Example(one, 10.0)] * 12, np.full(12, 10.0))
    levels.learn([Example(one, 1e-5)], np.array([10.0]))
    assert abs(levels.shift(one.candidate.workload.hash, "tvm")) < 0.2


def test_it_gets_ever_surer() -> None:
    levels, one = Levels(), query("f", "tvm")
    levels.learn([Example(one, 20.0)] * 1000, np.full(1000, 10.0))
    assert levels.shift(one.candidate.workload.hash, "tvm") == pytest.approx(math.log(2), rel=0.01)
