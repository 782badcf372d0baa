"""Intervals that hold what they promise, by conformalized quantile regression.

Romano, Patterson and Candès, NeurIPS 2019: the interval is widened by what it lacked on data held
out, so that 90% of the latencies are inside whatever the network believes. Functions by default,
functions once tuned and schedules are calibrated apart, since the network errs differently on them.
The promise holds for data like that which was held out, of which other functions chose the step
whose weights are kept. Functions by default are calibrated by families that training never saw, and
there by the one that lacks most, since families differ from each other more than functions of one
do and few are held out; functions once tuned and schedules by unseen shapes of other families as
well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costmodel.errors import UsageError

__all__ = ["Calibration", "widening"]

Array = NDArray[np.float64]
COVERAGE = 0.90


@dataclass(frozen=True)
class Calibration:
    """Logarithms to be added to either side of the network's own interval; may be negative."""

    functions: float = 0.0
    schedules: float = 0.0
    tuned: float = 0.0

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    @staticmethod
    def from_json(given: Mapping[str, object]) -> Calibration:
        """Raises UsageError for what is no calibration."""
        try:
            values = {name: float(str(given[name])) for name in Calibration.__dataclass_fields__}
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"the calibration of the weights cannot be read: {error!r}") from error
        if not all(map(math.isfinite, values.values())):
            raise UsageError("the calibration of the weights is no number")
        return Calibration(**values)


def widening(
    log_us: Array, low: Array, high: Array, *, groups: NDArray[np.integer[Any]] | None = None
) -> float:
    """What either side lacks for COVERAGE of the latencies ``log_us`` to be inside.

    ``groups`` are numbers of the tasks: each counts the same however many schedules it has.
    """
    known = np.isfinite(log_us)
    if not known.any():
        return 0.0
    lacking = np.maximum(low - log_us, log_us - high)[known]
    of = np.arange(len(lacking)) if groups is None else groups[known]
    _, which, sizes = np.unique(of, return_inverse=True, return_counts=True)
    share = 1.0 / sizes[which]
    order = np.argsort(lacking)
    reached = np.cumsum(share[order]) / share.sum()
    # One more than the data: what comes next may be worse than all of it.
    wanted = min(1.0, COVERAGE * (1 + 1 / len(sizes)))
    return float(lacking[order][min(int(np.searchsorted(reached, wanted)), len(lacking) - 1)])
