"""MetaSchedule's runner on a worker process that stays, and that checks before it times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tvm.ir.utils import derived_object
from tvm.s_tir import meta_schedule as ms

import costmodel.metaschedule.intrinsics  # noqa: F401
from costmodel.errors import UsageError
from costmodel.metaschedule.crew import Trial
from costmodel.metaschedule.workspace import INTERRUPTED, Workspace
from costmodel.records import Outcome

__all__ = ["WorkerRunner"]


@derived_object
class WorkerRunner(ms.runner.PyRunner):  # type: ignore[misc]
    """A ``Runner`` that compares results with the untuned program's before it times anything.

    ``database`` is the ``StoreDatabase`` that the tuning uses. A kernel is run in a process of its
    own cores, by the database's timing policy, on random inputs; one that crashes, hangs or is
    wrong is a result with the reason, and the next one gets a fresh process. A program of
    ``kernel_module`` is compared with what IREE computes. It runs what ``WorkerBuilder`` has built.

    ``run`` returns when all is timed: what is built meanwhile would disturb it. It raises
    BackendError where the untuned program gives nothing to compare with, MeasureError where the
    workers and not the candidates fail.
    """

    def __init__(self, database: Any) -> None:
        super().__init__()
        self._workspace: Workspace = database.workspace

    def run(self, runner_inputs: list[Any]) -> list[Any]:
        """A result for each library, at once.

        An interrupt ends the tuning before it builds anything more: what is measured by then is
        stored as ever.
        """
        results = []
        for one in runner_inputs:
            library = str(one.artifact_path)
            try:
                result = self._leave(library) if self._workspace.interrupted else self._run(library)
            except KeyboardInterrupt:
                self._workspace.interrupted = True
                result = ms.runner.RunnerResult(None, INTERRUPTED)
            results.append(_done(result))
        return results

    def _leave(self, library: str) -> Any:
        """Nobody blames the candidate: its record is not stored."""
        known = self._workspace.take_built(library)
        if known is not None:
            self._workspace.note_ended(*known)
        return ms.runner.RunnerResult(None, INTERRUPTED)

    def _run(self, library: str) -> Any:
        known = self._workspace.take_built(library)
        if known is None:
            where = "is not there" if not Path(library).exists() else "was built by another builder"
            raise UsageError(
                f"{library} {where}, so that nobody knows what it has to compute",
                hint="give tune_tir a WorkerBuilder that was made with the same database",
            )
        program, digest, trial = known
        try:
            self._workspace.crew.measure(program, [trial])
        finally:
            self._workspace.note_ended(program, digest, trial)
        return _result_of(trial)


def _result_of(trial: Trial) -> Any:
    if trial.outcome is Outcome.OK and trial.timed is not None:
        return ms.runner.RunnerResult([us / 1e6 for us in trial.timed.samples_us], None)
    return ms.runner.RunnerResult(None, f"{trial.outcome}: {trial.error}")


def _done(result: Any) -> Any:
    return ms.runner.RunnerFuture(lambda: True, lambda: result)
