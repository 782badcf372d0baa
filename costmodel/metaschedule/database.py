"""MetaSchedule's database of tuning records in the measurement store."""

from __future__ import annotations

import math
import os
import time
import uuid
import warnings
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tvm.ir.utils import derived_object
from tvm.s_tir import meta_schedule as ms

import costmodel.metaschedule.crossing
import costmodel.metaschedule.intrinsics  # noqa: F401
from costmodel.backends.tvm.replay import replay
from costmodel.errors import CostModelError
from costmodel.metaschedule.crew import Trial
from costmodel.metaschedule.programs import Program
from costmodel.metaschedule.traces import is_trace, schedule_of, scheduled
from costmodel.metaschedule.workspace import FOREIGN, Key, Workspace
from costmodel.records import Measurement, Outcome, Schedule, TimingPolicy, digest
from costmodel.store import open_store
from costmodel.store.base import MeasurementStore
from costmodel.store.sqlite import SQLiteStore
from costmodel.tally import Tally

__all__ = ["StoreDatabase", "UnusableRecordWarning"]

#: MetaSchedule's latency of a candidate that failed, in seconds.
_FAILED_S = 1e10
#: Seconds to wait for a store that others hold: a record that comes later is offered again.
_WAIT_S = 10.0


class UnusableRecordWarning(UserWarning):
    """A stored schedule cannot be applied to its program and counts as not there."""


