"""Baselines of functions: the roofline, and what reads counts of operations and sums of sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from costmodel.learning.measures import log_bounds, measured_columns
from costmodel.tokens.stream import Kind

if TYPE_CHECKING:
    from costmodel.models.transformer.examples import Reader, Task

__all__ = ["BoostedCounts", "Counts", "RidgeCounts", "RooflineFunctions", "boosted", "told"]

Array = NDArray[np.float64]
#: What is predicted, and from which bounds.
_TARGETS = {"registers": (0.0, 32.0), "utilization": (0.0, 1.0), "spills": (0.0, np.inf)}
#: What a call may take, microseconds: that which fits best is taken.
_CALLS_US = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


class Counts:
    """A row a task: logarithms of counts of operations, of FLOP by type, bytes and the bound."""

    def __init__(self, reader: Reader, tasks: Sequence[Task]) -> None:
        self._reader = reader
        seen: Counter[str] = Counter()
        for task in tasks:
            seen.update(set(self._counts(task)))
        self._words = sorted(word for word, number in seen.items() if number > 1)

    def __call__(self, tasks: Sequence[Task]) -> Array:
        """Shape (tasks, words + 2)."""
        rows = []
        for task in tasks:
            counts = self._counts(task)
            found = [*(counts[word] for word in self._words), task.input.flops, task.input.bound_us]
            rows.append(np.log1p(found))
        return np.array(rows, np.float64)

    def _counts(self, task: Task) -> Counter[str]:
        counts: Counter[str] = Counter()
        for token in self._reader.stream(task.workload):
            if token.kind is Kind.OP:
                counts[token.word] += 1
            elif token.kind is Kind.COST and token.word != "times":
                counts[token.word] += round(token.value)
        return counts


class RooflineFunctions:
    """A factor of the bound and a constant that fit the training functions; else constants."""

    name = "roofline"

    def __init__(self) -> None:
        self._constants: dict[str, float] = {}
        self._factor, self._call = 1.0, 0.0

    def fit(self, train: Sequence[Task], validation: Sequence[Task]) -> None:
        true, bound = measured_columns(train), np.exp(log_bounds(train))
        self._constants = {name: float(np.nanmedian(true[f"{name}_true"])) for name in _TARGETS}
        log_us = true["log_us_true"]
        fits = [
            (float(np.median(np.maximum(np.exp(log_us) - call, 0.01) / bound)), call)
            for call in _CALLS_US
        ]
        self._factor, self._call = min(
            fits, key=lambda fit: np.abs(np.log(fit[0] * bound + fit[1]) - log_us).mean()
        )

    def predict(self, tasks: Sequence[Task]) -> dict[str, Array]:
        columns = {name: np.full(len(tasks), self._constants[name]) for name in _TARGETS}
        log_us = np.log(self._factor * np.exp(log_bounds(tasks)) + self._call)
        return columns | {"log_us": log_us}


class RidgeCounts:
    """Linear regression on counts, its penalty chosen on the validation families."""

    name = "ridge on op counts"

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._fitted: dict[str, tuple[Array, Array, Array]] = {}

    def fit(self, train: Sequence[Task], validation: Sequence[Task]) -> None:
        x, held = self._counts(train), self._counts(validation)
        true, wanted = _targets(train), _targets(validation)
        for name in true:
            known, judged = np.isfinite(true[name]), np.isfinite(wanted[name])
            fits = [
                _ridge(x[known], true[name][known], penalty) for penalty in 10.0 ** np.arange(-2, 5)
            ]
            errors = [
                np.abs(_apply(held[judged], fit) - wanted[name][judged]).mean() for fit in fits
            ]
            self._fitted[name] = fits[int(np.argmin(errors))]

    def predict(self, tasks: Sequence[Task]) -> dict[str, Array]:
        x = self._counts(tasks)
        fits = self._fitted.items()
        return _columns({name: _apply(x, fit) for name, fit in fits}, tasks)


class BoostedCounts:
    """XGBoost on counts, the number of trees chosen on the validation families."""

    name = "XGBoost on op counts"

    def __init__(self, counts: Counts, *, seed: int = 0) -> None:
        self._counts, self._seed = counts, seed
        self._boosters: dict[str, Any] = {}

    def fit(self, train: Sequence[Task], validation: Sequence[Task]) -> None:
        x, held = self._counts(train), self._counts(validation)
        true, wanted = _targets(train), _targets(validation)
        self._boosters = {
            name: boosted(x, true[name], held, wanted[name], seed=self._seed) for name in true
        }

    def predict(self, tasks: Sequence[Task]) -> dict[str, Array]:
        x = self._counts(tasks)
        return _columns({name: told(one, x) for name, one in self._boosters.items()}, tasks)


def boosted(
    x: NDArray[Any], y: Array, held: NDArray[Any], wanted: Array, *, seed: int, depth: int = 6,
    rounds: int = 1500,
) -> Any:  # fmt: skip
    """Trees that stop being added when the held-out error stops falling."""
    import xgboost

    known, judged = np.isfinite(y), np.isfinite(wanted)
    parameters = {
        "objective": "reg:absoluteerror", "tree_method": "hist", "max_depth": depth, "eta": 0.05,
        "subsample": 0.8, "colsample_bytree": 0.5, "seed": seed, "verbosity": 0,
    }  # fmt: skip
    return xgboost.train(
        parameters, xgboost.DMatrix(x[known], y[known]), rounds,
        evals=[(xgboost.DMatrix(held[judged], wanted[judged]), "held_out")],
        early_stopping_rounds=60, verbose_eval=False,
    )  # fmt: skip


def told(booster: Any, x: NDArray[Any]) -> Array:
    """What ``boosted`` made says of rows."""
    best = (0, booster.best_iteration + 1)
    return np.asarray(booster.inplace_predict(x, iteration_range=best), np.float64)


def _targets(tasks: Sequence[Task]) -> dict[str, Array]:
    true = measured_columns(tasks)
    found = {name: true[f"{name}_true"] for name in _TARGETS}
    found["spills"] = np.log1p(found["spills"])
    return found | {"log_us": true["log_us_true"] - log_bounds(tasks)}


def _columns(predicted: Mapping[str, Array], tasks: Sequence[Task]) -> dict[str, Array]:
    """Latencies are regressed as factors of the bound."""
    predicted = dict(predicted)
    predicted["log_us"] = predicted["log_us"] + log_bounds(tasks)
    predicted["spills"] = np.expm1(predicted["spills"])
    for name, (low, high) in _TARGETS.items():
        predicted[name] = np.clip(predicted[name], low, high)
    predicted["registers"] = np.round(predicted["registers"])
    return predicted


def _ridge(x: Array, y: Array, penalty: float) -> tuple[Array, Array, Array]:
    mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = np.column_stack([np.ones(len(x)), (x - mean) / deviation])
    weight = penalty * np.eye(z.shape[1])
    weight[0, 0] = 0.0
    return np.linalg.solve(z.T @ z + weight, z.T @ y), mean, deviation


def _apply(x: Array, fit: tuple[Array, Array, Array]) -> Array:
    weights, mean, deviation = fit
    return np.asarray(np.column_stack([np.ones(len(x)), (x - mean) / deviation]) @ weights)
