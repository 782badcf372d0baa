"""The way of candidates through builders and measurer: who works on what, and what came of it."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from costmodel.measure import tasks
from costmodel.measure.processes import Reply, Worker, first_replies
from costmodel.measure.tasks import Built, Timed
from costmodel.measure.team import Team
from costmodel.measure.verdicts import explain, was_killed_from_outside
from costmodel.measure.worker import Done, Stage
from costmodel.records import Environment, Measurement, Outcome, Schedule

__all__ = ["Pipeline"]

#: Candidates that a builder makes before the measurer takes its turn on the same cores.
_TURN = 8

#: A measuring process makes room for a fresh one after this many candidates: loaded code is not
#: always unloaded.
_WORKER_TASKS = 256


@dataclass
class _Job:
    """A candidate on its way."""

    schedule: Schedule
    library: Path
    builds: int = 0
    runs: int = 0
    built: Built | None = None
    run_started: float = field(default_factory=time.perf_counter)


@dataclass
class Pipeline:
    """Measures schedules with a team, in turns or overlapping as the team's cores allow.

    ``library`` says where a schedule's library goes; ``give_up_above_us`` is asked before each
    timing.
    """

    team: Team
    environment: Callable[[Schedule], Environment]
    library: Callable[[Schedule], Path]
    give_up_above_us: Callable[[], float]
    _made: list[Measurement] = field(default_factory=list)
    _given: int = 0
    _waiting: deque[_Job] = field(default_factory=deque)
    _built: deque[_Job] = field(default_factory=deque)
    _under_way: dict[Worker, _Job] = field(default_factory=dict)

    def run(self, schedules: Sequence[Schedule]) -> Iterator[Measurement]:
        """One Measurement for every schedule, each as soon as it is done."""
        overlap = self.team.plan.overlap
        turn = max(1, len(schedules) if overlap else _TURN * len(self.team.builders))
        try:
            self._given = len(self._made)
            for start in range(0, len(schedules), turn):
                jobs = schedules[start : start + turn]
                self._waiting.extend(_Job(item, self.library(item)) for item in jobs)
                yield from self._take_turn()
        finally:
            self._abandon()

    def finished(self) -> list[Measurement]:
        """What was made in this run and not given, or was the last to be given."""
        left = self._made[self._given :]
        self._given = len(self._made)
        return left

    def _abandon(self) -> None:
        """Forget what was under way, so that another run can start; nothing to do at the end."""
        self.team.stop_busy()
        for job in (*self._built, *self._under_way.values()):
            job.library.unlink(missing_ok=True)
        self._waiting.clear()
        self._built.clear()
        self._under_way.clear()

    def _take_turn(self) -> Iterator[Measurement]:
        while self._waiting or self._built or self._under_way:
            self._assign()
            for worker, reply in first_replies(list(self._under_way)):
                job = self._under_way.pop(worker)
                if worker is self.team.measurer:
                    self._after_run(job, reply)
                else:
                    self._after_build(job, reply)
            # Counted as given only when the caller comes back for more: an interrupt between
            # here and its taking hold of the measurement must not lose it.
            while self._given < len(self._made):
                yield self._made[self._given]
                self._given += 1

    def _assign(self) -> None:
        for builder in self.team.builders:
            if self._waiting and builder not in self._under_way:
                self._start_build(builder, self._waiting.popleft())
        measurer = self.team.measurer
        building = self._waiting or any(worker is not measurer for worker in self._under_way)
        if not self._built or measurer in self._under_way:
            return
        if self.team.plan.overlap or not building:
            self._start_run(self._built.popleft())

    def _start_build(self, builder: Worker, job: _Job) -> None:
        self._under_way[builder] = job
        job.builds += 1
        stage = Stage("building", self.team.context.policy.build_timeout_s)
        builder.submit(tasks.build, (job.schedule, job.library), stage)

    def _after_build(self, job: _Job, reply: Reply) -> None:
        if isinstance(reply, Done):
            job.built = reply.value
            self._built.append(job)
        elif was_killed_from_outside(reply) and job.builds == 1:
            self._waiting.append(job)
        else:
            self._finish(job, *self._explain(reply, building=True))

    def _start_run(self, job: _Job) -> None:
        measurer = self.team.measurer
        if measurer.tasks >= _WORKER_TASKS:
            measurer.stop()
        self._under_way[measurer] = job
        job.runs += 1
        job.run_started = time.perf_counter()
        arguments = (job.library, self.give_up_above_us())
        measurer.submit(tasks.measure, arguments, Stage("loading", tasks.LOAD_S))

    def _after_run(self, job: _Job, reply: Reply) -> None:
        timed: Timed | None = reply.value if isinstance(reply, Done) else None
        if timed is not None and not timed.wrong:
            self._finish(job, Outcome.OK, "", timed)
            return
        if timed is not None:
            outcome, error = Outcome.WRONG_RESULT, timed.wrong
        else:
            outcome, error = self._explain(reply, building=False)
        if self._is_doubtful(job, outcome, reply):
            self.team.measurer.stop()
            self._built.appendleft(job)
        else:
            self._finish(job, outcome, error, timed)

    def _is_doubtful(self, job: _Job, outcome: Outcome, reply: Reply) -> bool:
        """Whether an earlier candidate in the same process, or somebody else, may be to blame.

        Then the candidate runs a second time, in a process that has run nothing else.
        """
        if job.runs > 1 or outcome not in (Outcome.CRASH, Outcome.WRONG_RESULT):
            return False
        return self.team.measurer.tasks > 1 or was_killed_from_outside(reply)

    def _explain(self, reply: Reply, *, building: bool) -> tuple[Outcome, str]:
        limit = self.team.context.policy.memory_bytes
        folder = self.team.folder.parent
        return explain(reply, building=building, limit_bytes=limit, folder=folder)

    def _finish(self, job: _Job, outcome: Outcome, error: str, timed: Timed | None = None) -> None:
        if outcome is not Outcome.OK:
            job.library.unlink(missing_ok=True)
        extra: dict[str, Any] = {}
        if timed is not None:
            extra["number"] = timed.number
            extra["gave_up"] = timed.gave_up
            extra["first_run_us"] = timed.first_run_us
        if job.built is not None and job.built.code is not None:
            extra["code"] = asdict(job.built.code)
        context = self.team.context
        self._made.append(
            Measurement(
                id=str(uuid.uuid4()),
                workload=context.workload.hash,
                schedule=job.schedule,
                target=context.target.hash,
                environment=self.environment(job.schedule),
                policy=context.policy,
                outcome=outcome,
                samples_us=() if timed is None else timed.samples_us,
                timestamp=time.time(),
                error=error,
                build_seconds=job.built.seconds if job.built else 0.0,
                run_seconds=time.perf_counter() - job.run_started if job.runs else 0.0,
                max_error=None if timed is None else timed.max_error,
                extra=extra,
            )
        )