@derived_object
class StoreDatabase(ms.database.PyDatabase):  # type: ignore[misc]
    """A ``Database`` for ``tune_tir`` over a MeasurementStore, for one target of TVM.

    ``target`` is what the tuning is for. ``store`` is a path, a MeasurementStore, or None for the
    default store. Workloads are known by the hash of our canonical text and records by workload,
    target, toolchain and timing policy: what was measured for another target or by another TVM is
    never returned. Records are added once and none is overwritten; every sample is kept, and a
    failure as a measurement with its outcome. ``costmodel.metaschedule.kernel_module`` shares its
    records with ``costmodel tune``.

    A store that is locked or full costs a warning and a rescue file, never the tuning. ``close``
    stores what is left and ends the worker processes; so does the end of the process.

    Raises UnsupportedError for a target that is no CPU, UsageError for one with more cores than
    there are, StoreError and its kinds for a store that cannot be opened.
    """

    workspace: Workspace

    def __init__(
        self,
        target: Any,
        store: MeasurementStore | str | os.PathLike[str] | None = None,
        *,
        policy: TimingPolicy | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        opened = None
        if store is None or isinstance(store, str | os.PathLike):
            opened = open_store(None if store is None else Path(store), wait_s=_WAIT_S)
            store = opened
        try:
            self.workspace = Workspace(target, store, policy or TimingPolicy(), seed)
        except BaseException:
            if opened is not None:
                opened.close()
            raise
        self._finalizer = weakref.finalize(self, _close, self.workspace, opened)
        self._replayed: dict[tuple[str, str], Any] = {}

    def close(self) -> None:
        """Store what is left, end the worker processes, and close the store if we opened it.

        Idempotent.
        """
        self._finalizer()

    # What MetaSchedule asks

    def has_workload(self, mod: Any) -> bool:
        """Whether the workload is known, by its canonical text."""
        return self.workspace.ledger.has(self.workspace.program(mod).workload.hash)

    def commit_workload(self, mod: Any) -> Any:
        """Remember the workload. Raises UnsupportedError for one that cannot be measured."""
        program, workspace = self.workspace.program(mod), self.workspace
        workspace.ledger.register(program.workload)
        workspace.ledger.register(workspace.target)
        return ms.database.Workload(mod)

    def commit_tuning_record(self, record: Any) -> None:
        """Store a record as one measurement, with what our runner knows of it."""
        program = self.workspace.program(record.workload.mod)
        key = self.workspace.key(program, record.target)
        self.workspace.ledger.register(program.workload)
        self.workspace.ledger.register(key.target)
        schedule = schedule_of(record.trace, program.backend)
        trial = self.workspace.take_ended(program, record.as_measure_candidate().sch.mod)
        if trial is None:
            self.workspace.ledger.add(self._of_others(key, schedule, record))
        elif trial.outcome is not None:  # else it was interrupted before it was measured
            self.workspace.ledger.add(self._of_ours(key, schedule, trial, trial.outcome))

    def get_top_k(self, workload: Any, top_k: int) -> list[Any]:
        """Up to ``top_k`` records of the database's target, one a schedule, the fastest first."""
        program = self.workspace.program(workload.mod)
        self.workspace.ledger.settle()
        return self._records(program, workload, self.workspace.key(program), top_k)

    def get_all_tuning_records(self) -> list[Any]:
        """The records of the workloads that this process has met, failures included."""
        found = []
        for program in self.workspace.programs:
            workload, key = ms.database.Workload(program.module), self.workspace.key(program)
            for measurement in self.workspace.measurements(key):
                seconds = [us / 1e6 for us in measurement.samples_us]
                sch = self._replay(program, measurement.schedule)
                if sch is not None:
                    seconds = seconds if measurement.ok else [_FAILED_S]
                    found.append(self._record(program, workload, sch, seconds))
        return found

    def query_tuning_record(self, mod: Any, target: Any, workload_name: str = "main") -> Any:
        """The fastest record of the workload on this very target, or None."""
        found = self._best(mod, target)
        return found[0] if found else None

    def query_schedule(self, mod: Any, target: Any, workload_name: str = "main") -> Any:
        """The fastest schedule on this very target, or None.

        Of a module of ``kernel_module`` also one that ``costmodel tune`` found, which need not be a
        trace.
        """
        program = self.workspace.program(mod)
        key = self._key(program, target)
        if key is None:
            return None
        for schedule, _ in self._tally(key).ranked():
            sch = self._any_schedule(program, schedule)
            if sch is not None:
                return sch
        return None

    def __len__(self) -> int:
        """How many records there are of the workloads that this process has met."""
        return sum(
            program.session is None or _is_readable_trace(one.schedule)
            for program in self.workspace.programs
            for one in self.workspace.measurements(self.workspace.key(program))
        )

    # Measurements

    def _of_ours(self, key: Key, schedule: Schedule, trial: Trial, outcome: Outcome) -> Measurement:
        timed, workspace = trial.timed, self.workspace
        return Measurement(
            id=str(uuid.uuid4()),
            workload=key.program.workload.hash,
            schedule=schedule,
            target=key.target.hash,
            environment=key.environment,
            policy=workspace.policy,
            outcome=outcome,
            samples_us=timed.samples_us if timed is not None else (),
            timestamp=time.time(),
            error=trial.error,
            build_seconds=trial.built.seconds if trial.built is not None else 0.0,
            run_seconds=trial.run_seconds,
            max_error=timed.max_error if timed is not None else None,
            extra=trial.extra,
        )

    def _of_others(self, key: Key, schedule: Schedule, record: Any) -> Measurement:
        """A record that another runner timed, or another database had: once, however often."""
        seconds = [float(each) for each in record.run_secs or ()]
        good = bool(seconds) and all(0 < each < _FAILED_S / 2 for each in seconds)
        samples = tuple(each * 1e6 for each in seconds) if good else ()
        content = digest([*key.fields.values(), schedule.hash, list(samples)])
        return Measurement(
            id=str(uuid.uuid5(uuid.NAMESPACE_OID, content)),
            workload=key.program.workload.hash,
            schedule=schedule,
            target=key.target.hash,
            environment=key.environment,
            policy=FOREIGN,
            outcome=Outcome.OK if good else Outcome.RUN_ERROR,
            samples_us=samples,
            timestamp=time.time(),
            error="" if good else "MetaSchedule's runner gave no latency, and no reason",
        )

    # Records

    def _best(self, mod: Any, target: Any) -> list[Any]:
        program = self.workspace.program(mod)
        key = self._key(program, target)
        return [] if key is None else self._records(program, ms.database.Workload(mod), key, 1)

    def _key(self, program: Program, target: Any) -> Key | None:
        """None for a target of which this machine can know nothing."""
        try:
            return self.workspace.key(program, target)
        except CostModelError:
            return None

    def _tally(self, key: Key) -> Tally:
        """Latencies by schedule; those that our runner timed count before those of others."""
        found = list(self.workspace.measurements(key))
        own = {one.schedule.hash for one in found if one.policy != FOREIGN}
        return Tally(one for one in found if one.policy != FOREIGN or one.schedule.hash not in own)

    def _records(self, program: Program, workload: Any, key: Key, count: int) -> list[Any]:
        tally, found = self._tally(key), list[Any]()
        for schedule, latency_us in tally.ranked():
            if len(found) == count:
                break
            sch = self._replay(program, schedule)
            if sch is not None and math.isfinite(latency_us):
                seconds = [us / 1e6 for us in tally.samples_us(schedule)]
                found.append(self._record(program, workload, sch, seconds))
        return found

    def _record(self, program: Program, workload: Any, sch: Any, seconds: Sequence[float]) -> Any:
        arguments = ms.arg_info.ArgInfo.from_entry_func(program.module, False)
        return ms.database.TuningRecord(
            sch.trace, workload, list(seconds), self.workspace.tvm_target, arguments
        )

    def _replay(self, program: Program, schedule: Schedule) -> Any:
        """The program under a stored trace; None, with a warning, where that cannot be.

        MetaSchedule ends the process over a trace that does not apply.
        """
        place = (program.workload.hash, schedule.hash)
        if place not in self._replayed:
            self._replayed[place] = None
            try:
                if program.session is None or is_trace(schedule):
                    self._replayed[place] = scheduled(schedule, program.module)
            except CostModelError as error:
                _warn(program, error)
        return self._replayed[place]

    def _any_schedule(self, program: Program, schedule: Schedule) -> Any:
        try:
            if program.session is not None and not is_trace(schedule):
                return replay(program.workload, schedule, self.workspace.target)
        except CostModelError as error:
            _warn(program, error)
            return None
        return self._replay(program, schedule)


def _close(workspace: Workspace, opened: SQLiteStore | None) -> None:
    workspace.close()
    if opened is not None:
        opened.close()


def _is_readable_trace(schedule: Schedule) -> bool:
    try:
        return is_trace(schedule)
    except CostModelError:
        return False


def _warn(program: Program, error: CostModelError) -> None:
    warnings.warn(
        f"a stored schedule of {program.workload.function} is left out: {error.message}",
        UnusableRecordWarning,
        stacklevel=3,
    )
