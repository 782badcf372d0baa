"""The calls of the protocol as plans: what is asked, and what becomes of the answer."""

from __future__ import annotations

import math
import os
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import TypeVar

import grpc

from costmodel.errors import CostModelError, UsageError
from costmodel.oracle import requests
from costmodel.oracle.connection import Connection, find_connection
from costmodel.oracle.convert import (
    measurement_to,
    predict_from,
    rank_from,
    schedule_to,
    target_to,
)
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.replies import (
    KnownTarget,
    Lease,
    Lookup,
    Scores,
    TuneRun,
    known_target_from,
    lease_from,
    lookup_from,
    run_from,
    scores_from,
)
from costmodel.oracle.requests import Kernel, Scheduled
from costmodel.oracle.status import NothingKnownError, UnreachableError, error_from
from costmodel.oracle.steps import Call, Local, Pause, Plan, Stream, answers
from costmodel.oracle.watching import Watching
from costmodel.records import Measurement, Target, Workload
from costmodel.report.files import output_directory
from costmodel.results import PredictResult, ProgressListener, RankResult

__all__ = [
    "ANY",
    "Calls",
    "Source",
    "Where",
    "call_error",
    "check_open",
    "closed_error",
    "folder_for",
    "own_connection",
    "own_timeout",
]

#: A path, MLIR text, the hash of a workload that the oracle knows, or a workload.
Source = str | os.PathLike[str] | Workload
#: ``cpu`` (this machine), ``server`` (the oracle's), the hash of a target, or a target's facts.
Where = str | Target

#: In place of a hash: whatever the versions.
ANY = "any"

_Result = TypeVar("_Result", PredictResult, RankResult)

#: Schedules in one request: as many as the trained network reads all of.
_PIECE = 256

_LOOK_UP = "`lookup` gives the best that the oracle's store knows, and measures nothing"


def own_connection(
    address: str | Connection | None,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    token: str | None,
) -> Connection:
    """Of a client's arguments. Raises UsageError where they, and the environment, name none."""
    if isinstance(address, Connection):
        return address
    if address is not None and not isinstance(address, str):
        raise UsageError(
            f"the address of an oracle is no {type(address).__name__}",
            hint="give it as a str: HOST:PORT or unix:PATH",
        )
    found = find_connection(address, ca=ca, cert=cert, key=key, token=token)
    if found is None:
        raise UsageError(
            "no oracle is named", hint="give its address, HOST:PORT, or set $COSTMODEL_ORACLE"
        )
    return found


def own_timeout(seconds: float | None) -> float | None:
    """Of a client's arguments. Raises UsageError for what is no time that a call may take."""
    if seconds is not None and not (isinstance(seconds, Real) and 0 < seconds < math.inf):
        raise UsageError(
            f"timeout is {seconds!r}, and has to be seconds above 0",
            hint="leave it out for what suits each method",
        )
    return seconds


def check_open(*, closed: bool) -> None:
    """Raises UsageError where the client that is to call was closed."""
    if closed:
        raise closed_error()


def closed_error() -> UsageError:
    """What calls of a closed client end with, those that were under way among them."""
    return UsageError("this client is closed", hint="make another, or close it after its calls")


def call_error(error: grpc.RpcError, address: str, *, closed: bool) -> CostModelError:
    """What a call to ``address`` ended with; ``closed`` says whether its client is."""
    if closed and error.code() is grpc.StatusCode.CANCELLED:
        return closed_error()
    return error_from(error, address)


def folder_for(out: str | os.PathLike[str] | None) -> AbstractContextManager[Path | None]:
    """The folder that files are wanted in, made where it is not there; None where none are."""
    return nullcontext() if out is None else output_directory(Path(out))


