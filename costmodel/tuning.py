"""``tune``, the loop of the whole: ask the search, measure, keep, tell, until the budget ends.

Then the fastest are measured again in turns with the untuned default, and one is exported.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from costmodel.conclusion import conclude
from costmodel.errors import MeasureError, UsageError
from costmodel.final import Final, hold_final, recall_final
from costmodel.interrupts import Interrupts
from costmodel.measure.cores import usable_cores
from costmodel.measure.measurer import Measurer, Measures
from costmodel.models.by_backend import ByBackend
from costmodel.models.outside import Outside
from costmodel.records import Measurement, Schedule
from costmodel.report import output_directory, write_report
from costmodel.results import ProgressListener, Silent, Source, TuneResult
from costmodel.run import Run
from costmodel.search.evolutionary import EvolutionarySearch
from costmodel.session import Session, open_session, store_path
from costmodel.store import default_path, open_store

__all__ = [
    "Budget",
    "Measuring",
    "make_budget",
    "measuring",
    "search_and_confirm",
    "tune",
    "tune_session",
]

#: Candidates asked, built and measured together.
_BATCH = 16

_NOT_COMPARED = (
    "each schedule was measured by itself: the figures are medians, not of a comparison in turns"
)

#: Gives what measures for a session, with a seed, for as long as a run takes.
Measuring = Callable[[Session, int], AbstractContextManager[Measures]]


@dataclass(frozen=True)
class Budget:
    """``trials`` measurements, none begun after ``ends`` (by ``time.monotonic``)."""

    trials: int
    ends: float | None

    @property
    def seconds_left(self) -> float | None:
        return None if self.ends is None else max(0.0, self.ends - time.monotonic())

    @property
    def over(self) -> bool:
        return self.ends is not None and time.monotonic() >= self.ends


def tune(
    source: str | os.PathLike[str],
    *,
    trials: int = 64,
    seconds: float | None = None,
    seed: int = 0,
    store: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    target: str = "cpu",
    backend: str = "auto",
    function: str | None = None,
    threads: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    outside: Outside | None = None,
    progress: ProgressListener | None = None,
) -> TuneResult:
    """Find the fastest schedule of a kernel, check it and export it.

    ``source`` is a path or MLIR text. At most ``trials`` candidates are measured; after
    ``seconds`` none is begun, as soon as there is one to answer with. What ``store`` (a path)
    knows is not measured again, and with no ``trials`` the store is only read. ``weights`` is a
    folder with another trained model than the package's. ``outside`` (such as
    ``costmodel.oracle.Sharing``) has the trained model in their place; what it knows of the kernel
    is taken into the store before the search, with no ``trials`` too, and it learns what is
    measured. Without ``out`` no files are written. An interrupt ends the run early and keeps all
    that was measured; a second one ends it at once.

    Raises InputError for input that cannot be used, StoreFullError if there is no room to begin,
    BackendError if neither another compiler nor the untuned default gives a result to compare
    with, MeasureError if nothing could be measured. Later failures are the result's ``problems``.
    """
    listener: ProgressListener = progress if progress is not None else Silent()
    started = time.monotonic()
    budget = make_budget(trials, seconds, started)
    listener.on_phase("reading")
    session = open_session(
        source, function=function, target=target, backend=backend, threads=threads,
        weights=weights, outside=outside,
    )  # fmt: skip
    listener.on_phase("space")
    default, path = session.space.default(), store_path(store)
    with ExitStack() as stack:
        interrupts = stack.enter_context(Interrupts())
        where = None if out is None else stack.enter_context(output_directory(Path(out)))
        reads = trials == 0 and outside is None
        opened = stack.enter_context(open_store(path, read_only=reads, rescue_dir=where))
        if not reads:
            opened.add_workload(session.workload)
            opened.add_target(session.target)
        session.exchange(opened)
        run = Run(session, opened, listener, started, session.known(opened), default)
        result = tune_session(run, budget, seed=seed, out=where, interrupts=interrupts)
        result = replace(result, store=str(path or default_path()))
        if where is not None:
            result = write_report(result, where)
    result = replace(result, interrupted=result.interrupted or interrupts.seen)
    listener.on_end(result)
    return result


def tune_session(
    run: Run,
    budget: Budget,
    *,
    seed: int,
    out: Path | None,
    interrupts: Interrupts,
    measure_with: Measuring | None = None,
) -> TuneResult:
    """Tune what ``run`` is of, from announcing it to its files; it writes no report.

    ``measure_with`` gives what measures, by default this machine's worker processes. Raises as
    ``tune`` does.
    """
    session, trials = run.session, budget.trials
    with ExitStack() as stack:
        run.announce(trials, budget.seconds_left)
        to_export = out is not None and run.tally.best_us is not None
        measurer, model, final = None, "", recall_final(run.stored())
        if trials > 0 or to_export:
            measurer = stack.enter_context((measure_with or measuring)(session, seed))
        if trials > 0 and measurer is not None:
            learned = session.model(run.store, seed)
            final = search_and_confirm(run, learned, measurer, budget, seed, interrupts)
            model = learned.ranked_by(session.workload.hash)
            run.notes += learned.reports(session.workload.hash)
            run.notes += [session.trained.reason] if session.trained.reason else []
        if not run.interrupted:
            interrupts.defer()
        run.listener.on_phase("exporting")
        run.settle()
        run.part()
        here = measurer if isinstance(measurer, Measurer) else None
        result = conclude(run, final, here, model=model, trials=trials, seed=seed, out=out)
        return replace(result, seconds=time.monotonic() - run.started)


def make_budget(trials: int, seconds: float | None, started: float) -> Budget:
    """Of a run that began at ``started``. Raises UsageError for what is no budget."""
    if trials < 0:
        raise UsageError(f"the number of trials cannot be negative: {trials}")
    if seconds is None:
        return Budget(trials, None)
    if not (seconds > 0 and math.isfinite(seconds)):
        raise UsageError(f"{seconds} is not a number of seconds to tune for")
    return Budget(trials, started + seconds)


@contextmanager
def measuring(session: Session, seed: int) -> Iterator[Measurer]:
    """The worker processes, and a directory for what they build."""
    with (
        tempfile.TemporaryDirectory(prefix="costmodel-", ignore_cleanup_errors=True) as directory,
        Measurer(
            session.backend,
            session.workload,
            session.target,
            session.policy,
            analysis=session.analysis,
            builders=len(usable_cores()),
            threads=session.target.threads,
            seed=seed,
            directory=Path(directory),
        ) as measurer,
    ):
        yield measurer


def search_and_confirm(
    run: Run,
    model: ByBackend,
    measurer: Measures,
    budget: Budget,
    seed: int,
    interrupts: Interrupts,
) -> Final | None:
    """Search and hold the final; what ends that early leaves all that was measured in ``run``."""
    session, known = run.session, run.tally.results()
    search = EvolutionarySearch(
        session.space, model, session.workload, session.target,
        seed=seed, known=known, features=session.features(run.store),
    )  # fmt: skip
    try:
        _search(run, search, measurer, budget, interrupts)
        if isinstance(measurer, Measurer):
            run.listener.on_phase("confirming")
            return hold_final(run, measurer)
        run.notes.append(_NOT_COMPARED)
    except KeyboardInterrupt:
        interrupts.defer()
        run.interrupted = True
        _enter(run, search, measurer.finished())
        run.save()
        interrupts.resume()
    except MeasureError as error:
        _enter(run, search, measurer.finished())
        run.save()
        if run.tally.best_us is None:
            raise
        run.problems.append(str(error))
    return None


def _search(
    run: Run,
    search: EvolutionarySearch,
    measurer: Measures,
    budget: Budget,
    interrupts: Interrupts,
) -> None:
    """Ask, measure, keep and tell until a budget ends or nothing better is expected."""
    run.listener.on_phase("tuning")
    info = measurer.prepare_reference()
    if info.fallback_reason:
        run.notes.append(f"results were compared with {info.compiler}: {info.fallback_reason}")
    left = budget.trials
    while left > 0 and not search.done() and not (budget.over and len(run.tally)):
        batch = search.ask(1 if budget.over else min(_BATCH, left))
        if not batch:
            break
        left -= len(batch)
        interrupts.check()
        _measure_batch(run, search, measurer, batch, budget, interrupts)
    if left > 0 and budget.over:
        run.notes.append(f"the time is over, with {left} trials left")
    elif left > 0:
        reason = "no other schedule promises a gain above noise"
        if search.exhausted:
            reason = "every schedule that could be found has been measured"
        run.notes.append(f"{left} trials were left: {reason}")


def _measure_batch(
    run: Run,
    search: EvolutionarySearch,
    measurer: Measures,
    batch: Sequence[Schedule],
    budget: Budget,
    interrupts: Interrupts,
) -> None:
    """What is still under way when the time is over is dropped."""
    for measurement in measurer.measure(batch):
        _enter(run, search, [measurement])
        interrupts.check()
        if budget.over and run.tally.best_us is not None:
            break
    # Several may be done at once, of which the loop has been given the first.
    _enter(run, search, measurer.finished())
    run.save()
    measured = {one.schedule.hash for one in run.measured}
    run.keep_features([schedule for schedule in batch if schedule.hash in measured])


def _enter(run: Run, search: EvolutionarySearch, measurements: Sequence[Measurement]) -> None:
    """Keep, tell and report measurements, each once however often it is given."""
    for measurement in measurements:
        schedule = measurement.schedule
        run.keep([measurement])
        search.tell([(schedule, measurement.latency_us)])
        run.report(measurement, search.prediction(schedule), _source(run, search, schedule))


def _source(run: Run, search: EvolutionarySearch, schedule: Schedule) -> Source:
    if schedule.hash == run.default.hash:
        return "default"
    if search.is_guess(schedule):
        return "guess"
    return "random" if search.is_exploratory(schedule) else "model"
