"""What becomes of a run from its begin to its end: its process is heard, what it measures kept."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError as MessageError

from costmodel.errors import CostModelError, StoreError
from costmodel.oracle import metrics
from costmodel.oracle.convert import outcome_to
from costmodel.oracle.leases import UNMEASURED, LeasePool
from costmodel.oracle.limits import Keep, RunLimits, RunSpec
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.run_folders import TOO_DEEP
from costmodel.oracle.run_process import RunProcess, started
from costmodel.oracle.run_record import RunRecord, now
from costmodel.oracle.status import passes
from costmodel.records import Measurement, Outcome, Schedule, TimingPolicy
from costmodel.store.codec import DecodeError, decoding, real, target_to_json, text
from costmodel.store.entries import Entry, FeaturesEntry
from costmodel.store.lines import decode, encode

__all__ = ["Execution", "collect", "conclude"]

_log = logging.getLogger(__name__)

_NICE = 5
#: Seconds between looks at what a run's files take.
_LOOK_S = 5.0
#: Seconds between tries to put into the store what a run begins with.
_RETRY_S = 1.0
#: Events of a run beside its trials, and characters of an error that are passed on.
_MORE_EVENTS, _ERROR_CHARS = 64, 4000
#: Characters of other names in an event, and bytes of a result.
_NAME_CHARS, _RESULT_BYTES = 128, 256 << 10
#: Seconds in which a store that had trouble is left alone by a run.
_PAUSE_S = 30.0
#: Rows that a run's store may have for each trial, and beside, for the comparison at the end. As
#: many may come of it while it goes on, and so many candidates be given to clients.
_ROWS_A_TRIAL, _MORE_ROWS = 4, 1000
#: Bytes that its process may say for each trial, and beside.
_SAID_A_TRIAL, _MORE_SAID = 512 << 10, 64 << 20
#: Numbers that the features of one line may have: packed they may take a thousandth.
_NUMBERS = 1 << 20


class Execution:
    """Carries runs out; ``weights`` is the folder of the trained model, None for the package's."""

    def __init__(
        self,
        store: Path,
        keep: Keep,
        limits: RunLimits,
        pool: LeasePool,
        weights: Path | None,
        confined: bool,
    ) -> None:
        self._store, self._keep, self._limits, self._pool = store, keep, limits, pool
        self._weights, self._confined = weights, confined

    async def run(self, run: RunRecord) -> None:
        """From the begin to the end, however it ends."""
        spec = run.spec
        assert spec is not None
        process = RunProcess(run.files.work, run.files.log, self._limits.grace_s)
        run.process = process
        heard = _Heard(run, spec, self._keep, self._pool)
        try:
            await self._introduce(run, spec)
            if spec.leased:
                self._pool.begin(
                    run.operation.name, spec.workload, spec.target.hash, TimingPolicy(),
                    lambda one: process.send({"measured": encode(one)}),
                )  # fmt: skip
            status = await self._hear(run, spec, process, heard)
        except (CostModelError, OSError) as error:
            status, heard.error = 1, str(error)
        finally:
            await process.end()  # where it could not be written down that it runs
            self._pool.end(run.operation.name)
        refused = await collect(run, self._keep)
        _judge(run, heard, status, process, refused)

    async def _introduce(self, run: RunRecord, spec: RunSpec) -> None:
        """Have the store know of what it is to keep measurements; waits for one that is held."""
        told = False
        while True:
            try:
                await self._keep(workloads=[spec.workload], targets=[spec.target])
                return
            except CostModelError as error:
                if not passes(error):
                    raise
                if not told:
                    _log.warning("%s waits for the store: %s", run.operation.name, error)
                told = True
                await asyncio.sleep(_RETRY_S)
                if run.ending is not None:
                    raise

    async def _hear(self, run: RunRecord, spec: RunSpec, process: RunProcess, heard: _Heard) -> int:
        seconds = spec.seconds or self._limits.seconds
        await process.start(self._job(run, spec, seconds))
        assert process.pid is not None
        run.operation.state = pb.TUNE_STATE_RUNNING
        run.process_id, run.process_began = process.pid, started(process.pid) or 0.0
        run.save()
        _log.info("%s begins, for %s", run.operation.name, run.operation.client)
        if run.ending is not None:
            process.interrupt()
        watching = asyncio.create_task(self._watch_disk(run, process, heard))
        try:
            # Its own clock ends it; this one ends a process that does not look at its clock.
            most = _SAID_A_TRIAL * spec.trials + _MORE_SAID
            return await process.hear(seconds + self._limits.grace_s, most, heard)
        finally:
            watching.cancel()

    async def _watch_disk(self, run: RunRecord, process: RunProcess, heard: _Heard) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                taken = await asyncio.to_thread(run.files.size)
            except Exception:  # the next look may find what this one did not
                _log.exception("the files of %s were not looked at", run.operation.name)
                continue
            if taken > self._limits.disk_bytes:
                most = f"its files take more than {self._limits.disk_bytes >> 20} MiB"
                heard.error = "its folders are nested too deeply" if taken == TOO_DEEP else most
                process.kill()

    def _job(self, run: RunRecord, spec: RunSpec, seconds: float) -> dict[str, Any]:
        known = spec.source.get("known")
        source = (
            {"mlir": spec.workload.text, "function": "", "file": "<stored>"}
            if known is not None
            else dict(spec.source)
        )
        weights = self._weights or os.environ.get("COSTMODEL_WEIGHTS", "")
        return {
            "folder": str(run.files.work),
            "source": source,
            "workload": spec.workload.hash,
            "function": spec.workload.function,
            "target": [spec.target.hash, *target_to_json(spec.target)],
            "backend": spec.backend,
            "trials": spec.trials,
            "seconds": seconds,
            "seed": spec.seed,
            "leased": spec.leased,
            "weights": str(self._weights or ""),
            "store": str(self._store.absolute()),
            "confined": self._confined,
            "readable": [str(Path(weights).expanduser().absolute())] if weights else [],
            "nice": _NICE,
            "memory_bytes": self._limits.memory_bytes,
            "file_bytes": self._limits.file_bytes,
        }


