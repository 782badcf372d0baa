"""Gradient-boosted trees on pooled per-store features, updated online and warm-started.

Like Ansor's model (Zheng et al., OSDI 2020, section 5.2) it learns from all workloads at once
and weighs fast programs more. Unlike it, one pooled row a candidate is regressed on the
logarithm of latency over the analytic estimate. What the trees have not seen then falls back on
the analytic order, the ratio is comparable between workloads, and no measurement of the workload
asked about is needed. On the recordings of tests/data/replay this ranks better than regressing
on the bound of the work alone, above all with few measurements.

Uncertainty: ``folds`` boosters each leave out one fold. Their disagreement is the model's own
doubt, and the errors on the left-out rows, which no booster had seen, calibrate the level.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costmodel.interrupts import uninterrupted
from costmodel.models.base import BaseModel, Example, Query
from costmodel.models.pooled import pool
from costmodel.models.roofline import Roofline
from costmodel.records import Prediction

__all__ = ["Boosted", "BoostedOptions"]

Array = NDArray[np.float64]

#: A candidate sure to fail counts as this much slower (logarithm).
_FAILURE_LOG = math.log(10.0)


@dataclass(frozen=True)
class BoostedOptions:
    """Options of Boosted."""

    #: Trees a booster.
    rounds: int = 50
    #: Depth of a tree.
    depth: int = 4
    #: Learning rate.
    rate: float = 0.15
    #: Boosters, each leaving out one fold.
    folds: int = 4
    #: The weight of a program falls with this power of its latency.
    favour: float = 0.5
    #: Weight of the workloads being tuned against warm ones.
    own: float = 3.0
    #: Examples of other workloads used.
    limit: int = 600
    #: Threads of a training.
    threads: int = 1
    #: Examples needed; the base predicts before that.
    minimum: int = 8


@dataclass(frozen=True)
class _Row:
    """An example as it is trained on; ``residual`` is the logarithm of what is predicted."""

    workload: str
    width: int
    features: NDArray[np.float32]
    residual: float

    @property
    def failed(self) -> bool:
        return not math.isfinite(self.residual)


class Boosted:
    """XGBoost regression of log latency over the analytic estimate; a ``CostModel``.

    ``examples`` of other workloads are a warm start. ``base`` is what the trees correct: the
    roofline, or a model that was trained beforehand. It predicts until ``options.minimum`` examples
    are known, and for features of another width than those learned. Failures are no part of the
    regression: a second booster learns where they happen, and a candidate that is likelier to fail
    than usual is predicted up to ten times slower.
    """

    def __init__(
        self,
        examples: Sequence[Example] = (),
        *,
        seed: int = 0,
        options: BoostedOptions | None = None,
        base: BaseModel | None = None,
    ) -> None:
        self.options = options or BoostedOptions()
        self._seed = seed
        self._base: BaseModel = base or Roofline()
        self._corrects = base is not None
        self._warm: list[_Row] = []
        self._own: list[_Row] = []
        self._width = 0
        self._boosters: list[Any] = []
        self._columns: NDArray[np.intp] = np.zeros(0, np.intp)
        self._trained_on = 0
        self._error_std = 0.0
        self._failing: Any = None
        self._failure_rate = 0.0
        self._offsets: dict[str, float] = {}
        self._learn(examples, self._warm)

    @property
    def name(self) -> str:
        return f"{self._base.name} and xgboost" if self._corrects else "xgboost"

    @property
    def trained(self) -> bool:
        """Whether predictions come from the trees rather than from the base."""
        return bool(self._boosters)

    @property
    def trained_on(self) -> int:
        """Examples that the trees were last trained on."""
        return self._trained_on

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction a query, in order; latencies in microseconds."""
        if not self._has_learned(queries):
            return self._base.predict(queries)
        table = pool(queries)
        scores = self._scores(table[:, self._columns])
        offsets = [self._offsets.get(q.candidate.workload.hash, 0.0) for q in queries]
        log_us = (
            np.log(self._base.expected_us(queries))
            + scores.mean(axis=0)
            + offsets
            + self._slowdown(table)
        )
        deviation = np.sqrt(scores.var(axis=0) + self._error_std**2)
        return [
            Prediction(float(np.exp(mean)), float(std))
            for mean, std in zip(log_us, deviation, strict=True)
        ]

    def knows(self, queries: Sequence[Query]) -> bool:
        """Whether the trees predict these, or a base that was trained does."""
        return self._has_learned(queries) or (self._corrects and self._base.knows(queries))

    def update(self, examples: Sequence[Example]) -> None:
        """Learn from new measurements and train again; never forgets earlier ones."""
        if examples:
            self._learn(examples, self._own)

    def _learn(self, examples: Sequence[Example], rows: list[_Row]) -> None:
        self._base.update(examples)
        if examples and examples[-1].query.features.shape[1] != self._width:
            self._width = examples[-1].query.features.shape[1]
            self._boosters = []
        usable = [e for e in examples if e.query.features.shape[1] == self._width]
        for known in (self._warm, self._own):
            known[:] = [r for r in known if r.width == self._width]
        if usable:
            rows.extend(self._rows(usable))
        succeeded = sum(not r.failed for r in (*self._warm, *self._own))
        if succeeded >= max(2, self.options.minimum):
            self._train()

    def _has_learned(self, queries: Sequence[Query]) -> bool:
        return self.trained and {q.features.shape[1] for q in queries} == {self._width}

    def _rows(self, examples: Sequence[Example]) -> Iterable[_Row]:
        queries = [e.query for e in examples]
        table, estimates = pool(queries), self._base.expected_us(queries)
        for example, features, estimate in zip(examples, table, estimates, strict=True):
            candidate, width = example.query.candidate, example.query.features.shape[1]
            residual = math.log(example.latency_us / estimate)
            yield _Row(candidate.workload.hash, width, features, residual)

    def _train(self) -> None:
        chosen = self._chosen()
        rows = [r for r in chosen if not r.failed]
        full = np.stack([r.features for r in rows])
        # Columns that never vary teach nothing, and would dilute the sampling of columns.
        varying = full.min(axis=0) < full.max(axis=0)
        self._columns = np.flatnonzero(varying if varying.any() else np.ones_like(varying))
        table = full[:, self._columns]
        target = np.array([r.residual for r in rows])
        weights = self._weights(rows, target)
        folds = self._folds(rows)
        self._boosters, errors = [], np.zeros(len(rows))
        for fold in np.unique(folds):
            kept = folds != fold
            booster = self._fit(table[kept], target[kept], weights[kept], int(fold))
            self._boosters.append(booster)
            errors[~kept] = target[~kept] - booster.inplace_predict(table[~kept])
        self._trained_on = len(chosen)
        self._calibrate(rows, errors, weights)
        self._learn_failures(chosen)

    def _learn_failures(self, rows: Sequence[_Row]) -> None:
        failed = np.array([r.failed for r in rows], dtype=np.float64)
        self._failure_rate = float(failed.mean())
        self._failing = None
        if failed.any():
            table = np.stack([r.features for r in rows])
            self._failing = self._fit(table, failed, np.ones(len(rows)), 0, "binary:logistic")

    def _slowdown(self, table: NDArray[np.float32]) -> Array:
        """Logarithm of how much slower a candidate counts for its risk of failing."""
        if self._failing is None:
            return np.zeros(len(table))
        excess = self._failing.inplace_predict(table) - self._failure_rate
        return np.asarray(_FAILURE_LOG * np.maximum(excess, 0) / (1 - self._failure_rate))

    def _calibrate(self, rows: Sequence[_Row], errors: Array, weights: Array) -> None:
        """Level of the error on unseen rows: of the workloads being tuned, once there are some."""
        own = {r.workload for r in self._own}
        told = np.array([not own or r.workload in own for r in rows])
        if told.any():
            mean = np.average(errors[told] ** 2, weights=weights[told])
            self._error_std = max(0.02, math.sqrt(mean))
        self._offsets = {}
        for workload in own:
            mine = np.array([r.workload == workload for r in rows])
            if mine.any():
                level = float(np.average(errors[mine], weights=weights[mine]))
                self._offsets[workload] = level * mine.sum() / (mine.sum() + 8)

    def _fit(
        self,
        table: NDArray[np.float32],
        target: Array,
        weights: Array,
        fold: int,
        objective: str = "reg:squarederror",
    ) -> Any:
        with uninterrupted():
            import xgboost

        parameters = {
            "objective": objective,
            "tree_method": "hist",
            "max_bin": 64,
            "max_depth": self.options.depth,
            "eta": self.options.rate,
            "subsample": 0.9,
            "colsample_bytree": 0.5,
            "nthread": self.options.threads,
            "seed": self._seed * 31 + fold,
            "verbosity": 0,
        }
        data = xgboost.DMatrix(table, target, weight=weights, nthread=self.options.threads)
        return xgboost.train(parameters, data, self.options.rounds)

    def _scores(self, table: NDArray[np.float32]) -> Array:
        return np.stack([b.inplace_predict(table) for b in self._boosters]).astype(np.float64)

    def _chosen(self) -> list[_Row]:
        """All rows of the workloads being tuned, and at most ``limit`` of the others, evenly."""
        excess = len(self._warm) - self.options.limit
        if excess <= 0:
            return self._warm + self._own
        rng = np.random.default_rng(self._seed)
        kept = sorted(rng.permutation(len(self._warm))[: self.options.limit])
        return [self._warm[i] for i in kept] + self._own

    def _weights(self, rows: Sequence[_Row], target: Array) -> Array:
        weights = np.ones(len(rows))
        own = {r.workload for r in self._own}
        names = np.array([r.workload for r in rows])
        for workload in set(names):
            mine = names == workload
            falling = np.exp(-self.options.favour * (target[mine] - target[mine].min()))
            weights[mine] = falling / falling.mean()
            if workload in own and len(own) < len(set(names)):
                weights[mine] *= self.options.own
        return weights

    def _folds(self, rows: Sequence[_Row]) -> NDArray[np.intp]:
        """Fold of each row: whole workloads while none is tuned, single rows after that.

        The left-out errors then are those of what is asked next: of an unseen workload at first,
        and of unseen schedules of a known one later.
        """
        rng = np.random.default_rng(self._seed)
        names = sorted({r.workload for r in rows})
        if self._own or len(names) < self.options.folds:
            return np.asarray(rng.permutation(len(rows)) % self.options.folds, dtype=np.intp)
        order = rng.permutation(len(names)) % self.options.folds
        by_name = dict(zip(names, order, strict=True))
        return np.array([by_name[r.workload] for r in rows], dtype=np.intp)
