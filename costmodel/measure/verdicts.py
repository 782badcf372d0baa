"""From a worker's reply to a candidate's outcome."""

from __future__ import annotations

from pathlib import Path

from costmodel.errors import MeasureError
from costmodel.measure.faults import explain_death
from costmodel.measure.processes import Died, Reply, TimedOut
from costmodel.measure.worker import Done, Failed
from costmodel.records import Outcome

__all__ = ["explain", "was_killed_from_outside"]


def was_killed_from_outside(reply: Reply) -> bool:
    """Whether neither the candidate nor its use of memory can be blamed for the worker's end."""
    return isinstance(reply, Died) and reply.death.killed and not reply.oom_killed


def explain(reply: Reply, *, building: bool, limit_bytes: int, folder: Path) -> tuple[Outcome, str]:
    """Outcome and error text of a reply that is no success.

    Raises MeasureError where the machine is to blame and not the candidate: the disk of
    ``folder`` is full.
    """
    if isinstance(reply, TimedOut):
        outcome = Outcome.BUILD_TIMEOUT if building else Outcome.RUN_TIMEOUT
        return outcome, f"{reply.stage} took longer than {reply.seconds:g} s"
    if isinstance(reply, Failed):
        return _explain_failure(reply, building, folder)
    if isinstance(reply, Done):
        raise ValueError("a success needs no explanation")
    return explain_death(
        reply.death,
        reply.stage,
        reply.stderr,
        limit_bytes=limit_bytes,
        oom_killed=reply.oom_killed,
    )


def _explain_failure(reply: Failed, building: bool, folder: Path) -> tuple[Outcome, str]:
    failure = reply.failure
    if failure.disk_full:
        raise MeasureError(
            f"no space is left for built candidates in {folder}: {failure.message}",
            hint="free some space, or choose another directory",
        )
    if failure.out_of_memory:
        return Outcome.OUT_OF_MEMORY, failure.message
    if failure.wrong_result:
        return Outcome.WRONG_RESULT, failure.message
    if not building:
        return Outcome.RUN_ERROR, failure.message
    outcome = Outcome.INVALID_SCHEDULE if failure.bad_input else Outcome.BUILD_ERROR
    return outcome, failure.message
