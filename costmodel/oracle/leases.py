"""Candidates on loan: clients take them, measure them on their own machines, and hand them in."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf.timestamp_pb2 import Timestamp

from costmodel.oracle.convert import FieldError, policy_to, schedule_to
from costmodel.oracle.limits import Keep
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.records import (
    Environment,
    Measurement,
    Outcome,
    Schedule,
    TimingPolicy,
    Workload,
)

__all__ = ["UNMEASURED", "LeasePool"]

#: Of one request, and seconds that a request may wait and a lease may last.
_MOST, _LONGEST_WAIT_S, _LONGEST_TERM_S = 64, 300.0, 3600.0
_TERM_S = 60.0
#: So often a candidate is leased before it counts as one that ends whatever measures it.
_TRIES = 3
#: Leases that are remembered, so that what comes late is known.
_REMEMBERED = 20_000
#: Key of ``extra`` in what stands for a measurement that nobody made: no store is to have it.
UNMEASURED = "unmeasured"


@dataclass(eq=False)
class _Wanted:
    """A candidate that a run waits for."""

    run: _Run
    schedule: Schedule
    tries: int = 0
    done: bool = False


@dataclass(eq=False)
class _Run:
    name: str
    workload: Workload
    target: str
    policy: TimingPolicy
    deliver: Callable[[Measurement], None]
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    wanted: dict[str, _Wanted] = field(default_factory=dict)


@dataclass(eq=False)
class _Lease:
    wanted: _Wanted
    expiry: asyncio.TimerHandle | None = None
    #: The id of the measurement that was handed in.
    completed: str = ""


class LeasePool:
    """Belongs to one event loop. ``keep`` puts measurements into the server's store."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._runs: dict[str, _Run] = {}
        self._waiting: dict[str, deque[_Wanted]] = {}
        self._leases: OrderedDict[str, _Lease] = OrderedDict()
        self._news = asyncio.Event()
        self._closed = False

    # Runs

    def begin(
        self,
        name: str,
        workload: Workload,
        target: str,
        policy: TimingPolicy,
        deliver: Callable[[Measurement], None],
    ) -> None:
        """A run begins to have clients measure; it gets each measurement by ``deliver``."""
        self._runs[name] = _Run(name, workload, target, policy, deliver)

    def want(
        self, name: str, schedules: Sequence[Schedule], versions: Mapping[str, Mapping[str, str]]
    ) -> None:
        """From now on the run waits for these and no others; ``versions`` are its backends'."""
        run = self._runs[name]
        self._forget(run)
        run.versions = versions
        run.wanted = {one.hash: _Wanted(run, one) for one in schedules}
        self._waiting.setdefault(run.target, deque()).extend(run.wanted.values())
        self._wake()

    def end(self, name: str) -> None:
        """The run waits for nothing any more."""
        run = self._runs.pop(name, None)
        if run is not None:
            self._forget(run)

    def _forget(self, run: _Run) -> None:
        for wanted in run.wanted.values():
            wanted.done = True
        run.wanted = {}
        waiting = self._waiting.get(run.target)
        if waiting is not None:
            left = deque(one for one in waiting if not one.done)
            if left:
                self._waiting[run.target] = left
            else:
                del self._waiting[run.target]

    # Clients

    async def lease(
        self, target: str, count: int, wait_s: float, term_s: float
    ) -> Sequence[pb.LeasedCandidate]:
        """Up to ``count`` candidates for a target; empty where none came within ``wait_s``.

        What is 0 has a default; what is too large is made smaller.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(max(0.0, wait_s), _LONGEST_WAIT_S)
        term = min(term_s, _LONGEST_TERM_S) if term_s > 0 else _TERM_S
        while not self._closed:
            taken = self._take(target, min(max(1, count), _MOST), term)
            left = deadline - loop.time()
            if taken or left <= 0:
                return taken
            try:
                await asyncio.wait_for(self._news.wait(), left)
            except TimeoutError:
                continue
        return []

    def _take(self, target: str, count: int, term_s: float) -> list[pb.LeasedCandidate]:
        waiting = self._waiting.get(target, deque())
        taken: list[pb.LeasedCandidate] = []
        while waiting and len(taken) < count:
            wanted = waiting.popleft()
            if not wanted.done:
                taken.append(self._lend(wanted, term_s))
        if not waiting:
            self._waiting.pop(target, None)
        return taken

    def _lend(self, wanted: _Wanted, term_s: float) -> pb.LeasedCandidate:
        name, lease = uuid.uuid4().hex, _Lease(wanted)
        loop = asyncio.get_running_loop()
        lease.expiry = loop.call_later(term_s, self._expire, lease)
        self._leases[name] = lease
        while len(self._leases) > _REMEMBERED:
            self._leases.popitem(last=False)
        expires = Timestamp()
        expires.FromNanoseconds(time.time_ns() + round(term_s * 1e9))
        run = wanted.run
        return pb.LeasedCandidate(
            lease=name,
            workload_text=run.workload.text,
            workload=run.workload.hash,
            schedule=schedule_to(wanted.schedule),
            policy=policy_to(run.policy),
            expires=expires,
            tune=run.name,
        )

    async def complete(self, name: str, measurement: Measurement | None) -> bool:
        """Take a leased candidate's measurement, or the candidate back unmeasured.

        Whether its run still waited for it. A measurement is in the store in any case, also one
        that comes late. Raises FieldError for a measurement of something else, and what ``keep``
        raises.
        """
        lease = self._leases.get(name)
        if lease is None:
            if measurement is not None:
                await self._keep(measurements=[measurement])
            return False
        if measurement is None:
            wanted = not lease.wanted.done and lease.expiry is not None
            if wanted:
                self._give_back(lease, "clients gave it back")
            return wanted
        _check(lease.wanted, measurement)
        await self._keep(measurements=[measurement])
        if lease.wanted.done:
            return lease.completed == measurement.id
        lease.completed = measurement.id
        _stop(lease)
        self._deliver(lease.wanted, measurement)
        return True

    def _expire(self, lease: _Lease) -> None:
        self._give_back(lease, "the time of its leases was over")

    def _give_back(self, lease: _Lease, why: str) -> None:
        _stop(lease)
        wanted = lease.wanted
        if wanted.done:
            return
        wanted.tries += 1
        if wanted.tries >= _TRIES:
            self._deliver(wanted, _failure(wanted, f"no client measured it: {why}"))
            return
        self._waiting.setdefault(wanted.run.target, deque()).appendleft(wanted)
        self._wake()

    def _deliver(self, wanted: _Wanted, measurement: Measurement) -> None:
        wanted.done = True
        wanted.run.wanted.pop(wanted.schedule.hash, None)
        wanted.run.deliver(measurement)

    def _wake(self) -> None:
        """Have whoever waits look."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    def close(self) -> None:
        """Nobody waits any more, and nothing is lent; what is handed in is still kept."""
        self._closed = True
        for lease in self._leases.values():
            _stop(lease)
        self._wake()


