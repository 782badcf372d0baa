"""The worker processes of a tuning: they build, check and time candidates."""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import tvm

from costmodel.errors import BackendError
from costmodel.measure import tasks
from costmodel.measure.cores import plan_cores, usable_cores
from costmodel.measure.environment import machine_facts, worker_environment
from costmodel.measure.expectation import make_reference, save_reference
from costmodel.measure.host import WorkerHost
from costmodel.measure.processes import Reply, Worker, first_replies
from costmodel.measure.tasks import Built, Contestant, Context, Timed
from costmodel.measure.team import TaskError, Team
from costmodel.measure.verdicts import explain, was_killed_from_outside
from costmodel.measure.worker import Done, Stage
from costmodel.metaschedule.programs import ATTRIBUTE, Program, main_function
from costmodel.metaschedule.tasks import ModuleBackend, Order, build_module
from costmodel.records import Outcome, Target, TimingPolicy
from costmodel.target import llvm_cpu_name

__all__ = ["Crew", "Trial"]

#: Seconds for what is done once a program: compiling it untuned, and running that.
_REFERENCE_S = 120.0
#: A candidate that takes so many times what the best takes is not worth more than one sample.
_GIVE_UP_FACTOR = 3.0
#: A measuring process makes room for a fresh one after this many: loaded code is not always
#: unloaded.
_WORKER_TASKS = 256


@dataclass
class Trial:
    """What has become of a candidate so far; ``outcome`` is None until it is decided."""

    library: Path
    built: Built | None = None
    outcome: Outcome | None = None
    error: str = ""
    timed: Timed | None = None
    run_seconds: float = 0.0
    builds: int = 0

    @property
    def extra(self) -> dict[str, Any]:
        """What a measurement keeps beside its numbers."""
        found: dict[str, Any] = {}
        if self.timed is not None:
            found = {name: getattr(self.timed, name) for name in ("number", "gave_up")}
            found["first_run_us"] = self.timed.first_run_us
        if self.built is not None and self.built.code is not None:
            found["code"] = asdict(self.built.code)
        return found

    def end(self, outcome: Outcome, error: str = "") -> None:
        """Decide what became of it."""
        self.outcome, self.error = outcome, error


