"""Sites and choices of whichever backend a schedule is of."""

from __future__ import annotations

from collections.abc import Sequence

from costmodel.backends.choices import Choice, Site
from costmodel.errors import BackendError, UnsupportedError
from costmodel.records import Schedule, Workload

__all__ = ["BACKENDS", "TUNED", "choices_of", "sites_of"]

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


def choices_of(schedule: Schedule, sites: Sequence[Site]) -> list[Choice]:
    """A schedule's choices.

    Raises BackendError for a backend that is none of BACKENDS, UsageError for a text that is no
    schedule of it.
    """
    if schedule.backend == "tvm":
        from costmodel.backends.tvm.choices import choices_of as of_tvm

        return of_tvm(schedule, sites)
    if schedule.backend == "iree":
        from costmodel.backends.iree.choices import choices_of as of_iree

        return of_iree(schedule, sites)
    raise BackendError(f"schedules of the backend {schedule.backend!r} cannot be read as choices")
