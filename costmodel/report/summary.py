"""What ``report.json`` says: the contract for scripts, and everything behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from costmodel.interrupts import uninterrupted
from costmodel.results import Source, TrialRecord, TuneResult

__all__ = ["FORMAT", "ranking_quality", "report_json"]

#: Raised when a key of the report changes its meaning or goes away.
FORMAT = 1

#: Fewer pairs than this say nothing of a ranking.
LEAST_PAIRS = 3


def report_json(result: TuneResult) -> dict[str, Any]:
    """The report as a JSON value: the contract's keys first, then what it leaves out."""
    return {
        "format": FORMAT,
        **result.to_json(),
        "snippet": result.snippet,
        "files": dict(result.artifacts),
        "seed": result.seed,
        "interrupted": result.interrupted,
        "model": result.model,
        "baseline": result.baseline,
        "kernels": [list(group) for group in result.groups],
        "backends": {each.backend: each.to_json() for each in result.backends},
        "ranking_spearman": ranking_quality(result.history),
        "reference": result.reference,
        "reference_us": result.reference_us,
        "flops": result.flops,
        "bytes": result.bytes,
        "inputs": [asdict(tensor) for tensor in result.inputs],
        "outputs": [asdict(tensor) for tensor in result.outputs],
        "outcomes": dict(Counter(str(trial.outcome) for trial in result.history)),
        "sources": dict(Counter(trial.source for trial in result.history)),
        "store": result.store,
        "notes": list(result.notes),
        "problems": list(result.problems),
        "target_facts": dict(result.target_facts),
        "environment": dict(result.environment),
        "history": [trial.to_json() for trial in result.history],
    }


@dataclass(frozen=True)
class Pair:
    """What was predicted of a trial before it was measured, and what was measured (us)."""

    measured: float
    predicted: float
    low: float
    high: float
    source: Source


def predicted_and_measured(history: Sequence[TrialRecord]) -> list[Pair]:
    """The correct trials that had a prediction; without an interval, it has no width."""
    pairs = []
    for trial in history:
        measured, predicted = trial.latency_us, trial.predicted_us
        if not trial.ok or measured is None or predicted is None:
            continue
        low = min(predicted, trial.predicted_low_us or predicted)
        high = max(predicted, trial.predicted_high_us or predicted)
        pairs.append(Pair(measured, predicted, low, high, trial.source))
    return pairs


def ranking_quality(history: Sequence[TrialRecord]) -> float | None:
    """Spearman correlation of predicted and measured latency; None where it has no meaning.

    Each prediction was made before its measurement, but by a model that kept learning.
    """
    pairs = predicted_and_measured(history)
    if len(pairs) < LEAST_PAIRS:
        return None
    predicted, measured = [p.predicted for p in pairs], [p.measured for p in pairs]
    if len(set(predicted)) < 2 or len(set(measured)) < 2:
        return None
    with uninterrupted():
        from scipy.stats import spearmanr

    return float(spearmanr(predicted, measured).statistic)