class _Heard:
    """Takes what a run's process says: it runs strangers' code, so that nothing is believed."""

    def __init__(self, run: RunRecord, spec: RunSpec, keep: Keep, pool: LeasePool) -> None:
        self._run, self._spec, self._keep, self._pool = run, spec, keep, pool
        self._events, self._kept, self._asked = 0, 0, 0
        self._rows = _ROWS_A_TRIAL * spec.trials + _MORE_ROWS
        self._again_s = 0.0
        self.result: pb.TuneResult | None = None
        self.interrupted = False
        self.error = ""

    async def __call__(self, message: Mapping[str, Any]) -> None:
        """Raises CostModelError for what it may not say."""
        try:
            with decoding("what the run's process says"):
                await self._take(message)
        except (DecodeError, MessageError) as error:
            raise CostModelError(str(error)) from error

    async def _take(self, message: Mapping[str, Any]) -> None:
        if "kept" in message:
            await self._keep_all(message["kept"])
        elif "phase" in message:
            self._tell(pb.TuneEvent(phase=_name(message["phase"])))
        elif "trial" in message:
            self._trial(message["trial"], message["best_us"])
        elif "ask" in message:
            self._ask(message["ask"], _versions(message["versions"]))
        elif "end" in message:
            self.result = _result(message["end"])
            self.interrupted = bool(message["interrupted"])
        elif "error" in message:
            self.error = _without_place(text(message["error"]), self._run)[:_ERROR_CHARS]

    def _ask(
        self, given: Sequence[Mapping[str, Any]], versions: Mapping[str, Mapping[str, str]]
    ) -> None:
        self._asked += len(given)
        if self._asked > self._rows:
            raise CostModelError("the run's process asks for more than it can have measured")
        schedules = [Schedule(text(one["backend"]), text(one["text"])) for one in given]
        if self._spec.leased:
            self._pool.want(self._run.operation.name, schedules, versions)

    async def _keep_all(self, given: Sequence[dict[str, Any]]) -> None:
        """Only of this workload on this target; where the store has trouble, at the end.

        To try each line would take the time that the store waits for whoever holds it, each time.
        """
        self._kept += len(given)
        if self._kept > self._rows:
            raise CostModelError("the run's process tells of more than it can have measured")
        clock = asyncio.get_running_loop().time
        if clock() < self._again_s:
            return
        entries = await asyncio.to_thread(_entries, given)
        measurements = _placeless(_own(entries, self._spec), self._run)
        features = [
            one
            for one in entries
            if isinstance(one, FeaturesEntry) and one.workload == self._spec.workload.hash
        ]
        try:
            await self._keep(measurements=measurements, features=features)
        except CostModelError as error:
            self._again_s = clock() + _PAUSE_S
            _log.warning("measurements of a run wait for its end: %s", error)

    def _trial(self, fields: Mapping[str, Any], best_us: object) -> None:
        operation = self._run.operation
        trial = pb.TuneTrial(
            index=fields["index"],
            schedule_hash=_name(fields["schedule_hash"]),
            outcome=outcome_to(Outcome(fields["outcome"])),
            latency_us=_optional(fields["latency_us"]),
            predicted_us=_optional(fields["predicted_us"]),
            elapsed_s=real(fields["elapsed_s"]),
            source=_name(fields["source"]),
            error=_without_place(text(fields["error"]), self._run)[:_ERROR_CHARS],
            backend=_name(fields["backend"]),
            best_us=_optional(best_us),
        )
        operation.measured += 1
        if best_us is not None:
            operation.best_us = real(best_us)
        self._tell(pb.TuneEvent(trial=trial))

    def _tell(self, event: pb.TuneEvent) -> None:
        self._events += 1
        if self._events > self._spec.trials + _MORE_EVENTS:
            raise CostModelError("the run's process tells of more trials than it may make")
        self._run.events.add(event)


def _optional(value: object) -> float | None:
    return None if value is None else real(value)


def _name(value: object) -> str:
    """A short text."""
    found = text(value)
    if len(found) > _NAME_CHARS:
        raise ValueError(f"a name of {len(found)} characters")
    return found


