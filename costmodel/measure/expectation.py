"""The outputs that candidates have to agree with, and whose they are."""

from __future__ import annotations

import time
from dataclasses import dataclass

from costmodel.errors import BackendError
from costmodel.measure import tasks
from costmodel.measure.tasks import Contestant
from costmodel.measure.team import TaskError, Team
from costmodel.measure.worker import Stage

__all__ = ["ReferenceInfo", "make_reference", "save_reference"]


@dataclass(frozen=True)
class ReferenceInfo:
    """Whose outputs candidates are compared with.

    ``compiler`` is "iree", or "<backend> (untuned)" where IREE could not compile or run the
    workload; then ``fallback_reason`` says why. ``positive_inputs`` is set where the function has
    mostly finite values on non-negative inputs only (a logarithm). ``seconds`` is what it took.
    """

    compiler: str
    seconds: float
    fallback_reason: str = ""
    positive_inputs: bool = False


def make_reference(team: Team) -> ReferenceInfo:
    """Save the expected outputs in the team's folder. Raises BackendError if nothing can."""
    started = time.perf_counter()
    reason, compiler = "", "iree"
    try:
        stage = Stage("compiling the reference", tasks.REFERENCE_COMPILE_S + 10)
        team.call(tasks.compile_iree, (), stage, building=True)
        source = Contestant(team.context.reference_path, is_reference=True)
        positive = save_reference(team, source)
    except TaskError as error:
        reason, compiler = error.message, f"{team.context.backend.name} (untuned)"
        positive = _save_default(team, reason)
    # The reference's runtime has left threads and memory in the process that ran it.
    team.measurer.stop()
    return ReferenceInfo(compiler, time.perf_counter() - started, reason, positive)


def _save_default(team: Team, reason: str) -> bool:
    seconds = team.context.policy.build_timeout_s
    try:
        stage = Stage("choosing the untuned default", seconds)
        schedule = team.call(tasks.default_schedule, (), stage, building=True)
        library = team.folder / "default.so"
        stage = Stage("building the untuned default", seconds)
        team.call(tasks.build, (schedule, library), stage, building=True)
        return save_reference(team, Contestant(library))
    except TaskError as error:
        raise BackendError(
            "neither IREE nor the untuned default gives a result to compare with\n"
            f"IREE: {reason}\n{team.context.backend.name}: {error.message}"
        ) from error


def save_reference(team: Team, source: Contestant) -> bool:
    """Save outputs for inputs of both signs if those are finite, else for positive ones: true.

    Raises TaskError where it cannot be run.
    """
    stage = Stage("loading the reference", tasks.LOAD_S)
    if team.call(tasks.save_expected, (source,), stage):
        return False
    team.use_positive_inputs(True)
    if team.call(tasks.save_expected, (source,), stage):
        return True
    team.use_positive_inputs(False)
    team.call(tasks.save_expected, (source,), stage)
    return False
