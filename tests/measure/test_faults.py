"""What a fault is called, for deaths and exceptions that are hard to bring about."""

from __future__ import annotations

import errno
import signal
from pathlib import Path

import pytest

from costmodel.errors import BackendError, MeasureError, UnsupportedError
from costmodel.measure.faults import Death, describe_exception, explain_death
from costmodel.measure.processes import Died, TimedOut
from costmodel.measure.verdicts import explain, was_killed_from_outside
from costmodel.measure.worker import Done, Failed
from costmodel.records import Outcome

LIMIT = 1 << 30


def outcome_of(death: Death, stderr: str = "", oom_killed: bool = False) -> Outcome:
    outcome, error = explain_death(
        death, "timing", stderr, limit_bytes=LIMIT, oom_killed=oom_killed
    )
    assert "timing" in error
    return outcome


@pytest.mark.parametrize(
    ("death", "stderr", "oom_killed", "outcome"),
    [
        (Death(-signal.SIGSEGV, 1 << 20), "", False, Outcome.CRASH),
        (Death(-signal.SIGSEGV, LIMIT), "", False, Outcome.OUT_OF_MEMORY),
        (Death(-signal.SIGABRT, 1 << 20), "what(): std::bad_alloc", False, Outcome.OUT_OF_MEMORY),
        (Death(-signal.SIGABRT, 1 << 20), "LLVM ERROR: out of memory", False,
         Outcome.OUT_OF_MEMORY),
        (Death(-signal.SIGABRT, 1 << 20), "assertion failed", False, Outcome.CRASH),
        (Death(-signal.SIGKILL, 1 << 20), "", True, Outcome.OUT_OF_MEMORY),
        (Death(-signal.SIGKILL, 1 << 20), "", False, Outcome.CRASH),
        # The kernel ended some process for want of memory, but this one crashed by itself.
        (Death(-signal.SIGSEGV, 1 << 20), "", True, Outcome.CRASH),
        (Death(0, 1 << 20), "", False, Outcome.CRASH),
        (Death(-63, 1 << 20), "", False, Outcome.CRASH),
    ],
)  # fmt: skip
def test_death(death: Death, stderr: str, oom_killed: bool, outcome: Outcome) -> None:
    assert outcome_of(death, stderr, oom_killed) is outcome


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def test_exception_of_ours_is_its_message_and_another_says_where() -> None:
    assert describe_exception(raised(BackendError("no such tile"))).message == "no such tile"
    failure = describe_exception(raised(KeyError("loop")))
    assert failure.message.startswith("KeyError: 'loop' (test_faults.py:")


def test_cause_of_an_exception_counts() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    assert describe_exception(raised(BackendError("ld failed"), full)).disk_full
    assert describe_exception(raised(BackendError("ld: No space left on device"))).disk_full
    assert describe_exception(raised(BackendError("failed"), MemoryError())).out_of_memory
    assert not describe_exception(raised(OSError(errno.EACCES, "no"))).disk_full


def test_long_text_is_cut_in_the_middle() -> None:
    message = describe_exception(raised(BackendError("a" * 50_000 + "the end"))).message
    assert len(message) < 5_000
    assert message.endswith("the end")


def test_verdicts() -> None:
    folder = Path("builds")

    def verdict(reply: Failed | TimedOut, building: bool) -> Outcome:
        return explain(reply, building=building, limit_bytes=LIMIT, folder=folder)[0]

    refused = Failed(describe_exception(raised(UnsupportedError("odd"))))
    starved = Failed(describe_exception(raised(MemoryError())))
    assert verdict(refused, True) is Outcome.INVALID_SCHEDULE
    assert verdict(refused, False) is Outcome.RUN_ERROR
    assert verdict(starved, True) is verdict(starved, False) is Outcome.OUT_OF_MEMORY
    assert verdict(TimedOut("building", 1), True) is Outcome.BUILD_TIMEOUT
    assert verdict(TimedOut("timing", 1), False) is Outcome.RUN_TIMEOUT
    full = Failed(describe_exception(raised(OSError(errno.EDQUOT, "quota"))))
    with pytest.raises(MeasureError, match="builds"):
        verdict(full, True)
    with pytest.raises(ValueError, match="success"):
        explain(Done(1), building=True, limit_bytes=LIMIT, folder=folder)


def test_killed_from_outside() -> None:
    killed = Death(-signal.SIGKILL, 0)
    assert was_killed_from_outside(Died("timing", killed, "", oom_killed=False))
    assert not was_killed_from_outside(Died("timing", killed, "", oom_killed=True))
    crashed = Death(-signal.SIGSEGV, 0)
    assert not was_killed_from_outside(Died("timing", crashed, "", oom_killed=False))
