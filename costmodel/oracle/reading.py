"""Reads of the store, the short ones in the server's own thread.

What was read is kept until the store changes, whoever changes it: SQLite says so in microseconds.
Of the measurements of a workload that were added since, only those are read. Where somebody holds
the file, or much is to be read, a second connection does it in another thread.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from cachetools import LRUCache

from costmodel.errors import StoreLockedError
from costmodel.oracle.convert import measurement_to
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.records import Measurement, Target, Workload
from costmodel.store import open_store
from costmodel.store.sqlite import SQLiteStore

__all__ = ["Known", "StoreReader"]

_T = TypeVar("_T")

#: Bytes of what is kept of measurements and of workloads each, and of what is beside the texts.
_KEPT, _BESIDE = 64 << 20, 2000
#: Targets that are kept, and measurements that are read at once.
_TARGETS, _PAGE = 1000, 500
#: Seconds that the second connection waits.
_WAIT_S = 5.0
#: Measurements, of anything, that are looked through in the server's own thread.
_SHORT = 1000


class _Made(NamedTuple):
    """Which measurements count: None is any."""

    backend: str | None
    toolchain: str | None
    policy: str | None


_Best = tuple[float, Measurement] | None


@dataclass(frozen=True)
class Known:
    """The best of a workload on a target: its median in microseconds, and how all ended."""

    latency_us: float
    best: Measurement
    outcomes: Mapping[str, int]

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


@dataclass(frozen=True)
class _Seen:
    """What the measurements of a workload on a target say, up to those of a number.

    ``version`` is that of the file before they were read; none where it could not be asked.
    ``size`` is about how many bytes all this is, answers to come among it.
    """

    version: int | None = None
    until: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    bests: Mapping[_Made, _Best] = field(default_factory=dict)
    size: int = _BESIDE
    #: What was said of the best of several, each time the same.
    _told: dict[tuple[_Made, ...], Known | None] = field(default_factory=dict)

    def best(self, asked: Iterable[_Made]) -> _Best:
        """The fastest of these."""
        found = (best for each in asked if (best := self.bests[each]) is not None)
        return min(found, key=lambda best: best[0], default=None)

    def known(self, asked: tuple[_Made, ...]) -> Known | None:
        """The fastest of these with how all ended; None where nothing correct is known."""
        if asked not in self._told:
            best = self.best(asked)
            self._told[asked] = None if best is None else Known(*best, self.outcomes)
        return self._told[asked]


class StoreReader:
    """Belongs to one event loop and its thread."""

    def __init__(self, path: Path) -> None:
        self._quick = open_store(path, read_only=True, wait_s=0.0)
        self._patient = open_store(path, read_only=True, wait_s=_WAIT_S)
        # Its own, so that those who wait for a held store hold up nothing else.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reading")
        self._seen: LRUCache[tuple[str, str], _Seen] = LRUCache(
            _KEPT, getsizeof=lambda seen: seen.size
        )
        self._workloads: LRUCache[str, Workload] = LRUCache(
            _KEPT, getsizeof=lambda workload: _BESIDE + len(workload.text)
        )
        self._targets: LRUCache[str, tuple[int, Target | None]] = LRUCache(_TARGETS)

    def close(self) -> None:
        """Close both connections."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._quick.close()
        self._patient.close()

    async def known(
        self, workload: str, target: str, made: Sequence[tuple[str | None, str | None]]
    ) -> Known | None:
        """The best of a workload on a target; None where nothing correct is known.

        ``made`` are backends with hashes of their versions, any of which will do; None is any.
        """
        asked = tuple(_Made(*each, None) for each in made)
        return (await self._look(workload, target, asked)).known(asked)

    async def best_us(
        self, workload: str, target: str, toolchains: Mapping[str, str], policy: str
    ) -> float | None:
        """The lowest median of measurements by the toolchains of now, in microseconds."""
        asked = [_Made(backend, made, policy) for backend, made in toolchains.items()]
        best = (await self._look(workload, target, asked)).best(asked)
        return None if best is None else best[0]

    async def workload(self, hash: str) -> Workload | None:
        """The workload of a hash, if the store has it."""
        found = self._workloads.get(hash)
        if found is None:
            try:
                found = self._quick.workload(hash)
            except StoreLockedError:
                found = await self._apart(self._patient.workload, hash)
            if found is not None and _BESIDE + len(found.text) <= _KEPT:
                self._workloads[hash] = found
        return found

    async def target(self, hash: str) -> Target | None:
        """The target of a hash, if the store has it, with the rates measured last."""
        try:
            version = self._quick.version()
            kept = self._targets.get(hash)
            if kept is None or kept[0] != version:
                kept = self._targets[hash] = version, self._quick.target(hash)
            return kept[1]
        except StoreLockedError:
            return await self._apart(self._patient.target, hash)

    async def targets(self) -> list[Target]:
        """Every target that the store has."""
        return await self._apart(lambda: list(self._patient.targets()))

    async def measurements(
        self, workload: str, target: str, backend: str | None
    ) -> AsyncIterator[Measurement]:
        """Those of a workload on a target, oldest first."""
        rows = self._patient.measurements(workload=workload, target=target, backend=backend)
        while page := await self._apart(lambda: list(islice(rows, _PAGE))):
            for row in page:
                yield row

    async def _apart(self, read: Callable[..., _T], *arguments: Any) -> _T:
        """What is read in the other thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, read, *arguments)

    async def _look(self, workload: str, target: str, asked: Sequence[_Made]) -> _Seen:
        """What the measurements say now, the best of those that are ``asked`` for among it."""
        before = self._seen.get((workload, target), _Seen())
        told = all(each in before.bests for each in asked)
        version = None
        try:
            version = self._quick.version()
            if told and version == before.version:
                return before
            if self._quick.newest() - (before.until if told else 0) <= _SHORT:
                found = _look(self._quick, before, version, workload, target, asked)
                return self._keep(workload, target, found)
        except StoreLockedError:
            pass
        found = await self._apart(_look, self._patient, before, version, workload, target, asked)
        return self._keep(workload, target, found)

    def _keep(self, workload: str, target: str, found: _Seen) -> _Seen:
        """Keep it, unless somebody who looked meanwhile has seen more."""
        kept = self._seen.get((workload, target))
        if (kept is None or kept.until <= found.until) and found.size <= _KEPT:
            self._seen[workload, target] = found
        return found


def _look(
    store: SQLiteStore,
    before: _Seen,
    version: int | None,
    workload: str,
    target: str,
    asked: Sequence[_Made],
) -> _Seen:
    """What was seen ``before``, with what was added since, and with the best of those asked for.

    What is added meanwhile may be seen in part; it is looked at again the next time.
    """
    until = store.newest()
    if until < before.until:  # another file
        before = _Seen()
    added = store.outcomes(workload, target, after=before.until, until=until)
    if not added and all(made in before.bests for made in asked):
        return replace(before, version=version, until=until)
    names = {"workload": workload, "target": target}
    bests = dict(before.bests)
    if added:
        for made, best in before.bests.items():
            bests[made] = store.best_since(best, before.until, **names, **made._asdict())
    for made in asked:
        if made not in bests:
            bests[made] = store.best_known(**names, **made._asdict())
    outcomes = Counter(before.outcomes) + Counter(added)
    return _Seen(version, until, outcomes, bests, _size(bests.values()))


def _size(bests: Iterable[_Best]) -> int:
    """Each is kept as it was read, as it is answered, and in pieces."""
    listed = {best[1].id: best[1] for best in bests if best is not None}
    return _BESIDE + 3 * sum(measurement_to(one).ByteSize() for one in listed.values())
