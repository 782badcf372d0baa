"""Measuring for an oracle: take candidates on loan, measure them here, hand in the results."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Protocol

from costmodel.backends.registry import load
from costmodel.errors import BackendError, CostModelError, InputError
from costmodel.interrupts import Interrupts
from costmodel.ir import analyze, read_text
from costmodel.measure.cores import usable_cores
from costmodel.measure.measurer import Measurer
from costmodel.oracle.status import passes
from costmodel.records import Measurement, Schedule, Target, TimingPolicy, Workload
from costmodel.store.entries import Entry, TargetEntry, WorkloadEntry
from costmodel.store.rescue import Rescue

__all__ = ["Client", "Lease", "Worker"]

_log = logging.getLogger(__name__)

#: Candidates taken at once: enough to build one while another is measured.
_COUNT = 4
#: Seconds that a request waits for candidates; between tries where the oracle does not answer.
_WAIT_S, _RETRY_S = 20.0, 2.0
#: Seconds that a lease lasts: to begin with a workload takes compiling and running its reference.
_START_S = 120.0


class Lease(Protocol):
    """A candidate on loan; see ``costmodel.oracle.replies.Lease``."""

    @property
    def lease(self) -> str: ...
    @property
    def workload_text(self) -> str: ...
    @property
    def workload(self) -> str: ...
    @property
    def schedule(self) -> Schedule: ...
    @property
    def policy(self) -> TimingPolicy: ...


class Client(Protocol):
    """What a worker asks of an oracle; ``costmodel.oracle.Client`` has it."""

    def register_target(self, target: Target) -> str: ...

    def lease(
        self, target: str, *, count: int = 1, wait_s: float = 0.0, term_s: float | None = None
    ) -> Sequence[Lease]: ...

    def complete(self, lease: str, measurement: Measurement | None) -> bool: ...


class Worker:
    """Measures for an oracle until it is interrupted; ``told`` hears of each measurement.

    ``began`` is called once the oracle has answered, and so lets this worker measure for it.
    What could not be handed in by then is written to a file, which the error names.
    """

    def __init__(
        self,
        client: Client,
        target: Target,
        *,
        told: Callable[[Measurement], None] = lambda measurement: None,
        began: Callable[[], None] = lambda: None,
    ) -> None:
        self._client, self._target, self._told, self._began = client, target, told, began
        self._measuring: _Measuring | None = None
        #: Leases that are held, and measurements that have not been handed in.
        self._held: dict[str, Lease] = {}
        self._made: dict[str, tuple[Workload, Measurement]] = {}
        self.measured = 0

    def run(self) -> None:
        """Until Ctrl-C, which gives back what is held.

        Raises OracleError where the oracle refuses, MeasureError where nothing can be measured
        here, CostModelError where measurements could not be handed in.
        """
        failure: BaseException | None = None
        with ExitStack() as stack:
            interrupts = stack.enter_context(Interrupts())
            stack.callback(self._stop)
            try:
                self._go_on(interrupts)
            except KeyboardInterrupt:
                pass
            except BaseException as error:  # first what was measured, then the error
                failure = error
            interrupts.defer()
            self._return_all()
            lost = self._rescued() if self._made else None
        if failure is not None and lost is not None:
            _log.error("%s", lost)
        if failure is not None or lost is not None:
            raise failure or lost or AssertionError

    def _go_on(self, interrupts: Interrupts) -> None:
        target = self._client.register_target(self._target)
        self._began()
        while True:
            self._hand_in()
            self._take(target)
            for leases in self._batches():
                self._measure(leases, interrupts)

    def _take(self, target: str) -> None:
        try:
            term = _START_S + _COUNT * 60.0
            found = self._client.lease(target, count=_COUNT, wait_s=_WAIT_S, term_s=term)
        except CostModelError as error:
            if not passes(error):
                raise
            _log.warning("%s", error)
            time.sleep(_RETRY_S)
            return
        self._held |= {one.lease: one for one in found}

    def _batches(self) -> Iterator[list[Lease]]:
        """What is held, by workload and policy."""
        held = sorted(self._held.values(), key=lambda one: (one.workload, one.policy.hash))
        for _, leases in groupby(held, key=lambda one: (one.workload, one.policy.hash)):
            yield list(leases)

    def _measure(self, leases: Sequence[Lease], interrupts: Interrupts) -> None:
        """Each is handed in as it is done."""
        by_schedule = {one.schedule.hash: one.lease for one in leases}
        try:
            measuring = self._prepared(leases[0])
        except (InputError, BackendError) as error:  # others may be measured
            _log.error("a kernel cannot be measured here: %s", error)
            for lease in by_schedule.values():
                self._give_back(lease)
            return
        try:
            for measurement in measuring.measurer.measure([one.schedule for one in leases]):
                self._note(by_schedule, measurement, measuring.workload)
                self._hand_in()
                interrupts.check()
        finally:
            for measurement in measuring.measurer.finished():
                self._note(by_schedule, measurement, measuring.workload)

    def _note(
        self, by_schedule: dict[str, str], measurement: Measurement, workload: Workload
    ) -> None:
        lease = by_schedule[measurement.schedule.hash]
        if lease in self._held:
            del self._held[lease]
            self._made[lease] = (workload, measurement)
            self.measured += 1
            self._told(measurement)

    def _hand_in(self) -> None:
        """All that was made; what cannot be now is tried again. Raises what will not pass."""
        for lease, (_, measurement) in list(self._made.items()):
            try:
                self._client.complete(lease, measurement)
            except CostModelError as error:
                if not passes(error):
                    raise
                _log.warning("%s", error)
                return
            del self._made[lease]

    def _give_back(self, lease: str) -> None:
        del self._held[lease]
        try:
            self._client.complete(lease, None)
        except CostModelError as error:  # its time will be over
            _log.warning("%s", error)

    def _return_all(self) -> None:
        for lease in list(self._held):
            self._give_back(lease)
        try:
            self._hand_in()
        except CostModelError as error:
            _log.warning("%s", error)

    def _rescued(self) -> CostModelError:
        """Put what could not be handed in into a file; the error that says so."""
        count, now = len(self._made), time.time()
        workloads = {workload.hash: workload for workload, _ in self._made.values()}
        entries: list[Entry] = [TargetEntry(self._target, now)]
        entries += [WorkloadEntry(workload, now) for workload in workloads.values()]
        rescue = Rescue(None)
        rescue.write([*entries, *(measurement for _, measurement in self._made.values())])
        files = " ".join(map(str, rescue.files))
        return CostModelError(
            f"{count} measurements could not be handed in; they are in {files or 'no file'}",
            hint=f"have them in a store: costmodel cache import {files}",
        )

    def _prepared(self, lease: Lease) -> _Measuring:
        """Worker processes that have a reference. Raises InputError, BackendError."""
        key = (lease.workload, lease.policy.hash)
        if self._measuring is not None and self._measuring.key != key:
            self._stop()
        if self._measuring is None:
            self._measuring = _Measuring(lease, self._target)
        self._measuring.measurer.prepare_reference()
        return self._measuring

    def _stop(self) -> None:
        measuring, self._measuring = self._measuring, None
        if measuring is not None:
            measuring.close()


class _Measuring:
    """The worker processes of one workload. Raises InputError, BackendError, MeasureError."""

    def __init__(self, lease: Lease, target: Target) -> None:
        self.key = (lease.workload, lease.policy.hash)
        self.workload: Workload = read_text(lease.workload_text, file_name="<leased>")
        if self.workload.hash != lease.workload:
            raise InputError("the leased kernel is not the one that its hash says")
        self._stack = ExitStack()
        folder = self._stack.enter_context(
            tempfile.TemporaryDirectory(prefix="costmodel-", ignore_cleanup_errors=True)
        )
        try:
            self.measurer = self._stack.enter_context(
                Measurer(
                    load("auto"), self.workload, target, lease.policy,
                    analysis=analyze(self.workload),
                    builders=len(usable_cores()),
                    threads=target.threads,
                    seed=0,
                    directory=Path(folder),
                )
            )  # fmt: skip
        except BaseException:
            self._stack.close()
            raise

    def close(self) -> None:
        self._stack.close()
