"""The service's methods: from a request to whoever answers it, and nothing else."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from costmodel.backends import registry
from costmodel.oracle.access import current_principal
from costmodel.oracle.convert import (
    FieldError,
    check_hash,
    measurement_from,
    measurement_to,
    recorded_from,
    target_from,
    target_to,
    within,
)
from costmodel.oracle.limits import RunSpec
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.proto.oracle_pb2_grpc import OracleServicer
from costmodel.oracle.reading import StoreReader
from costmodel.oracle.runs import Runs
from costmodel.oracle.scoring import Scoring
from costmodel.oracle.status import NotFoundError, NothingKnownError, RefusedError
from costmodel.oracle.texts import Texts, text_key
from costmodel.oracle.writer import Writer
from costmodel.records import Measurement, Target, TimingPolicy, Workload, digest
from costmodel.store.codec import target_to_json, types_to_json, workload_from_json

__all__ = ["Parts", "Servicer"]

_Context = grpc.aio.ServicerContext[Any, Any]

#: Schedules of one request.
MOST_SCHEDULES = 20_000
_DRAWN, _TRIALS = 256, 64
#: Of measurements that a prediction is told with.
_POLICY = TimingPolicy().hash
#: Targets of one page.
_PAGE = 100
#: Measurements of one request that take no longer than a call may hold up others.
_READ_HERE = 50
#: Seconds: of a lease, to wait for one at the most, and before a deadline.
_TERM_S, _LONGEST_WAIT_S, _MARGIN_S = 60.0, 300.0, 0.5


@dataclass(frozen=True)
class Parts:
    """What the methods ask: each is one thing's owner."""

    reader: StoreReader
    writer: Writer
    scoring: Scoring
    own: Target
    #: None where the operator has not allowed to tune.
    runs: Runs | None


@dataclass(frozen=True)
class _Asked:
    """A request's target as the scoring processes take it."""

    target: Target

    @cached_property
    def rated(self) -> str:
        """A hash that covers the measured rates as well, which predictions depend on."""
        return digest([*target_to_json(self.target)])

    @property
    def fields(self) -> list[Any]:
        return [self.target.hash, *target_to_json(self.target)]


