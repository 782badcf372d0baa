"""What counts as a schedule's latency, whatever the order in which measurements come."""

from __future__ import annotations

import itertools
import uuid

import pytest

from costmodel.records import Environment, Measurement, Outcome, Schedule, TimingPolicy
from costmodel.tally import Tally

SCHEDULE = Schedule("made", "s")


def measurement(when: float, outcome: Outcome = Outcome.OK, *samples: float) -> Measurement:
    environment, policy = Environment({}, {}), TimingPolicy()
    return Measurement(
        str(uuid.uuid4()), "w", SCHEDULE, "t", environment, policy, outcome, samples, when
    )


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([(1, Outcome.OK, 5.0), (2, Outcome.OK, 7.0)], 6.0),
        ([(1, Outcome.OK, 5.0), (2, Outcome.CRASH)], None),
        ([(1, Outcome.RUN_TIMEOUT), (2, Outcome.OK, 5.0)], 5.0),
        ([(1, Outcome.OK, 5.0), (1, Outcome.BUILD_ERROR)], None),
        ([(1, Outcome.OK, 5.0), (2, Outcome.CRASH), (3, Outcome.OK, 9.0)], 7.0),
        ([(1, Outcome.WRONG_RESULT), (2, Outcome.OK, 5.0)], None),
        ([(1, Outcome.CRASH)], None),
    ],
)
def test_a_latest_failure_and_any_wrong_result_count(history, expected):
    made = [measurement(*entry) for entry in history]
    for ordered in itertools.permutations(made):
        tally = Tally(ordered)
        assert tally.best_us == expected
        assert tally.ranked() == ([] if expected is None else [(SCHEDULE, expected)])


def test_what_was_ruled_out_stays_out():
    tally = Tally([measurement(1, Outcome.OK, 5.0)])
    tally.rule_out(SCHEDULE)
    tally.add(measurement(2, Outcome.OK, 5.0))
    assert tally.best_us is None
    assert tally.samples_us(SCHEDULE) == (5.0, 5.0)
