"""How well a model ranks: what its choice among measured candidates costs against the best.

Protocol: of each task (the measurements of one workload), ``group`` candidates are held out and
ranked; the model may have learned from up to ``own`` of the others, and, if warm, from up to
``warm`` candidates of each other task. No schedule is both learned from and ranked. This is
repeated with fresh random choices, and averaged geometrically.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.models.base import CostModel, Example
from costmodel.models.guard import kendall_tau

__all__ = ["Protocol", "RankingScore", "geometric_mean", "ranking_scores"]

#: Makes a model from warm examples and a seed.
Maker = Callable[[Sequence[Example], int], CostModel]


@dataclass(frozen=True)
class Protocol:
    """What is held out and what may be learned; see the module's text."""

    group: int = 64
    own: int = 64
    warm: int = 0
    repeats: int = 8
    seed: int = 0


@dataclass(frozen=True)
class RankingScore:
    """One task: latency of the first choice, and of the best of the first five, over the best.

    Geometric means over the repeats, at least 1. ``tau`` is the mean Kendall's tau.
    """

    task: str
    first: float
    first_five: float
    tau: float


def geometric_mean(values: Sequence[float]) -> float:
    """Geometric mean of positive values."""
    return math.exp(float(np.mean(np.log(values))))


def ranking_scores(
    make: Maker, tasks: Mapping[str, Sequence[Example]], protocol: Protocol
) -> list[RankingScore]:
    """One score a task that has more than ``protocol.group`` successful measurements."""
    return [
        _score(make, tasks, name, protocol)
        for name, examples in tasks.items()
        if sum(math.isfinite(e.latency_us) for e in examples) > protocol.group
    ]


def _score(
    make: Maker, tasks: Mapping[str, Sequence[Example]], name: str, protocol: Protocol
) -> RankingScore:
    first, five, taus = [], [], []
    for repeat in range(protocol.repeats):
        rng = np.random.default_rng([protocol.seed, repeat])
        held_out, learned = _split(tasks[name], protocol, rng)
        warm = [e for n, others in tasks.items() if n != name
                for e in _some(others, protocol.warm, rng)]  # fmt: skip
        model = make(warm, repeat)
        if learned:
            model.update(learned)
        predictions = model.predict([e.query for e in held_out])
        predicted = np.array([p.latency_us for p in predictions])
        latency = np.array([e.latency_us for e in held_out])
        order = np.argsort(predicted, kind="stable")
        first.append(float(latency[order[0]] / latency.min()))
        five.append(float(latency[order[:5]].min() / latency.min()))
        taus.append(kendall_tau(predicted.tolist(), latency.tolist()))
    return RankingScore(name, geometric_mean(first), geometric_mean(five), float(np.mean(taus)))


def _split(
    examples: Sequence[Example], protocol: Protocol, rng: np.random.Generator
) -> tuple[list[Example], list[Example]]:
    """Held-out successes and what may be learned, without a schedule in common."""
    shuffled = [examples[i] for i in rng.permutation(len(examples))]
    held_out = [e for e in shuffled if math.isfinite(e.latency_us)][: protocol.group]
    ranked = {e.query.candidate.schedule.hash for e in held_out}
    rest = [e for e in shuffled if e.query.candidate.schedule.hash not in ranked]
    return held_out, rest[: protocol.own]


def _some(examples: Sequence[Example], count: int, rng: np.random.Generator) -> list[Example]:
    return [examples[i] for i in rng.permutation(len(examples))[:count]]
