"""Watches a cost model while it is used, and switches it off where it ranks worse than chance."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from costmodel.models.base import CostModel, Example, Query
from costmodel.records import Prediction

__all__ = ["Guarded", "kendall_tau"]


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Rank correlation of two sequences, -1 to 1 (tau-b); 0 where either is constant."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    upper = np.triu_indices(len(a), 1)
    # Infinite latencies are ties among themselves and above everything else.
    signs_a = np.sign(np.searchsorted(np.unique(a), a)[:, None] - np.searchsorted(np.unique(a), a))
    signs_b = np.sign(np.searchsorted(np.unique(b), b)[:, None] - np.searchsorted(np.unique(b), b))
    x, y = signs_a[upper].astype(np.float64), signs_b[upper].astype(np.float64)
    scale = math.sqrt(float((x**2).sum()) * float((y**2).sum()))
    return float((x * y).sum()) / scale if scale else 0.0


class Guarded:
    """A ``CostModel`` that answers with ``fallback`` for workloads where ``model`` misleads.

    Every update is first predicted, so each workload has a record of predictions made before the
    measurement was known. Over the last ``window`` of them (at least ``minimum``) Kendall's tau is
    taken; a model whose tau is below zero by more than its standard error under pure chance is
    off for that workload, until tau is above zero again. It goes on learning meanwhile.

    What counts are the model's own predictions (``knows``) of workloads that it has been asked
    about. What it learns before that, an earlier run's measurements, says nothing of how it ranks
    once it knows them.
    """

    def __init__(
        self, model: CostModel, fallback: CostModel, *, window: int = 64, minimum: int = 16
    ) -> None:
        self._model, self._fallback = model, fallback
        self._window, self._minimum = window, minimum
        self._pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._asked: set[str] = set()
        self._off: set[str] = set()
        self._reports: dict[str, str] = {}

    @property
    def name(self) -> str:
        return self._model.name

    def ranked_by(self, workload: str) -> str:
        """Name of the model whose predictions of this workload (its hash) count now."""
        return self._model.name if self.enabled(workload) else self._fallback.name

    def enabled(self, workload: str) -> bool:
        """Whether the model answers for this workload (its hash)."""
        return workload not in self._off

    def report(self, workload: str) -> str | None:
        """What to tell the user about this workload; None if the model was never switched off."""
        return self._reports.get(workload)

    def correlation(self, workload: str) -> float | None:
        """Kendall's tau of predicted and measured latencies; None with too few measurements."""
        pairs = self._pairs.get(workload, [])[-self._window :]
        if len(pairs) < self._minimum:
            return None
        predicted, measured = zip(*pairs, strict=True)
        return kendall_tau(predicted, measured)

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction a query, in order, by the model or by the fallback."""
        self._asked |= {q.candidate.workload.hash for q in queries}
        off = [not self.enabled(q.candidate.workload.hash) for q in queries]
        if not any(off):
            return self._model.predict(queries)
        answers: list[Prediction | None] = [None] * len(queries)
        for model, chosen in ((self._model, False), (self._fallback, True)):
            members = [i for i, o in enumerate(off) if o is chosen]
            predictions = model.predict([queries[i] for i in members]) if members else []
            for index, prediction in zip(members, predictions, strict=True):
                answers[index] = prediction
        return [a for a in answers if a is not None]

    def knows(self, queries: Sequence[Query]) -> bool:
        """Whether the model predicts these itself, or the fallback does in its place."""
        enabled = all(self.enabled(q.candidate.workload.hash) for q in queries)
        return enabled and self._model.knows(queries)

    def update(self, examples: Sequence[Example]) -> None:
        """Compare predictions with the measurements, then learn from them."""
        self._record([e for e in examples if e.query.candidate.workload.hash in self._asked])
        self._model.update(examples)
        self._fallback.update(examples)
        for workload in sorted({e.query.candidate.workload.hash for e in examples}):
            self._judge(workload)

    def _record(self, examples: Sequence[Example]) -> None:
        queries = [e.query for e in examples]
        if not self._model.knows(queries):
            return
        for example, prediction in zip(examples, self._model.predict(queries), strict=True):
            workload = example.query.candidate.workload.hash
            self._pairs[workload].append((prediction.latency_us, example.latency_us))

    def _judge(self, workload: str) -> None:
        tau = self.correlation(workload)
        if tau is None:
            return
        count = min(len(self._pairs[workload]), self._window)
        # Standard deviation of tau between unrelated rankings (Kendall 1938).
        chance = math.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)))
        # Two deviations: what a model picks as best is alike, and its order mostly noise.
        if workload not in self._off and tau < -2 * chance:
            self._off.add(workload)
            self._reports[workload] = (
                f"{self._model.name} ranked this kernel worse than chance (Kendall's tau {tau:.2f} "
                f"over {count} measurements): {self._fallback.name} proposes until it does better"
            )
        elif workload in self._off and tau > 0:
            self._off.discard(workload)
            self._reports[workload] = (
                f"{self._model.name} was switched off for a while and ranks this workload again "
                f"(Kendall's tau {tau:.2f} over the last {count} measurements)"
            )
