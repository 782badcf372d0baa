"""MetaSchedule's builder on worker processes that stay."""

from __future__ import annotations

from typing import Any

from tvm.ir.utils import derived_object
from tvm.s_tir import meta_schedule as ms

import costmodel.metaschedule.intrinsics  # noqa: F401
from costmodel.errors import UsageError
from costmodel.metaschedule.crew import Trial
from costmodel.metaschedule.targets import target_text
from costmodel.metaschedule.workspace import Workspace

__all__ = ["WorkerBuilder", "result_of"]


@derived_object
class WorkerBuilder(ms.builder.PyBuilder):  # type: ignore[misc]
    """A ``Builder`` whose processes load TVM once, and are forked again after a crash.

    ``database`` is the ``StoreDatabase`` that the tuning uses. ``max_workers`` is the most
    processes that compile at once, by default one a core. A candidate has the time-out of the
    database's timing policy. Candidates are lowered as MetaSchedule's own builder does it, those
    of ``kernel_module`` as ``costmodel tune`` does. MetaSchedule's own runner can run the libraries
    too, unchecked.

    ``build`` raises MeasureError where the workers and not the candidates fail: they cannot be
    started, or the disk is full.
    """

    def __init__(self, database: Any, *, max_workers: int | None = None) -> None:
        super().__init__()
        self._workspace: Workspace = database.workspace
        if max_workers is not None:
            if max_workers < 1:
                raise UsageError(f"{max_workers} processes cannot build anything")
            self._workspace.builders = max_workers
        self._workspace.crew.start()

    def build(self, build_inputs: list[Any]) -> list[Any]:
        """A library, or the reason why there is none, for each input."""
        workspace, results = self._workspace, dict[int, Any]()
        if workspace.interrupted:
            workspace.interrupted = False
            raise KeyboardInterrupt
        groups: dict[tuple[str, str], list[int]] = {}
        programs = [workspace.program_of(one.mod) for one in build_inputs]
        for place, one in enumerate(build_inputs):
            group = (programs[place].workload.hash, target_text(one.target))
            groups.setdefault(group, []).append(place)
        for (_, target), places in groups.items():
            program = programs[places[0]]
            modules = [build_inputs[place].mod for place in places]
            ours = program.session is not None
            trials = workspace.crew.build(program, modules, target, ours=ours)
            for place, module, trial in zip(places, modules, trials, strict=True):
                workspace.note_built(program, module, trial)
                results[place] = result_of(trial)
        return [results[place] for place in range(len(build_inputs))]


def result_of(trial: Trial) -> Any:
    """MetaSchedule's word for a library, or for why there is none."""
    if trial.outcome is None:
        return ms.builder.BuilderResult(str(trial.library), None)
    return ms.builder.BuilderResult(None, f"{trial.outcome}: {trial.error}")