def _versions(value: object) -> dict[str, dict[str, str]]:
    """By backend, by package."""
    if not isinstance(value, dict) or not all(isinstance(each, dict) for each in value.values()):
        raise TypeError("expected versions of packages by backend")
    return {
        text(backend): {text(name): text(version) for name, version in each.items()}
        for backend, each in value.items()
    }


def _result(value: object) -> pb.TuneResult:
    data = bytes.fromhex(text(value))
    if len(data) > _RESULT_BYTES:
        raise ValueError(f"a result of {len(data)} bytes")
    return pb.TuneResult.FromString(data)


def _entries(given: Sequence[dict[str, Any]]) -> list[Entry]:
    numbers = 0
    for fields in given:
        if fields["type"] == "features":
            stores, width = fields["shape"]
            numbers += abs(int(stores) * int(width))
    if numbers > _NUMBERS:
        raise ValueError(f"features of {numbers} numbers")
    return [decode(fields) for fields in given]


def _own(entries: list[Entry], spec: RunSpec) -> list[Measurement]:
    return [
        one
        for one in entries
        if isinstance(one, Measurement)
        and one.workload == spec.workload.hash
        and one.target == spec.target.hash
        and UNMEASURED not in one.extra
    ]


def _placeless(measurements: Sequence[Measurement], run: RunRecord) -> list[Measurement]:
    """As others may read them: where the server keeps its runs is nobody's business."""
    return [replace(one, error=_without_place(one.error, run)) for one in measurements]


def _without_place(message: str, run: RunRecord) -> str:
    """Of files in a run's folder, which compilers name, the paths within it."""
    work = run.files.work
    for place in (work.resolve(), work.absolute(), work):  # of the last the others may end
        message = message.replace(f"{place}/", "")
    return message


async def collect(run: RunRecord, keep: Keep) -> str:
    """Have all that the run measured in the server's store; nothing of the run goes on any more.

    Says what of the run's own store was refused, "" for nothing.
    """
    operation, refused, added = run.operation, "", 0
    most = _ROWS_A_TRIAL * operation.trials + _MORE_ROWS
    batches = run.files.left_behind(operation.workload, operation.target_hash, most)
    try:
        while True:
            try:
                batch = await asyncio.to_thread(next, batches, None)
            except StoreError as error:
                refused = str(error)
                break
            if batch is None:
                break
            measured = [one for one in batch if UNMEASURED not in one.extra]
            added += await keep(measurements=_placeless(measured, run))
        run.collected = True
    except CostModelError as error:
        # They stay in the run's folder; the next server tries again.
        _log.error("measurements of %s could not be kept: %s", operation.name, error)
    if added >= most:  # those that it began with were known
        refused = f"its store has more measurements than it can have made: {most} were kept"
    if refused:
        _log.warning("%s: %s", operation.name, refused)
    return refused


def _judge(run: RunRecord, heard: _Heard, status: int, process: RunProcess, refused: str) -> None:
    """What the run came to; ``refused`` is what was not taken of it."""
    result = heard.result
    cancelled = run.ending is not None and (result is None or heard.interrupted)
    if result is not None:
        for kind, name in list(result.artifacts.items()):
            if name != os.path.basename(name) or name in ("", ".", ".."):
                del result.artifacts[kind]
    if cancelled:
        state, error = pb.TUNE_STATE_CANCELLED, run.ending or ""
    elif result is None:
        state, error = pb.TUNE_STATE_FAILED, heard.error or _death(status, process)
    elif not result.HasField("best_us"):
        error = "; ".join(result.problems) or "nothing correct was measured"
        state, result = pb.TUNE_STATE_FAILED, None
    else:
        state, error = pb.TUNE_STATE_DONE, ""
    if refused and result is not None:
        result.problems.append(refused)
    elif refused:
        error = "; ".join(filter(None, (error, refused)))
    if result is not None:
        run.operation.result.CopyFrom(result)
        if result.HasField("best_us"):
            # The comparison at the end, which counts, measured it once more than its trial did.
            run.operation.best_us = result.best_us
    conclude(run, state, error)


def _death(status: int, process: RunProcess) -> str:
    if process.told_to_end:
        return "it did not end when its time was over, and was killed"
    how = signal.Signals(-status).name if status < 0 else f"status {status}"
    said = process.said()
    return f"its process ended with {how}" + (f": {said}" if said else "")


def conclude(run: RunRecord, state: pb.TuneState, error: str) -> None:
    """Set a run's last state, write it down and tell who watches."""
    operation = run.operation
    operation.state, operation.error = state, error[:_ERROR_CHARS]
    operation.ended.CopyFrom(now())
    run.spec, run.process = None, None
    name = pb.TuneState.Name(state).removeprefix("TUNE_STATE_").lower()
    metrics.TUNES.labels(name).inc()
    _log.info("%s is %s: %s", operation.name, name, operation.error or "as it should be")
    try:
        run.events.add(pb.TuneEvent(end=operation))
        run.save()
        if run.collected:
            run.files.clear()
    except OSError as failed:
        _log.error("the end of %s could not be written down: %s", operation.name, failed)
    run.events.end()
