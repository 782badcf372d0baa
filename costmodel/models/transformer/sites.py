"""Sites and choices of whichever backend a schedule is of."""

from __future__ import annotations

from collections.abc import Sequence

from costmodel.backends.choices import Choice, Site
from costmodel.errors import BackendError, UnsupportedError
from costmodel.records import Schedule, Workload

__all__ = ["BACKENDS", "TUNED", "choices_of", "has_choices", "sites_of"]

#: Backends whose schedules can be read as choices.
BACKENDS = ("iree", "tvm")
#: What stands for the fastest schedule of all backends, which nobody knows yet.
TUNED = "tuned"


def sites_of(backend: str, workload: Workload) -> tuple[Site, ...]:
    """What the backend schedules in a workload; none where it cannot express it."""
    try:
        if backend == "tvm":
            from costmodel.backends.tvm.choices import sites_of as of_tvm

            return of_tvm(workload)
        from costmodel.backends.iree.choices import sites_of as of_iree

        return of_iree(workload)
    except UnsupportedError:
        return ()


def has_choices(schedule: Schedule) -> bool:
    """Whether a schedule is of this project's own choices, and not a user's script."""
    if schedule.backend == "iree":
        from costmodel.backends.iree.script_schedules import is_script

        return not is_script(schedule)
    return schedule.backend in BACKENDS


def choices_of(schedule: Schedule, sites: Sequence[Site]) -> list[Choice]:
    """A schedule's choices.

    Raises BackendError for a backend that is none of BACKENDS, UnsupportedError for a user's
    script, UsageError for a text that is no schedule.
    """
    if schedule.backend in BACKENDS and not has_choices(schedule):
        raise UnsupportedError("the model does not read scripts")
    if schedule.backend == "tvm":
        from costmodel.backends.tvm.choices import choices_of as of_tvm

        return of_tvm(schedule, sites)
    if schedule.backend == "iree":
        from costmodel.backends.iree.choices import choices_of as of_iree

        return of_iree(schedule, sites)
    raise BackendError(f"schedules of the backend {schedule.backend!r} cannot be read as choices")
