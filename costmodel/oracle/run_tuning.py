"""What the process of a tuning run does once it is confined: ``costmodel.tune`` for the server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from costmodel.backends.registry import load
from costmodel.errors import CostModelError, UnsupportedError
from costmodel.interrupts import Interrupts
from costmodel.ir import analyze, check_tunable, locate_text
from costmodel.oracle.convert import tune_result_to
from costmodel.oracle.following import Lines, Teller
from costmodel.oracle.remote import RemoteMeasurer
from costmodel.records import Measurement, Schedule, TimingPolicy
from costmodel.report import output_directory, write_report
from costmodel.results import TuneResult
from costmodel.run import Run
from costmodel.session import Session
from costmodel.store.codec import target_from_json
from costmodel.store.connection import Connection
from costmodel.store.entries import Entry
from costmodel.store.sqlite import SQLiteStore
from costmodel.tuning import Budget, Measuring, make_budget, tune_session

__all__ = ["tune_job"]

#: Seconds to wait for whoever else has the run's store open.
_WAIT_S = 30.0

_NO_LIBRARY = (
    "clients measured, so no library was built: on a machine of the target `costmodel tune FILE "
    "--trials 0 --oracle ADDRESS` takes what the oracle's store knows, and writes the library"
)


class _Telling(SQLiteStore):
    """The run's own store, which tells the server of all that is put into it."""

    def __init__(self, path: Path, rescue_dir: Path, lines: Lines) -> None:
        connection = Connection.open(path, read_only=False, wait_s=_WAIT_S)
        super().__init__(connection, path, rescue_dir)
        self._lines = lines

    def add(self, measurements: Iterable[Measurement]) -> int:
        """As any store; also where this one has no room, the server may have some."""
        batch = list(measurements)
        try:
            return super().add(batch)
        finally:
            self._lines.send_kept(batch)

    def ingest(self, entries: Iterable[Entry]) -> dict[str, int]:
        """As any store."""
        batch = list(entries)
        added = super().ingest(batch)
        self._lines.send_kept(batch)
        return added


def tune_job(job: Mapping[str, Any], lines: Lines) -> None:
    """Tune, and send the result. Raises as ``costmodel.tune`` does, and KeyboardInterrupt."""
    started = time.monotonic()
    budget = make_budget(job["trials"], job["seconds"], started)
    teller, folder = Teller(lines), Path(job["folder"])
    teller.on_phase("reading")
    session = _session(job)
    teller.on_phase("space")
    default = session.space.default()
    with ExitStack() as stack:
        interrupts = stack.enter_context(Interrupts())
        out = stack.enter_context(output_directory(folder / "out"))
        store = stack.enter_context(_Telling(folder / "store.sqlite", out, lines))
        store.add_workload(session.workload)
        run = Run(session, store, teller, started, session.known(store), default)
        result = tune_session(
            run, budget, seed=job["seed"], out=out, interrupts=interrupts,
            measure_with=_remotely(lines, budget) if job["leased"] else None,
        )  # fmt: skip
        if job["leased"] and result.best_us is not None:
            result = replace(result, notes=(*result.notes, _NO_LIBRARY))
        # Where they lie here is nobody's business: who asked will have them elsewhere.
        result = write_report(result, out, plain=True)
        result = replace(result, interrupted=result.interrupted or interrupts.seen)
        lines.send(_ended(result, _winner(run, result)))


def _session(job: Mapping[str, Any]) -> Session:
    """Raises InputError for a kernel that cannot be tuned."""
    source = job["source"]
    workload, origin = locate_text(
        source["mlir"], file_name=source["file"], function=source["function"] or None
    )
    if workload.hash != job["workload"]:
        raise CostModelError("the kernel is another one than the server has read")
    try:
        check_tunable(workload)
    except UnsupportedError as error:
        error.location = origin.place
        raise
    workload = replace(workload, function=job["function"])
    weights = Path(job["weights"]) if job["weights"] else None
    return Session(
        origin.place, workload, analyze(workload), target_from_json(*job["target"]),
        load(job["backend"]), TimingPolicy(), origin, weights,
    )  # fmt: skip


def _remotely(lines: Lines, budget: Budget) -> Measuring:
    """Has clients measure."""

    @contextmanager
    def measure_with(session: Session, seed: int) -> Iterator[RemoteMeasurer]:
        versions = {part.name: part.versions() for part in session.backend.parts}
        yield RemoteMeasurer(lines, versions, budget)

    return measure_with


def _winner(run: Run, result: TuneResult) -> Schedule | None:
    """The schedule itself: the result has what its text says, and the hash covers the text."""
    for schedule, _ in run.tally.results():
        if schedule.backend == result.backend and json.loads(schedule.text) == result.schedule:
            return schedule
    return None


def _ended(result: TuneResult, winner: Schedule | None) -> dict[str, Any]:
    names = {kind: name for kind, name in result.artifacts.items() if name}
    message = tune_result_to(result, winner, names)
    return {"end": message.SerializeToString().hex(), "interrupted": result.interrupted}