class Servicer(OracleServicer):
    """Implements ``costmodel.v1.Oracle``; errors are raised as ours, an interceptor sends them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._texts = Texts()
        self._own = _Asked(parts.own)

    # Predictions

    async def Predict(self, request: pb.PredictRequest, context: _Context) -> pb.PredictResponse:
        backend = _backend(request.backend)
        asked = await self._target(request.target)
        key = _key(request.workload)
        response = self._texts.prediction(key, asked.rated, backend)
        if response is None:
            answer = await self._ask(
                "predict", await self._source(request.workload), asked, backend, context
            )
            response = pb.PredictResponse.FromString(base64.b64decode(answer["message"]))
            response.backend = backend
            self._texts.learn(key, answer["workload"])
            self._texts.keep_prediction(key, asked.rated, backend, response)
        measured = await self._parts.reader.best_us(
            response.workload, response.target_hash, self._installed(backend), _POLICY
        )
        if measured != (response.measured_us if response.HasField("measured_us") else None):
            response = _with_measured(response, measured)
            self._texts.keep_prediction(key, asked.rated, backend, response)
        return response

    async def Rank(self, request: pb.RankRequest, context: _Context) -> pb.RankResponse:
        return await self._rank(request, context)

    async def RankStream(
        self, request_iterator: AsyncIterator[pb.RankRequest], context: _Context
    ) -> AsyncIterator[pb.RankResponse]:
        last: pb.RankRequest | None = None
        async for request in request_iterator:
            if not request.workload.WhichOneof("source") and last is not None:
                request.workload.CopyFrom(last.workload)
                request.target.CopyFrom(last.target)
                request.backend = last.backend
            last = pb.RankRequest(
                workload=request.workload, target=request.target, backend=request.backend
            )
            yield await self._rank(request, context)

    async def _rank(self, request: pb.RankRequest, context: _Context) -> pb.RankResponse:
        backend = _backend(request.backend)
        if max(request.count, len(request.schedules)) > MOST_SCHEDULES:
            raise FieldError(
                "schedules" if request.schedules else "count",
                f"one request ranks up to {MOST_SCHEDULES} schedules",
                hint="send them in pieces: RankStream",
            )
        asked = await self._target(request.target)
        answer = await self._ask(
            "rank", await self._source(request.workload), asked, backend, context,
            schedules=[[one.backend, one.text] for one in request.schedules],
            count=request.count or _DRAWN, seed=request.seed, top=request.top,
        )  # fmt: skip
        self._texts.learn(_key(request.workload), answer["workload"])
        return pb.RankResponse.FromString(base64.b64decode(answer["message"]))

    async def _ask(
        self, kind: str, source: dict[str, Any], asked: _Asked, backend: str, context: _Context,
        **more: Any,
    ) -> dict[str, Any]:  # fmt: skip
        question = {"kind": kind, "source": source, "target": asked.fields, "backend": backend}
        return await self._parts.scoring.ask(question | more, seconds=context.time_remaining())

    # The store

    async def Lookup(self, request: pb.LookupRequest, context: _Context) -> pb.LookupResponse:
        backend = _backend(request.backend)
        asked = await self._target(request.target)
        workload = await self._hash(request.workload, context)
        found = await self._parts.reader.known(
            workload, asked.target.hash, self._made(request, backend)
        )
        if found is None:
            if request.workload.WhichOneof("source") == "hash":
                await self._known(workload)  # raises where nobody has heard of it
            hint = "tune it, or record measurements of it"
            if not request.any_toolchain:
                hint += "; what other versions of the compilers made is told to any_toolchain"
            raise NothingKnownError(
                "nothing correct has been measured of this kernel on this target", hint=hint
            )
        return found.response

    def _made(self, request: pb.LookupRequest, backend: str) -> list[tuple[str | None, str | None]]:
        """Backends with the versions that a look-up asks for."""
        if request.any_toolchain and request.toolchain:
            raise FieldError("any_toolchain", "either one toolchain is asked for, or any")
        if request.any_toolchain or request.toolchain:
            toolchain = check_hash(request.toolchain, "toolchain") if request.toolchain else None
            return [(None if backend == "auto" else backend, toolchain)]
        return [*self._installed(backend).items()]

    def _installed(self, backend: str) -> dict[str, str]:
        """By backend, the hash of the versions that are installed here."""
        installed = self._parts.scoring.toolchains
        return {name: made for name, made in installed.items() if backend in ("auto", name)}

    async def ListMeasurements(
        self, request: pb.ListMeasurementsRequest, context: _Context
    ) -> AsyncIterator[pb.Measurement]:
        backend = _backend(request.backend)
        asked = await self._target(request.target)
        workload = await self._hash(request.workload, context)
        found = self._parts.reader.measurements(
            workload, asked.target.hash, None if backend == "auto" else backend
        )
        async for one in found:
            yield measurement_to(one)

    async def Record(self, request: pb.RecordRequest, context: _Context) -> pb.RecordResponse:
        targets = []
        for place, given in enumerate(request.targets):
            with within(f"targets[{place}]"):
                targets.append(target_from(given))
        measurements = await _measurements(request.measurements)
        workloads = []
        for place, each in enumerate(request.workloads):
            with within(f"workloads[{place}]"):
                workloads.append(await self._workload(each, context))
        added = await self._parts.writer.keep(workloads, targets, measurements)
        return pb.RecordResponse(added=added, workloads=[each.hash for each in workloads])

    async def ListTargets(
        self, request: pb.ListTargetsRequest, context: _Context
    ) -> pb.ListTargetsResponse:
        own = self._parts.own
        after = check_hash(request.page_token, "page_token") if request.page_token else ""
        found = {one.hash: one for one in await self._parts.reader.targets()} | {own.hash: own}
        size = min(request.page_size or _PAGE, _PAGE)
        page = sorted(hash for hash in found if hash > after)[: size + 1]
        return pb.ListTargetsResponse(
            targets=[
                pb.KnownTarget(hash=hash, target=target_to(found[hash]), own=hash == own.hash)
                for hash in page[:size]
            ],
            next_page_token=page[size - 1] if len(page) > size else "",
        )

    async def RegisterTarget(
        self, request: pb.RegisterTargetRequest, context: _Context
    ) -> pb.RegisterTargetResponse:
        with within("target"):
            target = target_from(request.target)
        await self._parts.writer.keep(targets=[target])
        return pb.RegisterTargetResponse(hash=target.hash)

    # Runs and leases

    @property
    def _runs(self) -> Runs:
        if self._parts.runs is None:
            raise RefusedError(
                "this server does not tune", hint="its operator may allow it: --allow-tuning",
                code=grpc.StatusCode.FAILED_PRECONDITION,
            )  # fmt: skip
        return self._parts.runs

    async def Tune(self, request: pb.TuneRequest, context: _Context) -> pb.TuneOperation:
        runs, backend = self._runs, _backend(request.backend)
        asked = await self._target(request.target)
        # Read here, so that a kernel that cannot be read is refused and does not become a run.
        workload = await self._workload(request.workload, context)
        spec = RunSpec(
            source=await self._source(request.workload),
            workload=workload,
            target=asked.target,
            backend=backend,
            trials=request.trials or _TRIALS,
            seconds=_seconds(request, "budget"),
            seed=request.seed,
            request_id=request.request_id,
            leased=request.leased or asked.target.hash != self._parts.own.hash,
        )
        return await runs.start(spec, current_principal().name)

    async def GetTune(self, request: pb.GetTuneRequest, context: _Context) -> pb.TuneOperation:
        return self._runs.get(request.name)

    async def WatchTune(
        self, request: pb.WatchTuneRequest, context: _Context
    ) -> AsyncIterator[pb.TuneEvent]:
        async for event in self._runs.watch(request.name, request.skip):
            yield event

    async def CancelTune(
        self, request: pb.CancelTuneRequest, context: _Context
    ) -> pb.TuneOperation:
        return await self._runs.cancel(request.name, current_principal())

    async def ListTunes(
        self, request: pb.ListTunesRequest, context: _Context
    ) -> pb.ListTunesResponse:
        return self._runs.list(request.page_size, request.page_token)

    async def DownloadTune(
        self, request: pb.DownloadTuneRequest, context: _Context
    ) -> AsyncIterator[pb.ArtifactChunk]:
        async for chunk in self._runs.download(request.name, request.artifacts):
            yield chunk

    async def Lease(self, request: pb.LeaseRequest, context: _Context) -> pb.LeaseResponse:
        target = check_hash(request.target, "target")
        wait, term = _seconds(request, "wait"), _seconds(request, "term")
        left = context.time_remaining()
        # An answer that comes after the deadline would take candidates away for nothing.
        most = _LONGEST_WAIT_S if left is None else min(_LONGEST_WAIT_S, left - _MARGIN_S)
        candidates = await self._runs.lease(
            target, request.count or 1, max(0.0, min(wait or 0.0, most)), term or _TERM_S
        )
        return pb.LeaseResponse(candidates=candidates)

    async def Complete(self, request: pb.CompleteRequest, context: _Context) -> pb.CompleteResponse:
        measurement = None
        if request.HasField("measurement"):
            with within("measurement"):
                measurement = measurement_from(request.measurement)
        return pb.CompleteResponse(wanted=await self._runs.complete(request.lease, measurement))

    # What requests name

    async def _target(self, ref: pb.TargetRef) -> _Asked:
        which = ref.WhichOneof("of")
        if which is None:
            return self._own
        if which == "facts":
            with within("target.facts"):
                return _Asked(target_from(ref.facts))
        hash = check_hash(ref.hash, "target.hash")
        if hash == self._parts.own.hash:
            return self._own
        found = await self._parts.reader.target(hash)
        if found is None:
            raise NotFoundError(
                f"no target has the hash {hash}", hint="register it: RegisterTarget"
            )
        return _Asked(found)

    async def _source(self, workload: pb.Workload) -> dict[str, Any]:
        """A kernel as the scoring processes take it. Raises FieldError, NotFoundError."""
        if workload.WhichOneof("source") == "hash":
            found = await self._known(workload.hash)
            return {"known": _fields(found)}
        # Not looked at here: in megabytes of text that takes seconds, and all would wait.
        name = workload.file_name or "<text>"
        return {"mlir": workload.mlir, "function": workload.function, "file": name}

    async def _known(self, hash: str) -> Workload:
        found = await self._parts.reader.workload(check_hash(hash, "workload.hash"))
        if found is None:
            raise NotFoundError(
                f"no workload has the hash {hash}", hint="send its MLIR instead of the hash"
            )
        return found

    async def _hash(self, workload: pb.Workload, context: _Context) -> str:
        """The hash of a kernel's canonical text, which is read where it was not before."""
        if workload.WhichOneof("source") == "hash":
            return check_hash(workload.hash, "workload.hash")
        known = self._texts.hash_of(_key(workload))
        return (await self._workload(workload, context)).hash if known is None else known

    async def _workload(self, workload: pb.Workload, context: _Context) -> Workload:
        _key(workload)
        if workload.WhichOneof("source") == "hash":
            return await self._known(workload.hash)
        source = await self._source(workload)
        answer = await self._ask("read", source, self._own, "auto", context)
        self._texts.learn(_key(workload), answer["workload"])
        return workload_from_json(answer["workload"]["hash"], answer["workload"])


