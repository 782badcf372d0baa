"""What the plug-ins of one tuning share: programs, keys of measurements, store and workers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import version
from typing import Any

from tvm_ffi import structural_hash

from costmodel.backends.tvm.features import feature_set
from costmodel.errors import UnsupportedError, UsageError
from costmodel.metaschedule.crew import Crew, Trial
from costmodel.metaschedule.kernels import read_kernel
from costmodel.metaschedule.ledger import Ledger
from costmodel.metaschedule.programs import Program, main_function, read_program
from costmodel.metaschedule.targets import as_target, is_our_own, machine_of, target_text
from costmodel.records import Environment, Measurement, Target, TimingPolicy
from costmodel.store.base import MeasurementStore

__all__ = ["FOREIGN", "INTERRUPTED", "Key", "Workspace"]

#: How MetaSchedule's own runners time by default: one sample of 100 ms. Records that it did not
#: get from our runner are kept apart under it, whatever they were timed by.
FOREIGN = TimingPolicy(
    min_sample_us=100_000.0, min_samples=1, max_samples=1, precision=0.0, budget_s=0.0,
    build_timeout_s=30.0, run_timeout_s=30.0, memory_bytes=0,
)  # fmt: skip

#: The error of a candidate that was not measured, since the user ended the tuning.
INTERRUPTED = "interrupted"

#: Bumped whenever candidates of TensorIR are built in another way.
_BUILD_VERSION = "1"
_KEPT_PROGRAMS = 512


class Key:
    """Which measurements are of a program on a target; the machine's facts are no part of it."""

    def __init__(self, program: Program, target: Target, environment: Environment) -> None:
        self.program, self.target, self.environment = program, target, environment

    @property
    def fields(self) -> Mapping[str, str]:
        """As ``MeasurementStore.measurements`` takes them, but for the policy."""
        return {
            "workload": self.program.workload.hash,
            "target": self.target.hash,
            "backend": self.program.backend,
            "toolchain": self.environment.toolchain,
        }

    @property
    def feature_set(self) -> str:
        """The name of the features of the program's schedules."""
        return feature_set(self.target, self.environment.toolchain)


class Workspace:
    """One target of TVM and one store, for as long as tunings go on."""

    def __init__(
        self, target: Any, store: MeasurementStore, policy: TimingPolicy, seed: int
    ) -> None:
        self.tvm_target = as_target(target)
        self.target = machine_of(self.tvm_target)
        self.store, self.policy, self.seed = store, policy, seed
        self.ledger = Ledger(store)
        self.builders: int | None = None
        #: Whether the user has ended the tuning, which the builder is to raise.
        self.interrupted = False
        self._programs: dict[Any, Program] = {}
        self._current: Program | None = None
        #: By library, what is known of it; by program and scheduled module, what came of it.
        self._built: dict[str, tuple[Program, int, Trial]] = {}
        self._ended: dict[tuple[str, int], list[Trial]] = defaultdict(list)

    @cached_property
    def crew(self) -> Crew:
        """The worker processes."""
        return Crew(self.target, self.policy, self.seed, self.builders)

    # Programs

    def program(self, mod: Any) -> Program:
        """The program of an untuned module, which from now on is the one that is being tuned.

        Raises UnsupportedError for what cannot be measured.
        """
        if mod not in self._programs:
            known = read_kernel(mod, self.target, self.policy) or read_program(mod)
            self._programs[mod] = known
            if len(self._programs) > _KEPT_PROGRAMS:
                del self._programs[next(iter(self._programs))]
        self._current = self._programs[mod]
        return self._current

    @property
    def programs(self) -> Iterator[Program]:
        """Each program that was met, once."""
        return iter({one.workload.hash: one for one in self._programs.values()}.values())

    def program_of(self, scheduled: Any) -> Program:
        """The program that a scheduled module is made from: the one being tuned, where it fits.

        MetaSchedule gives its builder no more than the module; it deals with one task at a time,
        and asks the database or the cost model for that task before it builds its candidates.
        """
        signature = _signature(scheduled)
        fitting = {
            one.workload.hash: one
            for one in self._programs.values()
            if _signature(one.module) == signature
        }
        current = self._current
        if current is not None and current.workload.hash in fitting:
            return current
        if len(fitting) == 1:
            return next(iter(fitting.values()))
        raise UsageError(
            "a candidate was given to be built or run, and its program is not known",
            hint="give tune_tir the database that the builder and the runner were made with",
        )

    # Keys

    def check_target(self, target: Any) -> None:
        """Raise UsageError for another target than the workspace's."""
        if target_text(target) != target_text(self.tvm_target):
            raise UsageError(
                f"the tuning is for {target}, and the database for {self.tvm_target}",
                hint="make the StoreDatabase with the target that tune_tir is given",
            )

    def key(self, program: Program, target: Any = None) -> Key:
        """The key of a program's measurements. Raises InputError for a target that is none here."""
        chosen = self.tvm_target if target is None else as_target(target)
        machine = self.target if target is None else machine_of(chosen)
        return Key(program, machine, Environment(_versions(program, chosen, machine), self.facts))

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts of the machine that measurements keep."""
        return self.crew.facts

    def measurements(self, key: Key) -> Iterator[Measurement]:
        """What is known under a key, timed by our runner or by others."""
        for policy in (self.policy, FOREIGN):
            yield from self.ledger.measurements(**key.fields, policy=policy.hash)

    # Candidates on their way

    def note_built(self, program: Program, module: Any, trial: Trial) -> None:
        """Remember a candidate until its record comes; one that failed is decided already."""
        digest = structural_hash(module)
        if trial.outcome is None:
            self._built[str(trial.library)] = program, digest, trial
        else:
            self._ended[program.workload.hash, digest].append(trial)

    def take_built(self, library: str) -> tuple[Program, int, Trial] | None:
        """What is known of a library that our builder made."""
        return self._built.pop(library, None)

    def note_ended(self, program: Program, digest: int, trial: Trial) -> None:
        """Remember what came of a candidate until its record comes."""
        self._ended[program.workload.hash, digest].append(trial)

    def take_ended(self, program: Program, scheduled: Any) -> Trial | None:
        """What came of the candidate that is this scheduled module, once."""
        ended = self._ended.get((program.workload.hash, structural_hash(scheduled)))
        return ended.pop(0) if ended else None

    def close(self) -> None:
        """Store what is left, and end the worker processes."""
        self.ledger.settle(at_last=True)
        if "crew" in self.__dict__:
            self.crew.close()


def _versions(program: Program, target: Any, machine: Target) -> Mapping[str, str]:
    """Everything whose change would change the machine code."""
    if program.session is not None:
        versions = dict(program.session.backend.versions())
        if is_our_own(target, machine):
            return versions
    else:
        versions = {"apache-tvm": version("apache-tvm"), "costmodel-metaschedule": _BUILD_VERSION}
    return {**versions, "tvm-target": target_text(target)}


def _signature(mod: Any) -> str:
    parameters = main_function(mod).params
    try:
        return json.dumps([(str(one.dtype), [int(n) for n in one.shape]) for one in parameters])
    except (AttributeError, TypeError) as error:
        raise UnsupportedError(f"a parameter is no tensor of static shape: {error}") from error
