"""What a run comes to: the winner, the figures that may be stated of it, and its files."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from costmodel.backends.base import Releases, part_of
from costmodel.errors import BackendError, CostModelError
from costmodel.export import export_winner
from costmodel.final import Final
from costmodel.measure.measurer import Measurer
from costmodel.measure.timing import median_interval
from costmodel.models.roofline import bound_us
from costmodel.records import Environment, Schedule
from costmodel.results import TrialRecord, TuneResult
from costmodel.run import Run
from costmodel.shares import by_backend

__all__ = ["Figures", "conclude", "doubts", "find_figures"]

#: Of an error that is quoted; ``report.json`` has all of it.
_ERROR_CHARS = 400
#: Noise, as a share of the latency, above which a comparison that finds no gain says little.
_NOISY = 0.1
#: Schedules that are tried for an export, from the fastest on.
_CHOICES = 5


@dataclass(frozen=True)
class Figures:
    """The winner, and the latencies in microseconds that the result states."""

    winner: Schedule | None = None
    best_us: float | None = None
    baseline_us: float | None = None
    noise_us: float | None = None
    reference_us: float | None = None

    @property
    def speedup(self) -> float | None:
        return self.baseline_us / self.best_us if self.baseline_us and self.best_us else None


def find_figures(run: Run, final: Final | None) -> Figures:
    """From the final where there was one, else from the medians of all samples known.

    A schedule that does not beat the untuned default by more than the noise is no winner: then
    the default is.
    """
    if final is not None and final.samples_us:
        winner = final.winner(run.default)
        best = final.latency_us(winner)
        baseline = final.latency_us(run.default)
        known = baseline if math.isfinite(baseline) else run.tally.latency_us(run.default)
        return Figures(winner, best, _finite(known), final.noise * best, final.reference_us)
    ranked = run.tally.ranked()
    if not ranked:
        return Figures()
    winner, best = ranked[0]
    noise = _half_width(run.tally.samples_us(winner))
    baseline = run.tally.latency_us(run.default)
    if math.isfinite(baseline) and best + (noise or 0.0) >= baseline:
        winner, best, noise = run.default, baseline, _half_width(run.tally.samples_us(run.default))
    return Figures(winner, best, _finite(baseline), noise)


def _finite(latency_us: float) -> float | None:
    return latency_us if math.isfinite(latency_us) else None


def _half_width(samples: tuple[float, ...]) -> float | None:
    """Half the 95% interval of the median; None for fewer samples than make one."""
    if len(samples) < 2:
        return None
    low, high = median_interval(samples)
    return (high - low) / 2


def conclude(
    run: Run,
    final: Final | None,
    measurer: Measurer | None,
    *,
    model: str,
    trials: int,
    seed: int,
    out: Path | None,
) -> TuneResult:
    """Choose the winner, write its files into ``out`` (if given) and sum the run up.

    ``measurer`` has the winner's library; without one no file is written.
    """
    figures = find_figures(run, final)
    if figures.winner is None and not run.interrupted:
        run.problems.append(_why_nothing(run))
    artifacts: Mapping[str, str | None] = {}
    if figures.winner is not None and out is not None and measurer is not None:
        figures, artifacts = _export(run, measurer, figures, out)
    run.notes += _beaten(figures)
    run.notes += doubts(
        figures, default=run.default, found_us=run.tally.best_us or math.inf, trials=run.trials
    )
    session, best = run.session, figures.best_us
    roofline = bound_us(session.analysis, session.target)
    return TuneResult(
        workload=session.workload.hash,
        function=session.workload.function,
        target=session.target_name,
        backend=figures.winner.backend if figures.winner else session.backend.name,
        baseline_us=figures.baseline_us,
        best_us=best,
        noise_us=figures.noise_us,
        speedup=figures.speedup,
        gflops=session.analysis.flops / best * 1e-3 if best else None,
        roofline_fraction=roofline / best if best else None,
        trials=trials,
        measured=len(run.trials),
        failed=Counter(str(trial.outcome) for trial in run.trials if not trial.ok),
        cached=len(run.known),
        seconds=time.monotonic() - run.started,
        schedule=json.loads(figures.winner.text) if figures.winner else None,
        artifacts=artifacts,
        model=model,
        seed=seed,
        interrupted=run.interrupted,
        reference_us=figures.reference_us,
        baseline=run.default.backend,
        reference="iree" if figures.reference_us is not None else "",
        flops=session.analysis.flops,
        bytes=session.analysis.bytes,
        notes=tuple(run.notes),
        problems=tuple(run.problems),
        inputs=session.workload.inputs,
        outputs=session.workload.outputs,
        groups=_groups(run, figures.winner),
        backends=tuple(by_backend(run, final)),
        environment=asdict(_environment(run, measurer, figures.winner)),
        target_facts=asdict(session.target),
        history=tuple(run.history),
    )


def _export(
    run: Run, measurer: Measurer, figures: Figures, out: Path
) -> tuple[Figures, Mapping[str, str | None]]:
    """Write the winner's files; of the next fastest, with its figures, where it cannot be built.

    What a full disk or a compiler prevents is a problem of the result, not its end.
    """
    try:
        built, winner, library = _build_winner(run, measurer, figures)
        library, program = _released(run, measurer, winner, library)
        artifacts, problems = export_winner(run.session, winner, library, out, program=program)
    except (CostModelError, OSError) as error:
        run.problems.append(f"the winner could not be exported: {error}")
        return figures, {}
    run.problems.extend(problems)
    return built, artifacts


def _build_winner(run: Run, measurer: Measurer, figures: Figures) -> tuple[Figures, Schedule, Path]:
    """The figures, schedule and library of the first that can be built and is right.

    What this run has not measured is known from a store, which others share: it is checked first.
    Raises the first BackendError if none of the few fastest will do: the compiler is to blame.
    """
    failures: list[BackendError] = []
    while figures.winner is not None and len(failures) < _CHOICES:
        try:
            if not run.measured:
                measurer.verify(figures.winner)
            return figures, figures.winner, measurer.library(figures.winner)
        except BackendError as error:
            failures.append(error)
            run.notes.append(f"the fastest known cannot be used any more: {error.message}")
            run.tally.rule_out(figures.winner)
            figures = find_figures(run, None)
    raise failures[0]


def _released(
    run: Run, measurer: Measurer, winner: Schedule, library: Path
) -> tuple[Path, str | None]:
    """The library to give away and its program; compiled anew where that is the user's module."""
    session = run.session
    backend = part_of(session.backend, winner)
    if not isinstance(backend, Releases):
        return library, None
    try:
        released = backend.release(
            session.workload, winner,
            origin=session.origin,
            library=library.with_name("released"),
            check=measurer.verify_library,
        )  # fmt: skip
    except CostModelError as error:  # what was measured is there, and right
        run.notes.append(f"the library is the one that was measured: {error.message}")
        return library, None
    run.notes += released.notes
    return released.library, released.program