def _stop(lease: _Lease) -> None:
    if lease.expiry is not None:
        lease.expiry.cancel()
        lease.expiry = None


def _check(wanted: _Wanted, measurement: Measurement) -> None:
    """Raise FieldError for a measurement of something else than was leased."""
    run = wanted.run
    if measurement.workload != run.workload.hash:
        raise FieldError("measurement.workload", "this is not the workload that was leased")
    if measurement.target != run.target:
        raise FieldError("measurement.target", "this is not the target that was leased for")
    if measurement.schedule != wanted.schedule:
        raise FieldError("measurement.schedule", "this is not the schedule that was leased")
    if measurement.policy != run.policy:
        raise FieldError("measurement.policy", "it was timed by another policy than was leased")
    expected = dict(run.versions.get(wanted.schedule.backend, {}))
    found = dict(measurement.environment.versions)
    for name in sorted(expected.keys() | found.keys()) if expected else ():
        if found.get(name) != expected.get(name):
            raise FieldError(
                "measurement.environment.versions",
                f"it was made with {name} {found.get(name, '(none)')}, and the run reckons with "
                f"{expected.get(name, 'none')}",
                hint="have the server's versions where it is measured",
            )


def _failure(wanted: _Wanted, error: str) -> Measurement:
    """What tells a search that nothing will come of a candidate."""
    run = wanted.run
    versions = run.versions.get(wanted.schedule.backend, {})
    return Measurement(
        id=str(uuid.uuid4()),
        workload=run.workload.hash,
        schedule=wanted.schedule,
        target=run.target,
        environment=Environment(versions, {}),
        policy=run.policy,
        outcome=Outcome.CRASH,
        samples_us=(),
        timestamp=time.time(),
        error=error,
        extra={UNMEASURED: True},
    )
