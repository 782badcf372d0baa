"""The level of a trained model's predictions, as measurements of a workload shift it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from costmodel.models.base import Example, Query

__all__ = ["Levels"]

#: Measurements of a workload that weigh as much as the belief that the model's level is right.
_BELIEF = 4.0
#: What one measurement can say at the most (logarithm, a factor of 20): no model is so far off, and
#: stores hold what others took for microseconds.
_MOST = 3.0


class Levels:
    """By workload and backend, by how much (logarithm) measurements differ from a model.

    The order of schedules stays the model's own.
    """

    def __init__(self) -> None:
        #: Sum and number of the logarithms.
        self._errors: dict[tuple[str, str], tuple[float, int]] = {}

    def shift(self, workload: str, backend: str) -> float:
        """To be added to the logarithm of what the model says by itself."""
        total, count = self._errors.get((workload, backend), (0.0, 0))
        return total / (count + _BELIEF)

    def shifts(self, queries: Sequence[Query]) -> NDArray[np.float64]:
        """One shift a query."""
        return np.array([
            self.shift(q.candidate.workload.hash, q.candidate.schedule.backend) for q in queries
        ])  # fmt: skip

    def learn(self, examples: Sequence[Example], expected_us: NDArray[np.float64]) -> None:
        """From correct measurements; ``expected_us`` is what the model said by itself."""
        for example, told in zip(examples, expected_us, strict=True):
            candidate = example.query.candidate
            key = (candidate.workload.hash, candidate.schedule.backend)
            total, count = self._errors.get(key, (0.0, 0))
            error = float(np.clip(np.log(example.latency_us / told), -_MOST, _MOST))
            self._errors[key] = total + error, count + 1
