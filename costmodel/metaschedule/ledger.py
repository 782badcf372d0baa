"""The store as a tuning uses it: what it cannot take is never lost, and never ends the tuning."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costmodel.errors import CostModelError, StoreError, StoreFullError
from costmodel.records import Measurement, Schedule, Target, Workload
from costmodel.store.base import MeasurementStore
from costmodel.store.entries import TargetEntry, WorkloadEntry
from costmodel.store.rescue import Rescue

__all__ = ["Ledger", "StoreTroubleWarning"]


#: Seconds until a store is offered again what it has refused.
_PAUSE_S = 60.0


class StoreTroubleWarning(UserWarning):
    """The store could not take something; the message says where it is, and what to do."""


class Ledger:
    """Adds to a store, and reads from it and from what it has not taken yet.

    A store that refuses measurements is offered them again by ``settle``, once a round: to wait for
    a locked store with every candidate would take longer than to measure them.
    """

    def __init__(self, store: MeasurementStore) -> None:
        self._store = store
        self._rescue = Rescue(None)
        self._known: dict[str, Workload | Target] = {}
        self._registered: set[str] = set()
        self._waiting: list[Measurement] = []
        self._offered: set[str] = set()
        self._again_at = 0.0
        self._trouble = False

    def register(self, record: Workload | Target) -> None:
        """Have a workload or target in the store before what refers to it."""
        if record.hash not in self._known:
            self._known[record.hash] = record
            self._try(self._register_all)

    def has(self, workload: str) -> bool:
        """Whether a workload (its hash) is known to this process or to the store."""
        return workload in self._known or self._store.workload(workload) is not None

    def add(self, measurement: Measurement) -> None:
        """Store a measurement now, or with the next ``settle`` where the store is in trouble."""
        self._waiting.append(measurement)
        if not self._trouble:
            self.settle()

    def add_features(
        self, name: str, workload: str, rows: Sequence[tuple[Schedule, NDArray[np.float32]]]
    ) -> None:
        """Store features, which can be made again: where the store is in trouble they are not."""
        if not self._trouble and workload in self._registered:
            self._try(lambda: self._store.add_features(name, workload, rows))

    def settle(self, *, at_last: bool = False) -> None:
        """Offer the store what it has not taken.

        Unless it is the last chance, what it has refused already is offered again after a while.
        """
        new = any(one.id not in self._offered for one in self._waiting)
        if not self._waiting or not (new or at_last or time.monotonic() >= self._again_at):
            return
        self._trouble = False
        self._offered |= {one.id for one in self._waiting}
        if not self._try(self._register_all):
            self._save_elsewhere()
        elif self._try(lambda: self._store.add(self._waiting)):
            self._waiting = []
        self._again_at = time.monotonic() + _PAUSE_S

    def measurements(self, **key: Any) -> Iterator[Measurement]:
        """As the store's, and what it has not taken yet; nothing of the store where it fails."""
        try:
            stored = list(self._store.measurements(**key))
        except (StoreError, StoreFullError) as error:
            self._warn(error)
            stored = []
        known = {one.id for one in stored}
        yield from stored
        for one in self._waiting:
            if one.id not in known and _matches(one, **key):
                yield one

    def _register_all(self) -> None:
        for record in self._known.values():
            if record.hash in self._registered:
                continue
            if isinstance(record, Workload):
                self._store.add_workload(record)
            else:
                self._store.add_target(record)
            self._registered.add(record.hash)

    def _save_elsewhere(self) -> None:
        """The store knows nothing of what these measurements refer to: a file that has it all."""
        now = time.time()
        context = [
            WorkloadEntry(one, now) if isinstance(one, Workload) else TargetEntry(one, now)
            for one in self._known.values()
        ]
        lost = self._rescue.write([*context, *self._waiting])
        where = ", ".join(map(str, self._rescue.files))
        count = len(self._waiting) - sum(isinstance(one, Measurement) for one in lost)
        said = f"{count} of {len(self._waiting)} measurements are in {where}" if count else (
            f"no place was found for {len(self._waiting)} measurements")  # fmt: skip
        warnings.warn(
            f"{said}\nhint: `costmodel cache import` puts them into a store",
            StoreTroubleWarning,
            stacklevel=2,
        )

    def _try(self, write: Any) -> bool:
        """Whether the store could; if not, say why (the store says where it has put what)."""
        try:
            write()
        except (StoreError, StoreFullError) as error:
            self._trouble = True
            self._warn(error)
            return False
        return True

    def _warn(self, error: CostModelError) -> None:
        warnings.warn(f"tuning goes on, but: {error}", StoreTroubleWarning, stacklevel=2)


def _matches(
    measurement: Measurement, *, workload: str, target: str, backend: str, toolchain: str,
    policy: str | None = None,
) -> bool:  # fmt: skip
    return (
        measurement.workload == workload
        and measurement.target == target
        and measurement.schedule.backend == backend
        and measurement.environment.toolchain == toolchain
        and policy in (None, measurement.policy.hash)
    )
