"""Tuning the dispatches of a model: how much each weighs, and what a search of each finds."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from costmodel.backends.iree.compiler import compile_text
from costmodel.backends.iree.model import DispatchBackend, DispatchSpace
from costmodel.backends.iree.schedules import Settings, parse_schedule
from costmodel.errors import BackendError, MeasureError, UnsupportedError
from costmodel.interrupts import Interrupts
from costmodel.ir import analyze
from costmodel.measure.cores import usable_cores
from costmodel.measure.measurer import Measurer
from costmodel.records import TimingPolicy
from costmodel.results import TrialRecord, TuneResult, TuneStart
from costmodel.run import Run
from costmodel.session import Session
from costmodel.tuning import Budget, measuring, search_and_confirm
from costmodel.whole.split import Part

__all__ = ["Dispatch", "examine", "share_out", "tune_dispatch"]

#: Dispatches below this part of the total time are not worth a search.
_LEAST_SHARE = 0.01
#: A search that is given fewer trials does not get beyond its guesses.
_LEAST_TRIALS = 4
_COMPILE_S = 60.0


@dataclass
class Dispatch:
    """A distinct dispatch and what is found out about it; ``reason`` says why it is not tuned."""

    part: Part
    default_us: float = math.inf
    share: float = 0.0
    session: Session | None = None
    run: Run | None = None
    settings: Settings | None = None
    tuned_us: float | None = None
    obeyed: bool | None = None
    reason: str = ""
    trials: int = field(default=0)

    @property
    def gain_us(self) -> float:
        """Microseconds that a run of the model should take less, by all instances."""
        if self.tuned_us is None or self.settings is None:
            return 0.0
        return self.part.count * (self.default_us - self.tuned_us)


def examine(
    parts: Sequence[Part],
    model: Session,
    measurer: Measurer,
    flags: Mapping[str, str],
    folder: Path,
) -> list[Dispatch]:
    """Time each dispatch once by default under the flags; find those that can be tuned.

    ``folder`` takes what is compiled.
    """
    found = [Dispatch(part) for part in parts]
    arguments = Settings(flags).arguments
    paths = [folder / f"{part.workload.hash}.vmfb" for part in parts]
    with ThreadPoolExecutor(max(1, len(usable_cores()))) as pool:
        compile_ = partial(_compiled, flags=arguments)
        good = list(pool.map(compile_, [part.workload.text for part in parts], paths))
    listed = [one for one, fine in zip(found, good, strict=True) if fine]
    libraries = [(folder / f"{one.part.workload.hash}.vmfb", one.part.workload) for one in listed]
    for one, taken in zip(listed, measurer.profile(libraries) if libraries else [], strict=True):
        one.default_us = median(taken) if taken else math.inf
    total = sum(one.part.count * one.default_us for one in found if one.default_us < math.inf)
    for one in found:
        if one.default_us < math.inf:
            one.share = one.part.count * one.default_us / total
        _prepare(one, model, flags)
    return found


def _compiled(text: str, library: Path, *, flags: Sequence[str]) -> bool:
    try:
        compile_text(text, library, flags=flags, timeout_s=_COMPILE_S)
    except BackendError:
        return False
    return True


def _prepare(dispatch: Dispatch, model: Session, flags: Mapping[str, str]) -> None:
    """Give a dispatch a session, or the reason why it has none."""
    if dispatch.default_us == math.inf:
        dispatch.reason = "it cannot be compiled or run alone"
        return
    if dispatch.share < _LEAST_SHARE:
        dispatch.reason = f"it takes less than {_LEAST_SHARE:.0%} of the time"
        return
    workload = dispatch.part.workload
    session = Session(
        model.place, workload, analyze(workload), model.target, DispatchBackend(flags=flags),
        TimingPolicy(), weights=model.weights, outside=model.outside,
    )  # fmt: skip
    try:
        space = session.space
        if not isinstance(space, DispatchSpace) or not space.roots:
            dispatch.reason = "the compiler obeys a tiling of none of its operations"
            return
    except (UnsupportedError, BackendError) as error:
        dispatch.reason = error.message.splitlines()[0]
        return
    dispatch.session = session


def share_out(dispatches: Sequence[Dispatch], trials: int) -> None:
    """Divide trials among those that can be tuned, by weight; the heaviest are served first."""
    ordered = sorted((one for one in dispatches if one.session), key=lambda one: -one.share)
    worthy = ordered[: trials // _LEAST_TRIALS]
    while len(worthy) > 1 and _due(worthy[-1], worthy, trials) < _LEAST_TRIALS / 2:
        worthy.pop()
    for one in ordered[len(worthy) :]:
        one.reason = "the trials went to dispatches that take longer"
    spare = trials - _LEAST_TRIALS * len(worthy)
    for one in worthy:
        one.trials = _LEAST_TRIALS + int(_due(one, worthy, spare))


def _due(one: Dispatch, among: Sequence[Dispatch], trials: int) -> float:
    return trials * one.share / sum(other.share for other in among)


@dataclass(frozen=True)
class _Progress:
    """A dispatch's search as part of the run of its model, which is what a listener follows."""

    model: Run
    name: str
    trials: int

    def on_phase(self, name: str) -> None:
        if name == "tuning":
            self.model.listener.on_phase(f"dispatch {self.name}: {self.trials} trials")

    def on_start(self, start: TuneStart) -> None: ...

    def on_trial(self, trial: TrialRecord, best_us: float | None) -> None:
        self.model.listener.on_trial(trial, self.model.tally.best_us)

    def on_end(self, result: TuneResult) -> None: ...


def tune_dispatch(
    dispatch: Dispatch, model: Run, *, ends: float | None, seed: int, interrupts: Interrupts
) -> bool:
    """Search the tilings of a dispatch; whether the run may go on.

    All that is measured goes into the store of ``model``, under the dispatch's own workload.
    """
    session, store = dispatch.session, model.store
    assert session is not None
    store.add_workload(session.workload)
    session.exchange(store)
    known = session.known(store)
    default = session.space.default()
    listener = _Progress(model, session.workload.function, dispatch.trials)
    run = dispatch.run = Run(session, store, listener, time.monotonic(), known, default)
    budget = Budget(dispatch.trials, ends)
    try:
        with measuring(session, seed) as measurer:
            final = search_and_confirm(
                run, session.model(store, seed), measurer, budget, seed, interrupts
            )
    except (BackendError, MeasureError) as error:
        dispatch.reason = error.message.splitlines()[0]
        return True
    finally:
        run.settle()
        model.notes += [f"{session.workload.function}: {note}" for note in run.notes]
        model.problems += [f"{session.workload.function}: {one}" for one in run.problems]
    if final is not None:
        winner = final.winner(default)
        if math.isfinite(final.latency_us(default)):
            dispatch.default_us = final.latency_us(default)
        dispatch.tuned_us = final.latency_us(winner)
        if winner.hash != default.hash:
            dispatch.settings = parse_schedule(winner)
    return not run.interrupted