def _with_measured(kept: pb.PredictResponse, measured: float | None) -> pb.PredictResponse:
    """Another one: that which is kept may be on its way to somebody."""
    response = pb.PredictResponse()
    response.CopyFrom(kept)
    response.ClearField("measured_us")
    if measured is not None:
        response.measured_us = measured
    return response


def _key(workload: pb.Workload) -> str:
    """Of the texts that have been read. Raises FieldError for a kernel that is not there."""
    which = workload.WhichOneof("source")
    if which is None:
        raise FieldError("workload", "there is no kernel", hint="give its MLIR, or its hash")
    return workload.hash if which == "hash" else text_key(workload)


def _seconds(request: pb.TuneRequest | pb.LeaseRequest, name: str) -> float | None:
    """A duration; None for one that is absent. Raises FieldError for a negative one."""
    if not request.HasField(name):
        return None
    given: Duration = getattr(request, name)
    seconds = given.seconds + given.nanos * 1e-9
    if seconds < 0:
        raise FieldError(name, f"{seconds} s is no time to wait")
    return seconds


def _backend(name: str) -> str:
    if name and name not in registry.BACKENDS:
        known = ", ".join(sorted(registry.BACKENDS))
        raise FieldError("backend", f"no backend is called {name!r}", hint=f"use one of: {known}")
    return name or "auto"


def _fields(workload: Workload) -> dict[str, Any]:
    return {
        "hash": workload.hash,
        "text": workload.text,
        "function": workload.function,
        "inputs": types_to_json(workload.inputs),
        "outputs": types_to_json(workload.outputs),
    }


async def _measurements(messages: Sequence[pb.Measurement]) -> list[Measurement]:
    """Raises FieldError. Many are read in another thread: in this one all would wait."""
    if len(messages) > _READ_HERE:
        return await asyncio.to_thread(_read_measurements, messages)
    return _read_measurements(messages)


def _read_measurements(messages: Iterable[pb.Measurement]) -> list[Measurement]:
    found = []
    for place, message in enumerate(messages):
        with within(f"measurements[{place}]"):
            found.append(recorded_from(message))
    return found
