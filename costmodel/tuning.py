"""Tune, predict, rank: the library's three calls.

``tune`` is the loop of the whole: ask the search, measure, keep, tell, until the budget ends or
no gain above the noise is expected; then the best are measured again in turns and one is exported.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median

from costmodel.backends.base import Features
from costmodel.errors import CostModelError, StoreFullError
from costmodel.export import export_winner
from costmodel.measure.comparison import Comparison
from costmodel.measure.cores import usable_cores
from costmodel.measure.measurer import Measurer
from costmodel.measure.timing import median_interval
from costmodel.models.guard import Guarded
from costmodel.models.roofline import bound_us, predict_workload
from costmodel.records import Measurement, Outcome, Schedule
from costmodel.report import prepare_out, write_report
from costmodel.results import (
    PredictResult,
    ProgressListener,
    RankedSchedule,
    RankResult,
    Source,
    TrialRecord,
    TuneResult,
    TuneStart,
)
from costmodel.search.evolutionary import EvolutionarySearch
from costmodel.session import Session, open_session
from costmodel.store import open_store
from costmodel.store.base import MeasurementStore

__all__ = ["predict", "rank", "tune"]

#: Candidates asked, built and measured together.
_BATCH = 16
#: The fastest candidates that are measured again in turns with the default.
_FINALISTS = 4
#: Seconds that the interleaved comparison may take, and the rounds it must and may have.
_CONFIRM_S, _LEAST_ROUNDS, _MOST_ROUNDS = 3.0, 5, 40


class _Silent:
    """A listener for callers that want none."""

    def on_phase(self, name: str) -> None: ...
    def on_start(self, start: TuneStart) -> None: ...
    def on_trial(self, trial: TrialRecord, best_us: float | None) -> None: ...
    def on_end(self, result: TuneResult) -> None: ...


@dataclass
class _Run:
    """What one run of ``tune`` has seen so far."""

    session: Session
    store: MeasurementStore
    listener: ProgressListener
    started: float
    known: dict[str, list[Measurement]]
    default: Schedule
    measured: list[Measurement] = field(default_factory=list)
    history: list[TrialRecord] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    interrupted: bool = False

    def latencies(self) -> dict[str, tuple[Schedule, float]]:
        """Median over all samples of each correct schedule, stored ones included."""
        samples: dict[str, list[float]] = {}
        schedules: dict[str, Schedule] = {}
        for one in (*(m for ms in self.known.values() for m in ms), *self.measured):
            if one.ok and one.samples_us:
                schedules[one.schedule.hash] = one.schedule
                samples.setdefault(one.schedule.hash, []).extend(one.samples_us)
        return {key: (schedules[key], median(taken)) for key, taken in samples.items()}

    def ranked(self) -> list[tuple[Schedule, float]]:
        return sorted(self.latencies().values(), key=lambda item: item[1])

    @property
    def best_us(self) -> float | None:
        ranked = self.ranked()
        return ranked[0][1] if ranked else None

    def keep(self, measurements: Sequence[Measurement]) -> None:
        """Store measurements at once; a full disk costs a note and a rescue file, not the run."""
        self.measured.extend(measurements)
        try:
            self.store.add(measurements)
        except StoreFullError as error:
            self.problems.append(str(error))


def tune(
    source: str | os.PathLike[str],
    *,
    trials: int = 64,
    seconds: float | None = None,
    seed: int = 0,
    store: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    target: str = "cpu",
    backend: str = "tvm",
    function: str | None = None,
    threads: int | None = None,
    progress: ProgressListener | None = None,
) -> TuneResult:
    """Find the fastest schedule of a kernel, check it and export it.

    ``source`` is a path or MLIR text. At most ``trials`` candidates are measured, and none is
    begun after ``seconds``; what ``store`` (a path) knows is not measured again. Without ``out``
    no files are written. An interrupt ends the run early and keeps all that was measured.

    Raises InputError for input that cannot be used, MeasureError where workers cannot measure.
    """
    listener: ProgressListener = progress if progress is not None else _Silent()
    started = time.monotonic()
    listener.on_phase("reading")
    session = open_session(
        source, function=function, target=target, backend=backend, threads=threads
    )
    listener.on_phase("space")
    default = session.space.default()
    where = None if out is None else prepare_out(Path(out))
    with open_store(_path(store), rescue_dir=where) as opened, _workspace() as directory:
        opened.add_workload(session.workload)
        opened.add_target(session.target)
        run = _Run(session, opened, listener, started, session.known(opened), default)
        result = _tune(run, trials, seconds, seed, where, directory)
    result = replace(result, store=str(_path(store) or ""), seconds=time.monotonic() - started)
    if where is not None:
        result = write_report(result, where)
    listener.on_end(result)
    return result


def _tune(
    run: _Run, trials: int, seconds: float | None, seed: int, out: Path | None, directory: Path
) -> TuneResult:
    session = run.session
    model = session.model(run.store, seed)
    search = EvolutionarySearch(
        session.space, model, session.workload, session.target, seed=seed,
        known=[(ms[0].schedule, _known_latency(ms)) for ms in run.known.values()],
    )  # fmt: skip
    run.listener.on_start(_start(run, trials, seconds))
    count = session.target.threads
    with Measurer(
        session.backend, session.workload, session.target, session.policy,
        analysis=session.analysis, builders=len(usable_cores()), threads=count, seed=seed,
        directory=directory,
    ) as measurer:  # fmt: skip
        comparison: Comparison | None = None
        if trials > 0:
            try:
                run.listener.on_phase("tuning")
                _search(run, search, measurer, trials, seconds)
                run.listener.on_phase("confirming")
                comparison = _confirm(run, measurer)
            except KeyboardInterrupt:
                run.interrupted = True
                run.keep(measurer.finished())
        if model.report(session.workload.hash):
            run.notes.append(str(model.report(session.workload.hash)))
        return _result(run, measurer, comparison, model, trials, seed, out)


def _known_latency(measurements: Sequence[Measurement]) -> float:
    samples = [sample for m in measurements if m.ok for sample in m.samples_us]
    return median(samples) if samples else math.inf


def _start(run: _Run, trials: int, seconds: float | None) -> TuneStart:
    session = run.session
    return TuneStart(
        workload=session.workload.hash,
        function=session.workload.function,
        target=session.target_name,
        backend=session.backend.name,
        trials=trials,
        seconds=seconds,
        flops=session.analysis.flops,
        bytes=session.analysis.bytes,
        roofline_us=bound_us(session.analysis, session.target),
        stored=len(run.known),
    )


def _search(
    run: _Run, search: EvolutionarySearch, measurer: Measurer, trials: int, seconds: float | None
) -> None:
    """Ask, measure, keep and tell until a budget ends or nothing better is expected."""
    left = trials
    info = measurer.prepare_reference()
    if info.fallback_reason:
        run.notes.append(f"results were compared with {info.compiler}: {info.fallback_reason}")
    while left > 0 and not search.done():
        if seconds is not None and time.monotonic() - run.started >= seconds:
            break
        batch = search.ask(min(_BATCH, left))
        if not batch:
            break
        left -= len(batch)
        for measurement in measurer.measure(batch):
            run.keep([measurement])
            search.tell([(measurement.schedule, measurement.latency_us)])
            _report_trial(run, search, measurement)
        _keep_features(run, batch)


def _report_trial(run: _Run, search: EvolutionarySearch, measurement: Measurement) -> None:
    prediction = search.prediction(measurement.schedule)
    low, high = prediction.interval() if prediction else (None, None)
    trial = TrialRecord(
        index=len(run.history),
        schedule_hash=measurement.schedule.hash,
        outcome=measurement.outcome,
        latency_us=measurement.latency_us if measurement.ok else None,
        predicted_us=prediction.latency_us if prediction else None,
        predicted_low_us=low,
        predicted_high_us=high,
        elapsed_s=time.monotonic() - run.started,
        source=_source(run, search, measurement.schedule),
    )
    run.history.append(trial)
    run.listener.on_trial(trial, run.best_us)


def _source(run: _Run, search: EvolutionarySearch, schedule: Schedule) -> Source:
    if schedule.hash == run.default.hash:
        return "default"
    return "random" if search.is_exploratory(schedule) else "model"


def _keep_features(run: _Run, batch: Sequence[Schedule]) -> None:
    space = run.session.space
    rows: list[tuple[Schedule, Features]] = list(
        zip(batch, space.features(batch), strict=True)
    )
    try:
        run.store.add_features(space.feature_set, run.session.workload.hash, rows)
    except StoreFullError as error:
        run.problems.append(str(error))


def _confirm(run: _Run, measurer: Measurer) -> Comparison | None:
    """Measure the finalists again in turns with the default, and keep those samples too."""
    ranked = run.ranked()
    if not ranked:
        return None
    finalists = [schedule for schedule, _ in ranked[:_FINALISTS]]
    entries = finalists + ([run.default] if run.default not in finalists else [])
    latency = run.latencies()
    if run.default.hash not in latency:
        entries = finalists
    once_s = sum(latency[schedule.hash][1] for schedule in entries) * 1e-6
    rounds = int(_CONFIRM_S / max(once_s, 1e-9)) if once_s else _MOST_ROUNDS
    rounds = max(_LEAST_ROUNDS, min(_MOST_ROUNDS, rounds))
    comparison = measurer.compare(entries, rounds=rounds)
    run.keep(list(_as_measurements(run, measurer, comparison, entries)))
    return comparison


def _as_measurements(
    run: _Run, measurer: Measurer, comparison: Comparison, entries: Sequence[Schedule]
) -> Iterator[Measurement]:
    import uuid

    for schedule in entries:
        samples = comparison.samples_us.get(schedule.hash)
        if samples:
            yield Measurement(
                id=str(uuid.uuid4()), workload=run.session.workload.hash, schedule=schedule,
                target=run.session.target.hash, environment=measurer.environment,
                policy=run.session.policy, outcome=Outcome.OK, samples_us=samples,
                timestamp=time.time(), extra={"interleaved": len(entries)},
            )  # fmt: skip


def _result(
    run: _Run, measurer: Measurer, comparison: Comparison | None, model: Guarded, trials: int,
    seed: int, out: Path | None,
) -> TuneResult:  # fmt: skip
    session = run.session
    figures = _figures(run, comparison)
    failed: dict[str, int] = {}
    for trial in run.history:
        if not trial.ok:
            failed[str(trial.outcome)] = failed.get(str(trial.outcome), 0) + 1
    artifacts: dict[str, str | None] = {}
    if figures.winner is not None and out is not None:
        try:
            library = measurer.library(figures.winner)
            artifacts, problems = export_winner(session, figures.winner, library, out)
            run.problems.extend(problems)
        except CostModelError as error:
            run.problems.append(f"the winner could not be exported: {error}")
    best = figures.best_us
    return TuneResult(
        workload=session.workload.hash,
        function=session.workload.function,
        target=session.target_name,
        backend=session.backend.name,
        baseline_us=figures.baseline_us,
        best_us=best,
        noise_us=figures.noise_us,
        speedup=figures.baseline_us / best if best and figures.baseline_us else None,
        gflops=session.analysis.flops / best * 1e-3 if best else None,
        roofline_fraction=bound_us(session.analysis, session.target) / best if best else None,
        trials=trials,
        measured=len(run.history),
        failed=failed,
        cached=len(run.known),
        seconds=time.monotonic() - run.started,
        schedule=json.loads(figures.winner.text) if figures.winner else None,
        artifacts=artifacts,
        model=model.name,
        seed=seed,
        interrupted=run.interrupted,
        reference_us=figures.reference_us,
        reference="iree" if figures.reference_us is not None else "",
        flops=session.analysis.flops,
        bytes=session.analysis.bytes,
        notes=tuple(run.notes),
        problems=tuple(run.problems),
        inputs=session.workload.inputs,
        outputs=session.workload.outputs,
        environment={**asdict(measurer.environment)},
        target_facts=asdict(session.target),
        history=tuple(run.history),
    )


@dataclass(frozen=True)
class _Figures:
    """The winner, and the latencies in microseconds that the result states."""

    winner: Schedule | None = None
    best_us: float | None = None
    baseline_us: float | None = None
    noise_us: float | None = None
    reference_us: float | None = None


def _figures(run: _Run, comparison: Comparison | None) -> _Figures:
    """From the interleaved comparison where there was one, else from all samples known."""
    ranked = run.ranked()
    if not ranked:
        return _Figures()
    if comparison is None:
        winner, best = ranked[0]
        known = run.latencies().get(run.default.hash)
        samples = [s for m in _all(run) if m.ok and m.schedule == winner for s in m.samples_us]
        low, high = median_interval(samples)
        noise = (high - low) / 2 if math.isfinite(high - low) else None
        return _Figures(winner, best, known[1] if known else None, noise)
    timed = [s for s, _ in ranked if s.hash in comparison.samples_us]
    winner = min(timed, key=comparison.latency_us)
    baseline = comparison.samples_us.get(run.default.hash)
    best = comparison.latency_us(winner)
    return _Figures(
        winner, best, median(baseline) if baseline else None, comparison.noise * best,
        median(comparison.reference_us) if comparison.reference_us else None,
    )  # fmt: skip


def _all(run: _Run) -> Iterator[Measurement]:
    for measurements in run.known.values():
        yield from measurements
    yield from run.measured


def predict(
    source: str | os.PathLike[str],
    *,
    function: str | None = None,
    target: str = "cpu",
    backend: str = "tvm",
    threads: int | None = None,
    store: str | os.PathLike[str] | None = None,
) -> PredictResult:
    """What a kernel is expected to cost once it is tuned; nothing is compiled or measured."""
    session = open_session(
        source, function=function, target=target, backend=backend, threads=threads
    )
    prediction = predict_workload(session.analysis, session.target)
    with open_store(_path(store), read_only=True) as opened:
        best = opened.best(
            workload=session.workload.hash, target=session.target.hash, backend=backend
        )
    low, high = prediction.interval()
    return PredictResult(
        workload=session.workload.hash,
        function=session.workload.function,
        target=session.target_name,
        backend=backend,
        model="roofline",
        latency_us=prediction.latency_us,
        low_us=low,
        high_us=high,
        roofline_us=bound_us(session.analysis, session.target),
        flops=session.analysis.flops,
        bytes=session.analysis.bytes,
        intensity=session.analysis.intensity,
        measured_us=best.latency_us if best else None,
    )


def rank(
    source: str | os.PathLike[str],
    *,
    n: int = 256,
    seed: int = 0,
    function: str | None = None,
    target: str = "cpu",
    backend: str = "tvm",
    threads: int | None = None,
    store: str | os.PathLike[str] | None = None,
) -> RankResult:
    """Up to ``n`` schedules of a kernel, the fastest predicted first; nothing is measured."""
    import random

    started = time.monotonic()
    session = open_session(
        source, function=function, target=target, backend=backend, threads=threads
    )
    with open_store(_path(store), read_only=True) as opened:
        model = session.model(opened, seed)
        known = session.known(opened)
    schedules = {s.hash: s for s in session.space.sample(n, random.Random(seed))}
    features = session.space.features(list(schedules.values()))
    queries = [
        session.query(schedule, row)
        for schedule, row in zip(schedules.values(), features, strict=True)
    ]
    order = sorted(
        zip(schedules.values(), model.predict(queries), strict=True),
        key=lambda item: item[1].latency_us,
    )
    ranked = tuple(
        RankedSchedule(
            rank=place,
            schedule_hash=schedule.hash,
            predicted_us=prediction.latency_us,
            low_us=prediction.interval()[0],
            high_us=prediction.interval()[1],
            measured_us=_finite(_known_latency(known.get(schedule.hash, []))),
            schedule=json.loads(schedule.text),
        )
        for place, (schedule, prediction) in enumerate(order, start=1)
    )
    return RankResult(
        workload=session.workload.hash,
        function=session.workload.function,
        target=session.target_name,
        backend=backend,
        model=model.name,
        seconds=time.monotonic() - started,
        schedules=ranked,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _path(store: str | os.PathLike[str] | None) -> Path | None:
    return None if store is None else Path(store)


@contextmanager
def _workspace() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="costmodel-", ignore_cleanup_errors=True) as name:
        yield Path(name)