@dataclass(frozen=True)
class Calls:
    """The plans of one client. With ``fallback`` an oracle that is away is answered for here.

    ``store`` and ``weights`` are what such an answer comes from, as of ``costmodel.predict``.
    """

    connection: Connection
    fallback: bool = False
    store: str | os.PathLike[str] | None = None
    weights: str | os.PathLike[str] | None = None

    def predict(
        self, source: Source, function: str | None, target: Where, backend: str,
        threads: int | None,
    ) -> Plan[PredictResult]:  # fmt: skip
        """See Client.predict."""
        asked = requests.kernel(source, function)
        where = requests.target_ref(target, threads)
        request = pb.PredictRequest(workload=asked.message, target=where, backend=backend)
        try:
            with asked.named():
                message: pb.PredictResponse = yield Call("Predict", request)
        except UnreachableError as error:

            def here() -> PredictResult:
                from costmodel import asking

                return asking.predict(
                    _local(source), function=function, backend=backend, threads=threads,
                    store=self.store, weights=self.weights,
                )  # fmt: skip

            return (yield from self._here(error, source, target, here))
        with answers():
            return predict_from(message)

    def rank(
        self, source: Source, n: int, seed: int, function: str | None, target: Where,
        backend: str, threads: int | None,
    ) -> Plan[RankResult]:  # fmt: skip
        """See Client.rank."""
        asked = requests.kernel(source, function)
        where = requests.target_ref(target, threads)
        request = pb.RankRequest(
            workload=asked.message,
            target=where,
            backend=backend,
            count=requests.number(n, "n", least=1),  # 0 is the server's default
            seed=requests.number(seed, "seed"),
        )
        started = time.monotonic()
        try:
            with asked.named():
                message: pb.RankResponse = yield Call("Rank", request)
        except UnreachableError as error:

            def here() -> RankResult:
                from costmodel import asking

                return asking.rank(
                    _local(source), n=n, seed=seed, function=function, backend=backend,
                    threads=threads, store=self.store, weights=self.weights,
                )  # fmt: skip

            return (yield from self._here(error, source, target, here))
        with answers():
            return rank_from(message, time.monotonic() - started)

    def _here(
        self,
        error: UnreachableError,
        source: Source,
        target: Where,
        answer: Callable[[], _Result],
    ) -> Plan[_Result]:
        """The answer of this machine, for questions about it; other machines are not known here."""
        named = isinstance(source, str) and requests.kernel(source).message.hash
        if not self.fallback or target != "cpu" or isinstance(source, Workload) or named:
            raise error
        found: _Result = yield Local(answer)
        note = f"{error.message}: answered on this machine"
        return replace(found, notes=(note, *found.notes))

    def rank_schedules(
        self, workload: Source, schedules: Iterable[Scheduled], target: Where, backend: str
    ) -> Plan[Scores]:
        """See Client.rank_schedules."""
        asked, given = requests.kernel(workload), requests.schedules_of(schedules)
        first = pb.RankRequest(
            workload=asked.message, target=requests.target_ref(target), backend=backend
        )
        pieces = [given[i : i + _PIECE] for i in range(0, len(given), _PIECE)]
        if not pieces:
            return Scores("", "", "", (), (), ())
        asks = [
            pb.RankRequest(schedules=map(schedule_to, piece)) for piece in pieces
        ]  # without a kernel: of the one before
        asks[0].MergeFrom(first)
        with asked.named():
            if len(asks) == 1:
                messages: list[pb.RankResponse] = [(yield Call("Rank", asks[0]))]
            else:
                messages = yield Stream("RankStream", asks)
        with answers():
            if len(messages) != len(pieces):
                raise ValueError(f"{len(messages)} answers to {len(pieces)} requests")
            pairs = zip(messages, pieces, strict=True)
            return _joined([scores_from(message, len(piece)) for message, piece in pairs])

    def lookup(
        self, source: Source, function: str | None, target: Where, backend: str,
        threads: int | None, toolchain: str | None,
    ) -> Plan[Lookup | None]:  # fmt: skip
        """See Client.lookup."""
        asked = requests.kernel(source, function)
        request = pb.LookupRequest(
            workload=asked.message, target=requests.target_ref(target, threads),
            backend=backend, toolchain="" if toolchain is None or toolchain == ANY else toolchain,
            any_toolchain=toolchain == ANY,
        )  # fmt: skip
        try:
            with asked.named():
                message: pb.LookupResponse = yield Call("Lookup", request)
        except NothingKnownError:
            return None
        with answers():
            return lookup_from(message)

    def measurements(
        self, source: Source, function: str | None, target: Where, backend: str,
        threads: int | None,
    ) -> tuple[Kernel, pb.ListMeasurementsRequest]:  # fmt: skip
        """What ListMeasurements is asked; no plan, since its answers are taken one by one."""
        asked = requests.kernel(source, function)
        return asked, pb.ListMeasurementsRequest(
            workload=asked.message, target=requests.target_ref(target, threads), backend=backend
        )

    def record(
        self,
        measurements: Iterable[Measurement],
        workloads: Iterable[Source],
        targets: Sequence[Target],
    ) -> Plan[int]:
        """See Client.record."""
        kernels = [requests.kernel(each) for each in workloads]
        added = 0
        for request in requests.record_requests(measurements, kernels, targets):
            message: pb.RecordResponse = yield Call("Record", request)
            added += message.added
        return added

    def start_tune(
        self, source: Source, trials: int, seconds: float | None, seed: int,
        function: str | None, target: Where, backend: str, threads: int | None,
        leased: bool, request_id: str | None,
    ) -> Plan[TuneRun]:  # fmt: skip
        """See Client.start_tune."""
        asked = requests.kernel(source, function)
        request = pb.TuneRequest(
            workload=asked.message, target=requests.target_ref(target, threads), backend=backend,
            # 0 is the server's default.
            trials=requests.number(trials, "trials", least=1, hint=_LOOK_UP),
            seed=requests.number(seed, "seed"), leased=leased,
            # The key makes a repetition the same run.
            request_id=request_id or uuid.uuid4().hex,
            budget=None if seconds is None else requests.duration(seconds, "seconds"),
        )  # fmt: skip
        with asked.named():
            message: pb.TuneOperation = yield Call("Tune", request)
        with answers():
            return run_from(message)

    def about(
        self, source: Source, function: str | None, target: Where, backend: str,
        threads: int | None,
    ) -> Plan[PredictResult | None]:  # fmt: skip
        """What a listener is told of a kernel; None where that is not to be had."""
        alone = replace(self, fallback=False)
        try:
            return (yield from alone.predict(source, function, target, backend, threads))
        except CostModelError:
            return None

    def get_tune(self, name: str) -> Plan[TuneRun]:
        """See Client.get_tune."""
        message: pb.TuneOperation = yield Call("GetTune", pb.GetTuneRequest(name=name))
        with answers():
            return run_from(message)

    def find_tune(self, name: str, listener: ProgressListener) -> Plan[TuneRun]:
        """As ``get_tune``, but a server that is away is waited for, which the listener is told."""
        watching, told = Watching(name, streams=False), False
        while True:
            watching.begin()
            try:
                return (yield from self.get_tune(name))
            except CostModelError as error:
                pause_s = watching.lost(error)
            if not told:
                listener.on_phase("away")
            told = True
            yield Pause(pause_s)

    def cancel_tune(self, name: str) -> Plan[TuneRun]:
        """See Client.cancel_tune."""
        message: pb.TuneOperation = yield Call("CancelTune", pb.CancelTuneRequest(name=name))
        with answers():
            return run_from(message)

    def abandon_tune(self, begun: TuneRun | None, start: Plan[TuneRun]) -> Plan[TuneRun]:
        """End a run, which may have begun without an answer: the same request is the same run."""
        run = (yield from start) if begun is None else begun
        return (yield from self.cancel_tune(run.name))

    def list_tunes(self, most: int | None) -> Plan[tuple[TuneRun, ...]]:
        """See Client.list_tunes."""
        found: list[TuneRun] = []
        token = ""
        while most is None or len(found) < most:
            request = pb.ListTunesRequest(
                page_size=0 if most is None else min(most - len(found), requests.MOST),
                page_token=token,
            )
            message: pb.ListTunesResponse = yield Call("ListTunes", request)
            with answers():
                found += map(run_from, message.tunes)
            token = message.next_page_token
            if not token:
                break
        return tuple(found[:most])

    def lease(
        self, target: str | Target, count: int, wait_s: float, term_s: float | None
    ) -> Plan[tuple[Lease, ...]]:
        """See Client.lease."""
        request = pb.LeaseRequest(
            target=target.hash if isinstance(target, Target) else target,
            count=requests.number(count, "count", least=1),
            wait=requests.duration(wait_s, "wait_s"),
            term=None if term_s is None else requests.duration(term_s, "term_s"),
        )
        message: pb.LeaseResponse = yield Call("Lease", request, wait_s)
        with answers():
            return tuple(map(lease_from, message.candidates))

    def complete(self, lease: str, measurement: Measurement | None) -> Plan[bool]:
        """See Client.complete."""
        given = None if measurement is None else measurement_to(measurement)
        request = pb.CompleteRequest(lease=lease, measurement=given)
        message: pb.CompleteResponse = yield Call("Complete", request)
        return message.wanted

    def list_targets(self) -> Plan[tuple[KnownTarget, ...]]:
        """See Client.list_targets."""
        found: list[KnownTarget] = []
        request = pb.ListTargetsRequest()
        while True:
            message: pb.ListTargetsResponse = yield Call("ListTargets", request)
            with answers():
                found += map(known_target_from, message.targets)
            if not message.next_page_token:
                return tuple(found)
            request = pb.ListTargetsRequest(page_token=message.next_page_token)

    def register_target(self, target: Target) -> Plan[str]:
        """See Client.register_target."""
        request = pb.RegisterTargetRequest(target=target_to(target))
        message: pb.RegisterTargetResponse = yield Call("RegisterTarget", request)
        return message.hash


def _local(source: Source) -> str | os.PathLike[str]:
    assert not isinstance(source, Workload)
    return source


def _joined(parts: Sequence[Scores]) -> Scores:
    """Of the pieces of one list; the last says which model it is."""
    last = parts[-1]
    return replace(
        last,
        predictions=tuple(one for part in parts for one in part.predictions),
        measured_us=tuple(one for part in parts for one in part.measured_us),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )
