"""Baselines of schedules: XGBoost on what is chosen, and on MetaSchedule's features of programs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from costmodel.backends.tiles import TILE_WIDTH
from costmodel.errors import UsageError
from costmodel.learning.counts import Counts, boosted, told
from costmodel.models.transformer.inputs import SHARE, TILE

if TYPE_CHECKING:
    from costmodel.backends.base import Features
    from costmodel.corpus.read import Corpus
    from costmodel.models.transformer.examples import Task
    from costmodel.records import Schedule, Target, Workload

__all__ = ["BoostedChoices", "BoostedPrograms", "Programs", "RooflinePrograms"]

Array = NDArray[np.float64]
Table = NDArray[np.float32]


class BoostedChoices:
    """XGBoost on op counts and on each word of a schedule: how often, how large, of which share."""

    name = "XGBoost on op counts and choices"

    def __init__(self, counts: Counts, words: Sequence[str], *, seed: int = 0) -> None:
        self._counts, self._seed = counts, seed
        self._places = {word: place for place, word in enumerate(words)}
        self._booster: Any = None

    def fit(self, train: Sequence[Task], validation: Sequence[Task]) -> None:
        self._booster = boosted(
            self._rows(train), _factors(train), self._rows(validation), _factors(validation),
            seed=self._seed, depth=8,
        )  # fmt: skip

    def scores(self, tasks: Sequence[Task]) -> list[Array]:
        """Lower is better; an array a task."""
        rows = told(self._booster, self._rows(tasks))
        return list(np.split(rows, np.cumsum([len(task.trials) for task in tasks])[:-1]))

    def _rows(self, tasks: Sequence[Task]) -> Table:
        counts = self._counts(tasks).astype(np.float32)
        return np.concatenate([
            np.concatenate([np.tile(row, (len(task.trials), 1)), self._chosen(task)], axis=1)
            for row, task in zip(counts, tasks, strict=True)
        ])  # fmt: skip

    def _chosen(self, task: Task) -> Table:
        """Of each word its number and the means of its value, of the extent over the value, and of
        what is known of a tile."""
        table = np.zeros((len(task.schedules), len(self._places), 3 + TILE_WIDTH), np.float32)
        for row, (_, schedule) in enumerate(task.schedules):
            for word, numbers in zip(schedule.words, schedule.numbers, strict=True):
                place = self._places.get(word)
                if place is not None:
                    table[row, place, :3] += (1.0, numbers[1], numbers[SHARE])
                    table[row, place, 3:] += numbers[TILE:]
        table[..., 1:] /= np.maximum(table[..., :1], 1.0)
        return table.reshape(len(table), -1)


@dataclass(frozen=True)
class _Programs:
    workload: Workload
    target: Target
    schedules: tuple[Schedule, ...]


class Programs:
    """MetaSchedule's features of the TVM schedules of tasks: made once, by all cores."""

    def __init__(self, corpus: Corpus, tasks: Sequence[Task]) -> None:
        listed = [
            _Programs(
                corpus.functions[task.workload].workload,
                corpus.targets[task.trials[0].target],
                tuple(trial.schedule for trial in task.trials),
            )
            for task in tasks
        ]
        # TVM must not be forked once it has started its threads.
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            made = list(pool.map(_features, listed))
        self._made: dict[tuple[str, str], list[Features | None]] = {
            _key(task): features for task, features in zip(tasks, made, strict=True)
        }
        self._listed = {_key(task): one for task, one in zip(tasks, listed, strict=True)}

    def rows(self, task: Task) -> tuple[Table, Array, NDArray[np.intp]]:
        """Pooled features, logarithms of analytic estimates, and of which trials they are."""
        from costmodel.models.base import Query
        from costmodel.models.pooled import pool
        from costmodel.models.roofline import estimates_us
        from costmodel.records import Candidate

        one, made = self._listed[_key(task)], self._made[_key(task)]
        kept = np.array([n for n, features in enumerate(made) if features is not None], np.intp)
        queries = [
            Query(Candidate(one.workload, one.schedules[n], one.target), features)
            for n in kept
            if (features := made[n]) is not None
        ]
        return pool(queries), np.log(estimates_us(queries)), kept


class RooflinePrograms:
    """The analytic estimate of scheduled programs."""

    name = "roofline"

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def fit(self, train: Sequence[Task], validation: Sequence[Task]) -> None:
        """Nothing is learned."""

    def scores(self, tasks: Sequence[Task]) -> list[Array]:
        found = []
        for task in tasks:
            _, estimates, kept = self._programs.rows(task)
            found.append(_spread(estimates, kept, len(task.trials)))
        return found


class BoostedPrograms:
    """XGBoost on pooled features, of latency over the analytic estimate, less the task's level."""

    name = "XGBoost on MetaSchedule features"

    def __init__(self, programs: Programs, *, seed: int = 0) -> None:
        self._programs, self._seed = programs, seed
        self._booster: Any = None

    def fit(self, train: Sequence[Task], validation: Sequence[Task]) -> None:
        (x, y), (held, wanted) = self._table(train), self._table(validation)
        self._booster = boosted(x, y, held, wanted, seed=self._seed, depth=8)

    def scores(self, tasks: Sequence[Task]) -> list[Array]:
        found = []
        for task in tasks:
            table, estimates, kept = self._programs.rows(task)
            found.append(_spread(told(self._booster, table) + estimates, kept, len(task.trials)))
        return found

    def _table(self, tasks: Sequence[Task]) -> tuple[Table, Array]:
        tables, factors = [], []
        for task in tasks:
            table, estimates, kept = self._programs.rows(task)
            if len(kept):
                tables.append(table)
                factors.append(_centred(task.targets[kept, 0].astype(np.float64) - estimates))
        if not tables:
            raise UsageError("no schedule of the data set is one of TVM's space")
        return np.concatenate(tables), np.concatenate(factors)


def _key(task: Task) -> tuple[str, str]:
    return task.workload, task.trials[0].target


def _features(one: _Programs) -> list[Features | None]:
    """None for a schedule of another backend, or of another version of the space."""
    from costmodel.backends.tvm.backend import TVMBackend
    from costmodel.errors import CostModelError

    found: list[Features | None] = []
    try:
        space = TVMBackend().space(one.workload, one.target)
    except CostModelError:
        return [None] * len(one.schedules)
    for schedule in one.schedules:
        made = None
        if schedule.backend == "tvm":
            try:
                made = space.features([schedule])[0]
            except CostModelError:
                made = None
        found.append(made)
    return found


def _factors(tasks: Sequence[Task]) -> Array:
    """Logarithms of latency over the middle of the workload's, NaN for failures."""
    return np.concatenate([_centred(task.targets[:, 0].astype(np.float64)) for task in tasks])


def _centred(log_us: Array) -> Array:
    """The order within a task is what is judged; levels would only take trees away from it."""
    return log_us - np.nanmedian(log_us) if np.isfinite(log_us).any() else log_us


def _spread(scores: Array, kept: NDArray[np.intp], count: int) -> Array:
    """Scores of some of ``count`` trials; infinite for the others."""
    found = np.full(count, np.inf)
    found[kept] = scores
    return found
