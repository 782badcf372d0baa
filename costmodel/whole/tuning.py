"""``tune_model``: a whole model, its flags and the tilings of its dispatches."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from costmodel.backends.iree.dispatches import find_dispatches, structured_count
from costmodel.backends.iree.model import ModelBackend
from costmodel.backends.iree.schedules import Settings, parse_schedule
from costmodel.conclusion import conclude
from costmodel.errors import BackendError, CostModelError, MeasureError, UnsupportedError
from costmodel.final import Final, recall_final
from costmodel.interrupts import Interrupts
from costmodel.ir import read_located
from costmodel.measure.measurer import Measurer
from costmodel.model_results import DispatchRecord, ModelResult
from costmodel.models.outside import Outside
from costmodel.records import Schedule, TimingPolicy
from costmodel.report import REPORT, output_directory, report_json, write_report, write_text
from costmodel.results import ProgressListener, Silent, TuneResult
from costmodel.run import Run
from costmodel.session import open_session, store_path
from costmodel.store import default_path, open_store
from costmodel.tuning import Budget, make_budget, measuring
from costmodel.whole.dispatches import Dispatch, examine, share_out, tune_dispatch
from costmodel.whole.endtoend import Assembly, Flags, choose_flags, obeyed
from costmodel.whole.split import split

__all__ = ["is_model", "tune_model"]

#: IREE makes as many dispatches of what is tuned as one kernel: attention, a gated MLP, a norm.
_KERNEL_DISPATCHES = 8
#: A model compiles and runs longer than a kernel.
_POLICY = TimingPolicy(build_timeout_s=300.0, run_timeout_s=60.0)
#: Of the trials and of the time, what is left for the model after its dispatches: finding the
#: tilings with which it is wrong takes a dozen trials.
_LAST_TRIALS, _LAST_PART, _LAST_SHARE = 6, 6, 0.25


def is_model(source: str | os.PathLike[str], *, function: str | None = None) -> bool:
    """Whether a file holds a model to be split, and not one kernel to be tuned as a whole.

    It does if IREE makes more than eight dispatches of it, or of StableHLO more than one, and it
    carries no transform script. Raises
    InputError for a file that cannot be used.
    """
    workload, origin = read_located(source, function=function, tunable=True)
    most = 1 if origin.stablehlo else _KERNEL_DISPATCHES
    if workload.script is not None:
        return False
    if structured_count(workload.text) <= most:
        return False
    try:
        return len(find_dispatches(workload.text)) > most
    except BackendError:
        return False


def tune_model(
    source: str | os.PathLike[str],
    *,
    trials: int = 64,
    seconds: float | None = None,
    seed: int = 0,
    store: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    target: str = "cpu",
    function: str | None = None,
    threads: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    outside: Outside | None = None,
    progress: ProgressListener | None = None,
) -> ModelResult:
    """Tune a model: flags for the whole, and each distinct dispatch by itself; export the fastest.

    ``source`` is a path or text of StableHLO or of linalg on tensors. The ``trials`` are shared
    out by how long dispatches take and how often they run; the rest is as for ``costmodel.tune``,
    and so is what is raised. The compiler is IREE.
    """
    listener: ProgressListener = progress if progress is not None else Silent()
    started = time.monotonic()
    budget = make_budget(trials, seconds, started)
    listener.on_phase("reading")
    session = open_session(
        source, function=function, target=target, backend="iree", threads=threads, policy=_POLICY,
        weights=weights, outside=outside,
    )  # fmt: skip
    if session.workload.script is not None:
        raise UnsupportedError(
            "the file has a transform script, which is for one kernel",
            location=session.place,
            hint="tune it with --kernel, or take the script out of the file",
        )
    session = replace(session, backend=ModelBackend())
    with ExitStack() as stack:
        interrupts = stack.enter_context(Interrupts())
        where = None if out is None else stack.enter_context(output_directory(Path(out)))
        path = store_path(store)
        reads = trials == 0 and outside is None
        opened = stack.enter_context(open_store(path, read_only=reads, rescue_dir=where))
        if not reads:
            opened.add_workload(session.workload)
            opened.add_target(session.target)
        session.exchange(opened)
        known = session.known(opened)
        run = Run(session, opened, listener, started, known, session.space.default())
        run.announce(trials, budget.seconds_left)
        measurer, final, dispatches = None, recall_final(run.stored()), list[Dispatch]()
        if trials > 0 or (where is not None and run.tally.best_us is not None):
            measurer = stack.enter_context(measuring(session, seed))
        if trials > 0 and measurer is not None:
            final = _tune(run, measurer, budget, seed, interrupts, dispatches)
        if not run.interrupted:
            interrupts.defer()
        listener.on_phase("exporting")
        run.settle()
        run.part()
        whole = conclude(run, final, measurer, model="", trials=trials, seed=seed, out=where)
        whole = replace(
            whole, store=str(path or default_path()), seconds=time.monotonic() - started
        )
        result = _reported(_result(whole, run, dispatches), where)
    whole = replace(result.whole, interrupted=result.whole.interrupted or interrupts.seen)
    listener.on_end(replace(whole, measured=result.measured))
    return replace(result, whole=whole)


def _tune(
    run: Run,
    measurer: Measurer,
    budget: Budget,
    seed: int,
    interrupts: Interrupts,
    dispatches: list[Dispatch],
) -> Final | None:
    """Fill ``dispatches`` and hold the final; what ends it early leaves all that was measured."""
    try:
        run.listener.on_phase("flags")
        info = measurer.prepare_reference()
        if info.fallback_reason:
            run.notes.append(f"results were compared with {info.compiler}: {info.fallback_reason}")
        flags = choose_flags(run, measurer, budget)
        if not _tune_dispatches(run, measurer, flags, budget, seed, interrupts, dispatches):
            run.interrupted = True
            return None
        run.listener.on_phase("confirming")
        return _hold_last(run, measurer, flags, dispatches, budget)
    except KeyboardInterrupt:
        interrupts.defer()
        run.interrupted = True
        run.save()
        interrupts.resume()
    except (MeasureError, BackendError) as error:
        run.save()
        if run.tally.best_us is None:
            raise
        run.problems.append(str(error))
    return None


def _tune_dispatches(
    run: Run,
    measurer: Measurer,
    flags: Flags,
    budget: Budget,
    seed: int,
    interrupts: Interrupts,
    dispatches: list[Dispatch],
) -> bool:
    """Whether the run may go on."""
    run.listener.on_phase("splitting")
    session = run.session
    parts = split(session.workload, flags=flags.base)
    with tempfile.TemporaryDirectory(prefix="costmodel-dispatches-") as folder:
        dispatches += examine(parts, session, measurer, flags.base, Path(folder))
    rest = budget.trials - len(run.trials)
    last = min(max(_LAST_TRIALS, budget.trials // _LAST_PART), rest // 2)
    share_out(dispatches, max(0, rest - last))
    left = [one for one in dispatches if one.trials]
    unused = 0
    for one in sorted(left, key=lambda one: -one.share):
        if budget.over:
            one.reason, one.trials = "the time was over", 0
            continue
        ends = None
        if budget.seconds_left is not None:
            weight = one.share / sum(other.share for other in left)
            ends = time.monotonic() + budget.seconds_left * (1 - _LAST_SHARE) * weight
        left.remove(one)
        one.trials += unused
        if not tune_dispatch(one, run, ends=ends, seed=seed, interrupts=interrupts):
            return False
        # What a small space has left over goes to the next.
        unused = max(0, one.trials - (len(one.run.trials) if one.run else 0))
    return True


def _hold_last(
    run: Run, measurer: Measurer, flags: Flags, dispatches: Sequence[Dispatch], budget: Budget
) -> Final | None:
    won = [(one, one.settings) for one in dispatches if one.settings is not None]
    pairs = [(one.part, settings) for one, settings in won]
    for (one, _), fine in zip(won, obeyed(run, flags.base, pairs) if won else [], strict=True):
        one.obeyed = fine
    kept = sorted((one for one, _ in won if one.obeyed), key=lambda one: one.gain_us)
    tilings = [(one.part, one.settings) for one in kept if one.settings is not None]
    gain = sum(one.gain_us for one in kept)
    spent = sum(len(one.run.trials) for one in dispatches if one.run is not None)
    return Assembly(run, measurer, flags, budget, budget.trials - spent).final(tilings, gain)


def _result(whole: TuneResult, run: Run, dispatches: Sequence[Dispatch]) -> ModelResult:
    winner = Schedule("iree", json.dumps(whole.schedule)) if whole.schedule else run.default
    settings = parse_schedule(winner)
    everything = [*run.stored(), *run.measured]
    errors = [
        one.max_error
        for one in everything
        if one.schedule.hash == winner.hash and one.max_error is not None
    ]
    runs = [run, *(one.run for one in dispatches if one.run is not None)]
    return ModelResult(
        whole=whole,
        dispatches=tuple(_record(one, settings) for one in dispatches),
        flags=tuple(settings.arguments),
        max_error=max(errors, default=None),
        measured=sum(len(one.trials) for one in runs),
        failed=Counter(str(t.outcome) for one in runs for t in one.trials if not t.ok),
        cached=sum(len(one.known) for one in runs),
    )


def _record(one: Dispatch, winner: Settings) -> DispatchRecord:
    reason, obeyed_ = one.reason, one.obeyed
    if one.settings is None and one.tuned_us is not None:
        reason = "no tiling beat the compiler's own by more than noise"
    elif one.settings is not None:
        asked = one.part.in_model(one.settings).keys() & winner.tilings.keys()
        if obeyed_ is None:
            reason = "the run ended before its tiling was tried in the model"
        elif not obeyed_:
            reason = "the compiler does not obey its tiling in the model"
        elif not winner.tilings:
            reason = "with tilings the model is not faster by more than noise"
        elif not asked:
            reason = "with its tiling the model is wrong or no faster"
    return DispatchRecord(
        workload=one.part.workload.hash,
        name=one.part.workload.function,
        count=one.part.count,
        share=round(one.share, 4),
        default_us=one.default_us if one.default_us < float("inf") else None,
        tuned_us=one.tuned_us,
        obeyed=obeyed_,
        trials=len(one.run.trials) if one.run else 0,
        reason=reason,
    )


def _reported(result: ModelResult, out: Path | None) -> ModelResult:
    if out is None:
        return result
    result = replace(result, whole=write_report(result.whole, out))
    path = out / REPORT
    text = json.dumps({**report_json(result.whole), **result.to_json()}, indent=1, allow_nan=False)
    try:
        write_text(path, text + "\n")
    except (OSError, CostModelError) as error:
        whole = result.whole
        problem = f"{path} could not be written: {error}"
        return replace(result, whole=replace(whole, problems=(*whole.problems, problem)))
    return result