def _beaten(figures: Figures) -> list[str]:
    """What to do where the reference compiler's default is faster than what was found."""
    best, noise, reference = figures.best_us, figures.noise_us or 0.0, figures.reference_us
    if best is None or reference is None or reference + noise >= best:
        return []
    times = f"{best / reference:.2g}"
    return [f"IREE's default is {times} times faster: give more trials, or let --backend be auto"]


def doubts(
    figures: Figures, *, default: Schedule, found_us: float, trials: Sequence[TrialRecord]
) -> list[str]:
    """What a user should know where the untuned default was kept.

    ``found_us`` is the lowest latency measured in microseconds, ``trials`` are those of the run.
    """
    if figures.winner != default or figures.best_us is None:
        return []
    failures = [trial for trial in trials if not trial.ok]
    if failures and len(failures) == len(trials) - 1:
        first = failures[0].error.strip()[:_ERROR_CHARS] or str(failures[0].outcome)
        return [f"every schedule but the untuned default failed; the first: {first}"]
    noise = figures.noise_us or 0.0
    if noise > _NOISY * figures.best_us and found_us < (1 - _NOISY) * figures.best_us:
        return [
            f"the machine was too busy to tell the winner: the comparison is known to ± "
            f"{_us(noise)}, and {_us(found_us)} was measured before; run it again when it is idle"
        ]
    return []


def _why_nothing(run: Run) -> str:
    """Why there is no winner, in one sentence."""
    if not run.history:
        return "nothing is known of this kernel here: measure it with --trials"
    failures = [trial for trial in run.history if not trial.ok]
    if not failures:
        return "every candidate that was correct failed when it was timed again: see the notes"
    kinds = Counter(str(trial.outcome) for trial in failures).most_common()
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds)
    first = failures[0].error.strip()[:_ERROR_CHARS] or str(failures[0].outcome)
    return f"no candidate was correct: {counts}; the first: {first}"


def _groups(run: Run, winner: Schedule | None) -> tuple[tuple[str, ...], ...]:
    """What the winner fuses; a compiler that cannot say it any more does not end the run."""
    try:
        return () if winner is None else run.session.space.groups(winner)
    except CostModelError:
        return ()


def _environment(run: Run, measurer: Measurer | None, winner: Schedule | None) -> Environment:
    """Of the measuring, or of the latest measurement where others measured, or nobody did now."""
    if measurer is not None and winner is not None:
        return measurer.environment(winner)
    known = [*run.stored(), *run.measured]
    if not known:
        return Environment(dict(run.session.backend.versions()), {})
    return max(known, key=lambda one: one.timestamp).environment


def _us(value: float) -> str:
    """Three significant digits, never with an exponent."""
    return f"{float(f'{value:.3g}'):,.10g} us"
