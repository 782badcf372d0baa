"""What the tuner measures with: one workload on one target, for as long as a run takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from costmodel.backends.base import Backend, part_of
from costmodel.errors import BackendError, UsageError
from costmodel.ir.analysis import Analysis
from costmodel.measure import tasks
from costmodel.measure.check import compute_dtype, reduction_length
from costmodel.measure.comparison import Comparison, Failure
from costmodel.measure.cores import plan_cores, usable_cores
from costmodel.measure.environment import machine_facts, worker_environment
from costmodel.measure.expectation import ReferenceInfo, make_reference
from costmodel.measure.host import WorkerHost
from costmodel.measure.pipeline import Pipeline
from costmodel.measure.tasks import Contestant, Context
from costmodel.measure.team import TaskError, Team
from costmodel.measure.worker import Stage
from costmodel.records import (
    Environment,
    Measurement,
    Schedule,
    Target,
    TimingPolicy,
    Workload,
)

__all__ = ["Measurer", "Measures", "ReferenceInfo"]

#: Built candidates that are kept for ``compare`` and ``library``: the fastest ones.
_KEPT_LIBRARIES = 64
#: A candidate that takes so many times what the best takes is not worth more than one sample.
_GIVE_UP_FACTOR = 3.0
#: Samples that a profile takes of each library.
_PROFILE_SAMPLES = 5
#: Stands among the hashes of a comparison's schedules.
_REFERENCE = "reference"


class Measures(Protocol):
    """What a search measures with, here or on the machines of others; see ``Measurer``."""

    def prepare_reference(self) -> ReferenceInfo:
        """Have what results are compared with, before the first of them."""
        ...

    def measure(self, schedules: Sequence[Schedule]) -> Iterator[Measurement]:
        """A measurement of each schedule, as each is done."""
        ...

    def finished(self) -> list[Measurement]:
        """Measurements that were made and not yielded; the last that was may be among them."""
        ...


class Measurer:
    """Measures candidates of one workload in worker processes. A context manager.

    ``builders`` is the most processes that compile at once; ``threads`` is the number of threads
    that a kernel runs on, the target's. Files go to a fresh folder in ``directory``, which is
    removed at the end, as all processes are. A candidate much slower than the best so far is
    sampled once. ``analysis`` decides the tolerance of the output check.

    The backend travels to the workers by cloudpickle. It may have an attribute
    ``worker_modules``, names of modules that are imported once, before workers are forked: a
    module that starts threads must not be among them. Starting is asynchronous: the workers load
    those modules while the caller goes on. ``host`` is for a caller that measures many workloads:
    one that has loaded the backend's modules already, in the same environment.

    Raises MeasureError where the workers and not the candidates fail: they cannot be started, or
    the disk is full. What had been measured has been yielded by then, or is in ``finished``.
    """

    def __init__(
        self,
        backend: Backend,
        workload: Workload,
        target: Target,
        policy: TimingPolicy,
        *,
        analysis: Analysis,
        builders: int,
        threads: int,
        seed: int,
        directory: Path,
        host: WorkerHost | None = None,
    ) -> None:
        if threads != target.threads:
            raise UsageError(f"the target has {target.threads} threads, not {threads}")
        plan = plan_cores(usable_cores(), threads=threads, builders=builders)
        settings = worker_environment(threads)
        length, dtype = reduction_length(analysis), compute_dtype(analysis)
        self._backend = backend
        self._facts = machine_facts(target, plan, settings)
        self._environments: dict[str, Environment] = {}
        self._team = Team(
            lambda folder: Context(backend, workload, target, policy, seed, folder, length, dtype),
            plan,
            directory=directory,
            modules=["numpy", *getattr(backend, "worker_modules", ())],
            settings=settings,
            host=host,
        )
        self._pipeline = Pipeline(self._team, self.environment, self._path, self._give_up_above)
        self._latency_us: dict[Path, float] = {}
        self._reference: ReferenceInfo | None = None

    def environment(self, schedule: Schedule) -> Environment:
        """What measurements of the schedule are made with: its backend's versions, this machine."""
        if schedule.backend not in self._environments:
            versions = dict(part_of(self._backend, schedule).versions())
            self._environments[schedule.backend] = Environment(versions, self._facts)
        return self._environments[schedule.backend]

    def __enter__(self) -> Measurer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process and remove every file. Idempotent."""
        self._team.close()

    def prepare_reference(self) -> ReferenceInfo:
        """Have IREE compute the outputs that candidates must agree with; once per Measurer.

        Falls back to the backend's untuned default where IREE cannot, and says so in what it
        returns. Raises BackendError if that fails too.
        """
        if self._reference is None:
            self._reference = make_reference(self._team)
        return self._reference

    def measure(self, schedules: Sequence[Schedule]) -> Iterator[Measurement]:
        """Build, check and time every schedule; exactly one Measurement each, as each is done.

        Building goes on while measuring where cores are left for it; otherwise the two take
        turns. When the caller stops early (by KeyboardInterrupt, say), candidates under way are
        dropped, ``finished`` has what was measured and not yielded, and the Measurer can be used
        on. A crash or a wrong result is recorded only after it came again in a fresh process.
        """
        self.prepare_reference()
        for measurement in self._pipeline.run(schedules):
            self._note(measurement)
            yield measurement

    def finished(self) -> list[Measurement]:
        """Measurements that were made and not yielded, for a caller that was interrupted.

        The one that was yielded last may be among them: nobody can say how far the caller came.
        """
        left = self._pipeline.finished()
        for measurement in left:
            self._note(measurement)
        return left

    def library(self, schedule: Schedule) -> Path:
        """The shared library of a schedule, built again if it is not at hand.

        It is gone after ``close``. Raises BackendError if it cannot be built.
        """
        try:
            return self._build(schedule)
        except TaskError as error:
            raise BackendError(f"{error.outcome}: {error.message}") from error

    def _build(self, schedule: Schedule) -> Path:
        path = self._path(schedule)
        if not path.exists():
            stage = Stage("building", self._team.context.policy.build_timeout_s)
            self._team.call(tasks.build, (schedule, path), stage, building=True)
        return path

    def verify(self, schedule: Schedule) -> None:
        """Check the results of a schedule's library on several inputs, as ``compare`` does.

        Raises BackendError if it cannot be built, does not survive or is wrong.
        """
        self.verify_library(self.library(schedule))

    def verify_library(self, library: Path) -> None:
        """As ``verify``, for a library that was built elsewhere."""
        self.prepare_reference()
        stage = Stage("loading", tasks.LOAD_S)
        try:
            self._team.call(tasks.verify, (library,), stage)
        except TaskError as error:
            raise BackendError(f"{error.outcome}: {error.message}") from error

    def profile(
        self, kernels: Sequence[tuple[Path, Workload]], *, samples: int = _PROFILE_SAMPLES
    ) -> list[tuple[float, ...]]:
        """Samples in microseconds of other workloads' libraries; none for one that cannot be run.

        A rough figure: they follow each other in one process. One that ends the process is taken
        out, and the rest is timed again.
        """
        left = list(range(len(kernels)))
        while left:
            self._team.measurer.stop()
            stage = Stage("loading", tasks.LOAD_S, 0)
            listed = [kernels[place] for place in left]
            try:
                times = self._team.call(tasks.profile, (listed, samples), stage)
            except TaskError:
                del left[self._team.measurer.stage.item or 0]
                continue
            finally:
                self._team.measurer.stop()
            found = dict(zip(left, times, strict=True))
            return [found.get(place, ()) for place in range(len(kernels))]
        return [()] * len(kernels)

    def compare(self, schedules: Sequence[Schedule], *, rounds: int) -> Comparison:
        """Check schedules and time them in turns in one process; the first is timed as two.

        A schedule that cannot be built, crashes, hangs or is wrong is taken out, and the rest is
        timed again. The reference is IREE's module, where it could be compiled.
        """
        if not schedules or rounds < 1:
            raise UsageError("a comparison needs at least one schedule and one round")
        reference = self.prepare_reference()
        failed: dict[str, Failure] = {}
        entries = self._contestants(schedules, failed)
        if reference.compiler == "iree":
            path = self._team.context.reference_path
            entries[_REFERENCE] = Contestant(path, is_reference=True)
        while first := next((item for item in schedules if item.hash in entries), None):
            names = [*entries, first.hash]
            try:
                *samples, twin = self._interleave([entries[name] for name in names], rounds)
            except TaskError as error:
                culprit = names[self._team.measurer.stage.item or 0]
                del entries[culprit]
                if culprit != _REFERENCE:
                    failed[culprit] = Failure(error.outcome, error.message)
                continue
            timed = dict(zip(entries, samples, strict=True))
            return Comparison(first, timed, twin, timed.pop(_REFERENCE, ()), failed)
        return Comparison(None, {}, (), (), failed)

    def _contestants(
        self, schedules: Sequence[Schedule], failed: dict[str, Failure]
    ) -> dict[str, Contestant]:
        """The schedules' libraries by hash; what cannot be built any more goes to ``failed``."""
        entries = {}
        for schedule in schedules:
            try:
                entries[schedule.hash] = Contestant(self._build(schedule))
            except TaskError as error:
                failed[schedule.hash] = Failure(error.outcome, error.message)
        return entries

    def _interleave(
        self, contestants: Sequence[Contestant], rounds: int
    ) -> list[tuple[float, ...]]:
        """Samples of each; raises TaskError while the measurer's stage has the culprit's place."""
        # A process that has run nothing else, so that no earlier candidate disturbs.
        self._team.measurer.stop()
        stage = Stage("loading", tasks.LOAD_S, 0)
        try:
            samples = self._team.call(tasks.interleave, (contestants, rounds), stage)
        finally:
            self._team.measurer.stop()
        return [tuple(taken) for taken in samples]

    def _path(self, schedule: Schedule) -> Path:
        return self._team.folder / f"{schedule.hash}.so"

    def _give_up_above(self) -> float:
        return min(self._latency_us.values(), default=math.inf) * _GIVE_UP_FACTOR

    def _note(self, measurement: Measurement) -> None:
        """Remember the latency; of many libraries keep the fastest."""
        if not measurement.ok:
            return
        self._latency_us[self._path(measurement.schedule)] = measurement.latency_us
        if len(self._latency_us) > _KEPT_LIBRARIES:
            slowest = max(self._latency_us, key=self._latency_us.__getitem__)
            del self._latency_us[slowest]
            slowest.unlink(missing_ok=True)
