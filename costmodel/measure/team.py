"""The workers of one run and the folder that they share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from costmodel.measure.cores import CorePlan
from costmodel.measure.host import WorkerHost
from costmodel.measure.processes import Worker, first_replies
from costmodel.measure.tasks import Context
from costmodel.measure.verdicts import explain
from costmodel.measure.worker import Done, Stage
from costmodel.records import Outcome

__all__ = ["TaskError", "Team"]


class TaskError(Exception):
    """A task that had to succeed did not; never leaves ``costmodel.measure``."""

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message


class Team:
    """One measuring worker, the builders, and their folder; ``close`` ends and removes all.

    ``context`` is what ``make_context`` makes of the folder; a process that runs already keeps
    the context that it was started with.
    """

    def __init__(
        self,
        make_context: Callable[[Path], Context],
        plan: CorePlan,
        *,
        directory: Path,
        modules: Sequence[str],
        settings: Mapping[str, str],
        host: WorkerHost | None = None,
    ) -> None:
        self.plan = plan
        self._stack = ExitStack()
        directory.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="measure-", dir=directory))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        try:
            self.context = make_context(self.folder)
            owned = host is None
            if host is None:
                host = WorkerHost(self.folder, modules=modules, environment=settings)
                self._stack.enter_context(host)
            self.measurer = self._worker(host, plan.measurer)
            self.builders = [self._worker(host, cores) for cores in plan.builders]
            if not owned:
                self._stack.callback(self.stop_all)
        except BaseException:
            self._stack.close()
            raise

    def _worker(self, host: WorkerHost, cores: Sequence[int]) -> Worker:
        return Worker(
            host,
            self._packed_context,
            cores=cores,
            memory_bytes=self.context.policy.memory_bytes,
        )

    def _packed_context(self) -> bytes:
        import cloudpickle

        packed: bytes = cloudpickle.dumps(self.context)
        return packed

    def close(self) -> None:
        """End every process and remove every file. Idempotent."""
        self._stack.close()

    def use_positive_inputs(self, positive: bool) -> None:
        """Have the processes that start from now on draw inputs that are not negative, or not."""
        self.context = replace(self.context, positive=positive)
        self.stop_all()

    def stop_all(self) -> None:
        """End the worker processes; the next tasks start others."""
        for worker in (self.measurer, *self.builders):
            worker.stop()

    def stop_busy(self) -> None:
        """End the processes whose task nobody waits for any more."""
        for worker in (self.measurer, *self.builders):
            if worker.busy:
                worker.stop()

    def call(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        stage: Stage,
        *,
        building: bool = False,
    ) -> Any:
        """Run a task on the measurer's cores and wait for its value. Raises TaskError."""
        try:
            self.measurer.submit(function, arguments, stage)
            ((_, reply),) = first_replies([self.measurer])
        finally:
            if self.measurer.busy:
                self.measurer.stop()
        if isinstance(reply, Done):
            return reply.value
        limit = self.context.policy.memory_bytes
        raise TaskError(
            *explain(reply, building=building, limit_bytes=limit, folder=self.folder.parent)
        )
