"""Runs, comparisons and steps, from measurements alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from costmodel.dashboard.comparing import baseline, compare, is_default, steps
from costmodel.dashboard.guard import Hosts
from costmodel.dashboard.predicted import MOST, choose_schedules
from costmodel.dashboard.reading import reading
from costmodel.dashboard.runs import GAP_S, Run, find_runs, starts
from costmodel.records import Measurement, Outcome, Schedule
from costmodel.store import open_store
from tests.store import builders


def test_a_run_ends_where_a_longer_pause_begins() -> None:
    times = [0.0, GAP_S, 2 * GAP_S + 1, 2 * GAP_S + 2, 9 * GAP_S]
    assert starts(times) == [0, 2, 4]
    assert starts([]) == []


def runs_of(path: Path, made: Sequence[Measurement]) -> list[Run]:
    with open_store(path) as store:
        for name in "fg":
            store.add_workload(builders.workload(name))
        for cpu in ("test-cpu", "other"):
            store.add_target(builders.target(cpu))
        store.add(made)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE measurements SET timestamp = 'x' WHERE error = 'damaged'")
    connection.close()
    with reading(path) as reader:
        return find_runs(reader.parts(None, GAP_S))


def test_runs_know_what_was_best_before_them(tmp_path: Path) -> None:
    made = [
        builders.measurement(us, timestamp=time)
        for time, us in ((0.0, 9.0), (GAP_S, 11.0), (5e3, 6.0), (5e3 + 9, 8.0), (9e3, 7.0))
    ]
    made.append(builders.failure(Outcome.CRASH, timestamp=1.0))
    made.append(builders.measurement(1.0, error="damaged"))
    last, middle, first = runs_of(tmp_path / "store.sqlite", made)
    assert (first.part.begin, first.part.end, first.part.measurements) == (0.0, GAP_S, 3)
    assert (first.part.failed, first.part.best_us, first.before_us) == (1, 9.0, None)
    assert (middle.part.begin, middle.part.end) == (5e3, 5e3 + 9)
    assert (middle.before_us, middle.gain) == (9.0, 1.5)
    assert (last.before_us, last.part.best_us) == (6.0, 7.0)
    assert first.gain is None


def test_workloads_and_targets_have_runs_of_their_own(tmp_path: Path) -> None:
    other, slow = builders.workload("g").hash, builders.target("other").hash
    made = [
        builders.measurement(3.0, timestamp=1.0),
        builders.measurement(2.0, timestamp=2.0, target=slow),
        builders.measurement(1.0, timestamp=3.0, workload=other),
    ]
    found = runs_of(tmp_path / "store.sqlite", made)
    assert [(run.part.workload, run.part.target, run.before_us) for run in found] == [
        (one.workload, one.target, None) for one in reversed(made)
    ]


def test_samples_of_one_schedule_are_pooled() -> None:
    fast, slow = builders.schedule(1), builders.schedule(2)
    made = [
        builders.measurement(10.0, 20.0, schedule=fast),
        builders.measurement(30.0, 40.0, 50.0, schedule=fast),
        builders.measurement(60.0, schedule=slow),
    ]
    first, second = compare(made)
    assert (first.schedule, first.median_us, first.measurements) == (fast, 30.0, 2)
    assert first.quarters_us == (20.0, 40.0)
    assert first.spread == pytest.approx(1 / 3)
    assert (second.median_us, second.spread) == (60.0, None)


def test_other_versions_are_another_row() -> None:
    made = [builders.measurement(10.0, environment=builders.environment(v)) for v in ("1", "2")]
    assert sorted(one.toolchain_name for one in compare(made)) == ["tvm 1", "tvm 2"]


def test_what_was_wrong_or_failed_last_does_not_count() -> None:
    wrong, broken, mended = (builders.schedule(tile) for tile in (1, 2, 3))
    made = [
        builders.failure(Outcome.WRONG_RESULT, schedule=wrong),
        builders.measurement(1.0, schedule=wrong),
        builders.measurement(2.0, schedule=broken),
        builders.failure(Outcome.CRASH, schedule=broken),
        builders.failure(Outcome.CRASH, schedule=mended),
        builders.measurement(3.0, schedule=mended),
    ]
    compared = {one.schedule: (one.median_us, one.outcome) for one in compare(made)}
    assert compared == {
        mended: (3.0, Outcome.OK),
        wrong: (None, Outcome.WRONG_RESULT),
        broken: (None, Outcome.CRASH),
    }
    assert compare(made)[0].schedule == mended


def test_the_default_of_iree_is_what_others_are_compared_with() -> None:
    plain = '{"kind": "default"}'
    made = [
        builders.measurement(5.0, schedule=Schedule("iree", plain)),
        builders.measurement(90.0, schedule=Schedule("tvm", plain)),
    ]
    found = baseline(compare(made))
    assert found is not None
    assert found.schedule.backend == "iree"
    found = baseline(compare(made[1:]))
    assert found is not None
    assert found.schedule.backend == "tvm"
    assert baseline(compare([builders.measurement(5.0)])) is None


@pytest.mark.parametrize("text", ["", "[", "[" * 100_000, "[]", "7", '{"kind": "template"}'])
def test_other_texts_are_no_default(text: str) -> None:
    assert not is_default(Schedule("iree", text))


def test_the_best_only_falls_and_never_by_what_was_wrong() -> None:
    wrong = builders.schedule(9)
    made = [
        builders.measurement(30.0),
        builders.failure(Outcome.BUILD_ERROR, schedule=builders.schedule(2)),
        builders.measurement(1.0, schedule=wrong),
        builders.measurement(20.0, schedule=builders.schedule(3)),
        builders.measurement(25.0, schedule=builders.schedule(4)),
        builders.failure(Outcome.WRONG_RESULT, schedule=wrong),
    ]
    assert [one.best_us for one in steps(made)] == [30.0, 30.0, 30.0, 20.0, 20.0, 20.0]
    assert [one.latency_us for one in steps(made)] == [30.0, None, 1.0, 20.0, 25.0, None]


def test_of_many_schedules_the_model_is_asked_about_some_of_every_rank() -> None:
    many = compare([
        builders.measurement(float(n), schedule=builders.schedule(n)) for n in range(1, 1001)
    ])  # fmt: skip
    chosen = choose_schedules(many)
    assert len(chosen) == MOST
    medians = [one.median_us or 0 for one in chosen]
    assert (medians[0], medians[-1]) == (1.0, 1000.0)
    assert max(b - a for a, b in pairwise(medians)) <= 5


def test_beyond_this_machine_addresses_and_given_names_will_do() -> None:
    hosts = Hosts(frozenset({"lab.example"}), remote=True)
    assert hosts.allow("lab.example:8001")
    assert hosts.allow("192.0.2.7:8001")
    assert hosts.allow("[2001:db8::1]")
    assert not hosts.allow("evil.example")
    assert not hosts.allow("lab.example.evil.example")
