"""The network's predictions of tasks beside what was measured, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from costmodel.learning.scores import (
    FunctionScore,
    ScheduleScore,
    score_functions,
    score_schedules,
)

if TYPE_CHECKING:
    from costmodel.models.transformer.calibration import Calibration
    from costmodel.models.transformer.examples import Task
    from costmodel.models.transformer.network import CostNetwork

__all__ = [
    "Ranked",
    "function_columns",
    "function_scores",
    "log_bounds",
    "measured_columns",
    "ranked",
    "schedule_scores",
    "tuned_columns",
    "with_defaults",
    "with_tuned",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ranked:
    """A task's schedules: what was predicted of each and what was measured (logarithms)."""

    family: str
    backends: tuple[str, ...]
    score: Array
    log_us: Array
    low: Array | None = None
    high: Array | None = None

    def only(self, backend: str) -> Ranked:
        """The schedules of one backend."""
        those = np.array([name == backend for name in self.backends])
        return Ranked(
            self.family, tuple(name for name in self.backends if name == backend),
            self.score[those], self.log_us[those],
            None if self.low is None else self.low[those],
            None if self.high is None else self.high[those],
        )  # fmt: skip

    def columns(self) -> dict[str, Array]:
        """What ``score_schedules`` takes."""
        found = {"score": self.score, "log_us": self.log_us}
        if self.low is not None and self.high is not None:
            found |= {"low": self.low, "high": self.high}
        return found


def with_defaults(tasks: Sequence[Task]) -> list[Task]:
    """Those of which the untuned default was measured."""
    return [
        task
        for task in tasks
        if len(task.defaults) and np.isfinite(task.targets[task.defaults[0], 0])
    ]


def with_tuned(tasks: Sequence[Task]) -> list[Task]:
    """Those of which enough schedules were measured to tell what tuning finds."""
    return [task for task in tasks if np.isfinite(task.tuned)]


def tuned_columns(
    network: CostNetwork, tasks: Sequence[Task], calibration: Calibration
) -> dict[str, Array]:
    """What the network expects tuning to find, and what it found; columns of latency alone."""
    from costmodel.models.transformer.inference import estimate_tuned

    found = estimate_tuned(network, tasks)
    return {
        "log_us": found.log_us, "log_us_true": np.array([task.tuned for task in tasks]),
        "low": found.low - calibration.tuned, "high": found.high + calibration.tuned,
    }  # fmt: skip


def log_bounds(tasks: Sequence[Task]) -> Array:
    """Logarithms of the microseconds that the roofline allows each task, 0.1 at the least."""
    return np.log([max(task.input.bound_us, 0.1) for task in tasks])


def measured_columns(tasks: Sequence[Task]) -> dict[str, Array]:
    """What the default of each task took; columns of ``score_functions``."""
    rows = np.stack([task.targets[task.defaults[0]] for task in tasks]).astype(np.float64)
    return {
        "log_us_true": rows[:, 0], "registers_true": rows[:, 1],
        "spills_true": np.expm1(rows[:, 2]), "utilization_true": rows[:, 6],
    }  # fmt: skip


def function_columns(
    network: CostNetwork, tasks: Sequence[Task], calibration: Calibration
) -> dict[str, Array]:
    """What the network says of the default of each task, and what was measured."""
    from costmodel.models.transformer.inference import estimate_functions

    found = estimate_functions(network, tasks)
    return measured_columns(tasks) | {
        "log_us": found.log_us, "registers": found.registers, "spills": found.spills,
        "utilization": found.utilization, "low": found.low - calibration.functions,
        "high": found.high + calibration.functions,
    }  # fmt: skip


def function_scores(
    network: CostNetwork, tasks: Sequence[Task], calibration: Calibration
) -> FunctionScore:
    """Of the tasks whose default was measured."""
    return score_functions(function_columns(network, with_defaults(tasks), calibration))


def ranked(
    network: CostNetwork, tasks: Sequence[Task], calibration: Calibration, *, least: int = 8
) -> list[Ranked]:
    """The schedules of the tasks that have at least ``least``."""
    from costmodel.models.transformer.inference import estimate_schedules

    many = [task for task in tasks if len(task.trials) >= least]
    return [
        Ranked(
            task.family,
            tuple(trial.schedule.backend for trial in task.trials),
            found.expected,
            task.targets[:, 0].astype(np.float64),
            found.low - calibration.schedules,
            found.high + calibration.schedules,
        )
        for task, found in zip(many, estimate_schedules(network, many), strict=True)
    ]


def schedule_scores(
    network: CostNetwork, tasks: Sequence[Task], calibration: Calibration, *, group: int = 64
) -> ScheduleScore:
    """Of the tasks that have several schedules; the first choice is one among ``group``."""
    columns = [one.columns() for one in ranked(network, tasks, calibration)]
    return score_schedules(columns, group=group)
