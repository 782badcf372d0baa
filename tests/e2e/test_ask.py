"""``predict`` and ``rank``: answers without a measurement."""

from __future__ import annotations

import json

import pytest


def test_predict_counts_and_estimates(place) -> None:
    done = place.run("predict", place.kernel, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {
        "workload", "function", "target", "backend", "model", "latency_us", "low_us", "high_us",
        "roofline_us", "flops", "bytes", "intensity", "measured_us", "untuned", "notes",
    }  # fmt: skip
    assert found["flops"] == pytest.approx(2 * 64 * 96 * 80)
    assert found["bytes"] == 4 * (64 * 96 + 96 * 80 + 64 * 80)
    assert found["intensity"] == pytest.approx(found["flops"] / found["bytes"])
    assert 0 < found["low_us"] < found["latency_us"] < found["high_us"]
    assert found["measured_us"] is None
    assert place.measurements() == 0


def test_rank_orders_schedules_the_same_for_a_seed(place) -> None:
    arguments = ("rank", place.kernel, "--n", "24", "--seed", "3")
    done = place.run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    schedules = found["schedules"]
    assert 0 < len(schedules) <= 24
    assert [row["rank"] for row in schedules] == list(range(1, len(schedules) + 1))
    predicted = [row["predicted_us"] for row in schedules]
    assert predicted == sorted(predicted)
    assert len({row["schedule_hash"] for row in schedules}) == len(schedules)
    assert place.measurements() == 0
    again = place.json(*arguments)["schedules"]  # in another process, this one
    assert [row["schedule_hash"] for row in again] == [row["schedule_hash"] for row in schedules]


@pytest.mark.parametrize("command", ["predict", "rank"])
def test_people_get_a_table(place, command: str) -> None:
    done = place.call(command, place.kernel)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("dense on ")


def test_the_weights_of_the_package_answer_by_default(trained) -> None:
    found = trained.json("predict", trained.kernel)
    # Another kind of machine than they were trained on is told so.
    assert found["model"] == "transformer" or "this target is another" in found["notes"][-1]
    assert 0 < found["low_us"] < found["latency_us"] < found["high_us"]


def test_weights_that_are_switched_off_do_not(place) -> None:
    assert place.json("predict", place.kernel)["model"] == "roofline"
