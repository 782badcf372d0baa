"""Reads of the store, the short ones in the server's own thread.

What was read is kept until the store changes, whoever changes it: SQLite says so in microseconds.
Where somebody holds the file, or much is to be read, a second connection does it in another thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from cachetools import LRUCache

from costmodel.errors import StoreLockedError
from costmodel.oracle.convert import measurement_to
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.records import Measurement, Target, Workload
from costmodel.store import open_store
from costmodel.store.sqlite import SQLiteStore

__all__ = ["Known", "StoreReader"]

_T = TypeVar("_T")

#: Characters of answers that are kept, about, and of what is beside the texts of each.
_KEPT, _BESIDE = 64 << 20, 2000
#: Seconds that the second connection waits.
_WAIT_S = 5.0
#: Measurements of a workload that are looked through in the server's own thread.
_SHORT = 1000


@dataclass(frozen=True)
class Known:
    """The best of a workload on a target: its median in microseconds, and how all ended."""

    latency_us: float
    best: Measurement
    outcomes: dict[str, int]

    @cached_property
    def response(self) -> pb.LookupResponse:
        """As it is answered; nobody may change it."""
        return pb.LookupResponse(
            workload=self.best.workload,
            target_hash=self.best.target,
            best=measurement_to(self.best),
            latency_us=self.latency_us,
            outcomes=self.outcomes,
        )


class StoreReader:
    """Belongs to one event loop and its thread."""

    def __init__(self, path: Path) -> None:
        self._quick = open_store(path, read_only=True, wait_s=0.0)
        self._patient = open_store(path, read_only=True, wait_s=_WAIT_S)
        self._kept: LRUCache[Hashable, Any] = LRUCache(_KEPT, getsizeof=_size)
        self._version = -1

    def close(self) -> None:
        """Close both connections."""
        self._quick.close()
        self._patient.close()

    async def known(
        self, workload: str, target: str, made: Sequence[tuple[str | None, str | None]]
    ) -> Known | None:
        """The best of a workload on a target; None where nothing correct is known.

        ``made`` are backends with hashes of their versions, any of which will do; None is any.
        """

        def find(store: SQLiteStore) -> Known | None:
            found = [
                store.best_known(
                    workload=workload, target=target, backend=backend, toolchain=toolchain
                )
                for backend, toolchain in made
            ]
            best = min((one for one in found if one), key=lambda one: one[0], default=None)
            return None if best is None else Known(*best, store.outcomes(workload, target))

        key = ("known", workload, target, tuple(made))
        return await self._read(key, find, of=(workload, target))

    async def best_us(
        self, workload: str, target: str, toolchains: dict[str, str], policy: str
    ) -> float | None:
        """The lowest median of measurements by the toolchains of now, in microseconds."""

        def find(store: SQLiteStore) -> float | None:
            found = [
                store.best_known(
                    workload=workload, target=target, backend=backend, toolchain=toolchain,
                    policy=policy,
                )
                for backend, toolchain in toolchains.items()
            ]  # fmt: skip
            return min((one[0] for one in found if one is not None), default=None)

        key = ("best", workload, target, tuple(toolchains.items()), policy)
        return await self._read(key, find, of=(workload, target))

    async def workload(self, hash: str) -> Workload | None:
        """The workload of a hash, if the store has it."""
        return await self._read(("workload", hash), lambda store: store.workload(hash))

    async def target(self, hash: str) -> Target | None:
        """The target of a hash, if the store has it."""
        return await self._read(("target", hash), lambda store: store.target(hash))

    async def targets(self) -> list[Target]:
        """Every target that the store has."""
        return await asyncio.to_thread(lambda: list(self._patient.targets()))

    def measurements(
        self, workload: str, target: str, backend: str | None
    ) -> Iterator[Measurement]:
        """Those of a workload on a target, oldest first; for another thread to read."""
        return self._patient.measurements(workload=workload, target=target, backend=backend)

    async def _read(
        self,
        key: Hashable,
        find: Callable[[SQLiteStore], _T],
        *,
        of: tuple[str, str] | None = None,
    ) -> _T:
        """What ``find`` says; ``of`` are the workload and target whose measurements it reads."""
        try:
            version = self._quick.version()
            if version != self._version:
                self._kept.clear()
                self._version = version
            if key in self._kept:
                kept: _T = self._kept[key]
                return kept
            if of is None or self._quick.count(*of) <= _SHORT:
                return self._keep(key, find(self._quick))
        except StoreLockedError:
            version = None
        found = await asyncio.to_thread(find, self._patient)
        return self._keep(key, found) if self._version == version else found

    def _keep(self, key: Hashable, found: _T) -> _T:
        if _size(found) <= self._kept.maxsize:
            self._kept[key] = found
        return found


def _size(found: object) -> int:
    """Of what is kept: texts are the clients', and may be long."""
    if isinstance(found, Workload):
        return _BESIDE + len(found.text)
    if isinstance(found, Known):
        return _BESIDE + len(found.best.schedule.text) + 8 * len(found.best.samples_us)
    return _BESIDE