@dataclass
class Crew:
    """Builders and a measurer, started when first needed; ``close`` ends them and their files.

    ``builders`` is the most processes that compile at once, by default one a core.
    """

    target: Target
    policy: TimingPolicy
    seed: int
    builders: int | None = None
    _stack: ExitStack = field(default_factory=ExitStack)
    _folder: Path | None = None
    _host: WorkerHost | None = None
    _teams: dict[str, Team] = field(default_factory=dict)
    _best_us: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        cores = usable_cores()
        count = len(cores) if self.builders is None else self.builders
        self.plan = plan_cores(cores, threads=self.target.threads, builders=count)
        self._settings = worker_environment(self.target.threads)
        self.facts = machine_facts(self.target, self.plan, self._settings)

    def close(self) -> None:
        """End every process and remove every file; what is asked after that starts others."""
        self._teams.clear()
        self._stack.close()
        self._folder = self._host = None

    def start(self) -> WorkerHost:
        """The process that forks workers; it loads TVM while the caller goes on."""
        if self._host is None:
            modules = ["numpy", *ModuleBackend.worker_modules, "costmodel.metaschedule.tasks"]
            self._host = self._stack.enter_context(
                WorkerHost(self.folder, modules=modules, environment=self._settings)
            )
        return self._host

    @property
    def folder(self) -> Path:
        """Where libraries go."""
        if self._folder is None:
            made = tempfile.TemporaryDirectory(
                prefix="costmodel-metaschedule-", ignore_cleanup_errors=True
            )
            self._folder = Path(self._stack.enter_context(made))
        return self._folder

    def build(
        self, program: Program, modules: Sequence[Any], target: str, *, ours: bool
    ) -> list[Trial]:
        """Compile scheduled modules side by side; each in a folder of its own.

        Raises MeasureError where the machine and no candidate is to blame.
        """
        team = self._team(program)
        # What they do is the same for all programs, so that the first team's serve all.
        shared = next(iter(self._teams.values()))
        trials = []
        orders = {}
        for module in modules:
            place = Path(tempfile.mkdtemp(prefix="candidate-", dir=team.folder))
            trials.append(Trial(place / "kernel.so"))
            orders[id(trials[-1])] = Order(_as_json(module), target, trials[-1].library, ours)
        waiting, under_way = deque(trials), dict[Worker, Trial]()
        try:
            while waiting or under_way:
                for builder in shared.builders:
                    if waiting and builder not in under_way:
                        trial = under_way[builder] = waiting.popleft()
                        trial.builds += 1
                        stage = Stage("building", self.policy.build_timeout_s)
                        builder.submit(build_module, (orders[id(trial)],), stage)
                for worker, reply in first_replies(list(under_way)):
                    trial = under_way.pop(worker)
                    if was_killed_from_outside(reply) and trial.builds == 1:
                        waiting.append(trial)
                    else:
                        self._after_build(team, trial, reply)
        finally:
            shared.stop_busy()
        return trials

    def _after_build(self, team: Team, trial: Trial, reply: Reply) -> None:
        if isinstance(reply, Done):
            trial.built = reply.value
        else:
            trial.end(*self._explain(team, reply, building=True))

    def measure(self, program: Program, trials: Sequence[Trial]) -> None:
        """Check and time libraries, one after the other; a crash or wrong result twice.

        Raises BackendError where the untuned program gives nothing to compare with, MeasureError
        where the machine and no candidate is to blame.
        """
        team = self._team(program)
        self._prepare(team, program)
        for trial in trials:
            self._measure(team, program, trial)

    def _measure(self, team: Team, program: Program, trial: Trial) -> None:
        best = self._best_us.get(program.workload.hash, math.inf)
        started = time.perf_counter()
        for runs in (1, 2):
            if team.measurer.tasks >= _WORKER_TASKS:
                team.measurer.stop()
            arguments = (trial.library, best * _GIVE_UP_FACTOR)
            reply = self._run(team, arguments)
            trial.run_seconds = time.perf_counter() - started
            self._after_run(team, trial, reply)
            if runs == 2 or not _is_doubtful(team, trial, reply):
                break
            team.measurer.stop()
            trial.outcome = None
        if trial.outcome is Outcome.OK and trial.timed is not None:
            self._best_us[program.workload.hash] = min(best, median(trial.timed.samples_us))

    def _run(self, team: Team, arguments: tuple[Path, float]) -> Reply:
        try:
            team.measurer.submit(tasks.measure, arguments, Stage("loading", tasks.LOAD_S))
            ((_, reply),) = first_replies([team.measurer])
        finally:
            team.stop_busy()
        return reply

    def _after_run(self, team: Team, trial: Trial, reply: Reply) -> None:
        trial.timed = reply.value if isinstance(reply, Done) else None
        if trial.timed is None:
            trial.end(*self._explain(team, reply, building=False))
        elif trial.timed.wrong:
            trial.end(Outcome.WRONG_RESULT, trial.timed.wrong)
        else:
            trial.end(Outcome.OK)

    def _explain(self, team: Team, reply: Reply, *, building: bool) -> tuple[Outcome, str]:
        limit = self.policy.memory_bytes
        return explain(reply, building=building, limit_bytes=limit, folder=team.folder)

    def _team(self, program: Program) -> Team:
        """The workers of a program; another's measurer ends, and begins again when it is needed."""
        key = program.workload.hash
        for other, team in self._teams.items():
            if other != key:
                team.measurer.stop()
        if key not in self._teams:
            backend = ModuleBackend(program.order)
            team = Team(
                lambda folder: Context(
                    backend, program.workload, self.target, self.policy, self.seed, folder,
                    program.reduction_length, program.dtype,
                ),
                self.plan,
                directory=self.folder,
                modules=(),
                settings={},
                host=self.start(),
            )  # fmt: skip
            self._teams[key] = team
            self._stack.callback(team.close)
        return self._teams[key]

    def _prepare(self, team: Team, program: Program) -> None:
        """Have what results are compared with, once a program."""
        if team.context.expected_path(0, 0).exists():
            return
        if program.session is not None:
            make_reference(team)
            return
        library = team.folder / "untuned.so"
        target = json.dumps({"kind": "llvm", "mcpu": llvm_cpu_name()})
        order = Order(_as_json(program.module), target, library, ours=False)
        try:
            stage = Stage("compiling the untuned program", _REFERENCE_S)
            team.call(build_module, (order,), stage, building=True)
            # Nobody has made it fast.
            patient = replace(self.policy, run_timeout_s=_REFERENCE_S)
            team.context = replace(team.context, policy=patient)
            save_reference(team, Contestant(library))
        except TaskError as error:
            raise BackendError(
                f"the untuned {program.workload.function} gives no result to compare with: "
                f"{error.message}",
                hint="does it compile and run without MetaSchedule?",
            ) from error
        finally:
            team.context = replace(team.context, policy=self.policy)
            team.measurer.stop()


def _is_doubtful(team: Team, trial: Trial, reply: Reply) -> bool:
    """Whether an earlier candidate in the same process, or somebody else, may be to blame."""
    if trial.outcome not in (Outcome.CRASH, Outcome.WRONG_RESULT):
        return False
    return team.measurer.tasks > 1 or was_killed_from_outside(reply)


def _as_json(module: Any) -> str:
    """A module with one function, called ``main``, for a worker to read."""
    func = main_function(module).without_attr(ATTRIBUTE).with_attr("global_symbol", "main")
    return str(tvm.ir.save_json(tvm.IRModule({"main": func})))
