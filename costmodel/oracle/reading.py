"""Reads of the store, the short ones in the server's own thread.

What was read is kept until the store changes, whoever changes it: SQLite says so in microseconds.
Of a workload that has more measurements than before only those are read.
Where somebody holds the file, or much is to be read, a second connection does it in another thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import suppress
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
#: Of a workload's measurements on a target, as SQLiteStore.state tells it.
_State = tuple[int, int]

#: Characters of answers that are kept, about, and of what is beside the texts of each.
_KEPT, _BESIDE = 64 << 20, 2000
#: Seconds that the second connection waits.
_WAIT_S = 5.0
#: Measurements of a workload, or those added, that are looked through in the server's own thread.
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


@dataclass
class _Kept:
    """What was found, when the file was of a version and of what it is about in a state."""

    version: int
    state: _State | None
    found: Any

    def holds(self, version: int, state: _State | None) -> bool:
        """Whether it does now; where only others have changed, it is of this version from now."""
        if state is not None and state == self.state:
            self.version = version
        return version == self.version


class StoreReader:
    """Belongs to one event loop and its thread."""

    def __init__(self, path: Path) -> None:
        self._quick = open_store(path, read_only=True, wait_s=0.0)
        self._patient = open_store(path, read_only=True, wait_s=_WAIT_S)
        self._kept: LRUCache[Hashable, _Kept] = LRUCache(_KEPT, getsizeof=_size)

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

        key = ("known", workload, target, tuple(made))
        with suppress(StoreLockedError):
            kept = self._kept.get(key)
            if kept is not None and kept.holds(*self._now(kept, (workload, target))):
                return kept.found  # type: ignore[no-any-return]
        bests = [await self._best(workload, target, *each, None) for each in made]
        best = min((one for one in bests if one), key=lambda one: one[0], default=None)

        def tell(store: SQLiteStore, _: object) -> Known | None:
            return None if best is None else Known(*best, store.outcomes(workload, target))

        return await self._read(key, tell, of=(workload, target))

    async def best_us(
        self, workload: str, target: str, toolchains: dict[str, str], policy: str
    ) -> float | None:
        """The lowest median of measurements by the toolchains of now, in microseconds."""
        bests = [
            await self._best(workload, target, backend, toolchain, policy)
            for backend, toolchain in toolchains.items()
        ]
        return min((one[0] for one in bests if one is not None), default=None)

    async def _best(
        self, workload: str, target: str, *key: str | None
    ) -> tuple[float, Measurement] | None:
        names = dict(zip(("backend", "toolchain", "policy"), key, strict=True))

        def find(store: SQLiteStore, before: _Kept | None) -> tuple[float, Measurement] | None:
            if before is None or before.state is None:
                return store.best_known(workload=workload, target=target, **names)
            return store.best_since(
                before.found, before.state, workload=workload, target=target, **names
            )

        return await self._read(("best", workload, target, *key), find, of=(workload, target))

    async def workload(self, hash: str) -> Workload | None:
        """The workload of a hash, if the store has it."""
        return await self._read(("workload", hash), lambda store, _: store.workload(hash))

    async def target(self, hash: str) -> Target | None:
        """The target of a hash, if the store has it."""
        return await self._read(("target", hash), lambda store, _: store.target(hash))

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
        find: Callable[[SQLiteStore, _Kept | None], _T],
        *,
        of: tuple[str, str] | None = None,
    ) -> _T:
        """What ``find`` says, which is told what it said before.

        ``of`` are the workload and target whose measurements it reads.
        """
        try:
            before = self._kept.get(key)
            version, state = self._now(before, of)
            if before is not None and before.holds(version, state):
                return before.found  # type: ignore[no-any-return]
            looked_through = before.state[0] if before and before.state else 0
            if state is None or state[0] - looked_through <= _SHORT:
                found = find(self._quick, before)
                self._keep(key, _Kept(version, state, found))
                return found
        except StoreLockedError:
            return await asyncio.to_thread(find, self._patient, None)
        found = await asyncio.to_thread(find, self._patient, None)
        self._keep(key, _Kept(version, state, found))
        return found

    def _now(self, kept: _Kept | None, of: tuple[str, str] | None) -> tuple[int, _State | None]:
        """The file's version, and the state of what is asked about. Raises StoreLockedError."""
        version = self._quick.version()
        if kept is not None and kept.version == version:
            return version, kept.state
        return version, None if of is None else self._quick.state(*of)

    def _keep(self, key: Hashable, kept: _Kept) -> None:
        if _size(kept) <= self._kept.maxsize:
            self._kept[key] = kept


def _size(kept: _Kept) -> int:
    """Of what is kept: texts are the clients', and may be long."""
    found = kept.found
    if isinstance(found, tuple):
        found = found[1]
    if isinstance(found, Workload):
        return _BESIDE + len(found.text)
    if isinstance(found, Known):
        found = found.best
    if isinstance(found, Measurement):
        return _BESIDE + len(found.schedule.text) + 8 * len(found.samples_us)
    return _BESIDE
