"""Sites and choices of whichever backend a schedule is of."""

from __future__ import annotations

from costmodel.backends.choices import Choice, ChoiceReader
from costmodel.errors import BackendError, UnsupportedError
from costmodel.records import Schedule, Target, Workload

__all__ = ["BACKENDS", "TUNED", "choices_of", "has_choices", "reader_of"]

#: Backends whose schedules can be read as choices.
BACKENDS = ("iree", "tvm")
#: What stands for the fastest schedule of all backends, which nobody knows yet.
TUNED = "tuned"


def reader_of(backend: str, workload: Workload, target: Target) -> ChoiceReader:
    """What reads a backend's schedules of a workload on a target.

    Raises BackendError for a backend that is none of BACKENDS.
    """
    if backend == "tvm":
        from costmodel.backends.tvm.choices import TVMChoices

        return TVMChoices(workload, target)
    if backend == "iree":
        from costmodel.backends.iree.choices import IREEChoices

        return IREEChoices(workload, target)
    raise BackendError(f"schedules of the backend {backend!r} cannot be read as choices")


def has_choices(schedule: Schedule) -> bool:
    """Whether a schedule is of this project's own choices, and not a user's script."""
    if schedule.backend == "iree":
        from costmodel.backends.iree.script_schedules import is_script

        return not is_script(schedule)
    return schedule.backend in BACKENDS


def choices_of(schedule: Schedule, reader: ChoiceReader) -> list[Choice]:
    """A schedule's choices.

    Raises UnsupportedError for a user's script, UsageError for a text that is no schedule.
    """
    if schedule.backend in BACKENDS and not has_choices(schedule):
        raise UnsupportedError("the model does not read scripts")
    return reader.choices(schedule)
