"""How much a measurement is worth: expected improvement, and batches that do not repeat themselves.

Latencies are log-normal (``Prediction``), so improvements are of the logarithm: a gain of 0.1 is
a kernel about 10% faster. Sources: Jones et al. 1998 (expected improvement), Gonzalez et al. 2016
(batches by local penalization).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from costmodel.backends.base import Features
from costmodel.records import Prediction

__all__ = ["expected_improvement", "pick_diverse", "signatures"]

Array = NDArray[np.float64]

#: Distance of backends from each other; schedules of one are some tenths apart.
_FAR = 10.0


def expected_improvement(predictions: Sequence[Prediction], best_us: float) -> Array:
    """Expected fall of the log-latency below ``best_us``; shape (candidates,), not negative.

    Before anything is known to be fast (``best_us`` infinite), the optimistic end of each
    prediction is all there is to go by: the improvement over the worst one at one deviation.
    """
    if not predictions:
        return np.zeros(0)
    mean = np.log([p.latency_us for p in predictions])
    deviation = np.maximum([p.log_std for p in predictions], 1e-6)
    if not math.isfinite(best_us):
        optimistic = mean - deviation
        return np.asarray(optimistic.max() - optimistic, dtype=np.float64)
    gain = math.log(best_us) - mean
    z = gain / deviation
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in z])
    return np.asarray(np.maximum(gain * below + deviation * density, 0.0), dtype=np.float64)


def signatures(features: Sequence[Features]) -> Array:
    """A point for each candidate whose distances say how alike they are; rows of unit scale.

    The mean and maximum over a candidate's stores, each column divided by its deviation.
    Candidates whose features have different widths are of different backends, and far apart.
    """
    if not features:
        return np.zeros((0, 1))
    widths = np.array([f.shape[1] for f in features])
    blocks = []
    for width in np.unique(widths):
        members = np.flatnonzero(widths == width)
        own = _points([features[int(i)] for i in members])
        block = np.zeros((len(features), own.shape[1] + 1))
        block[members, 0] = _FAR
        block[members, 1:] = own
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


def _points(features: Sequence[Features]) -> Array:
    points = np.stack([
        np.concatenate([f.max(axis=0), f.mean(axis=0)]) if len(f) else np.zeros(2 * f.shape[1])
        for f in features
    ]).astype(np.float64)  # fmt: skip
    deviation = points.std(axis=0)
    varying = deviation > 1e-9
    scaled = (points[:, varying] - points[:, varying].mean(axis=0)) / deviation[varying]
    return np.asarray(scaled / max(1.0, math.sqrt(varying.sum())), dtype=np.float64)


def pick_diverse(
    gains: Array,
    points: Array,
    count: int,
    *,
    radius: float,
    groups: Sequence[str] = (),
    least: Mapping[str, int] = MappingProxyType({}),
) -> list[int]:
    """Indices of up to ``count`` candidates of high gain, each unlike those already picked.

    After each pick the gain of its neighbours is multiplied by ``1 - exp(-(d / radius)^2)``, so
    near twins wait for the next batch. ``radius`` 0 is a plain choice of the best. ``least`` are
    picks that groups must have, as far as they have candidates; ``groups`` says whose each is.
    """
    left = np.asarray(gains, dtype=np.float64) + 1e-12
    names = np.asarray(groups if len(groups) else [""] * len(left), dtype=object)
    owed = {name: min(number, int((names == name).sum())) for name, number in least.items()}
    picked: list[int] = []
    for slots in range(min(count, len(left)), 0, -1):
        due = [name for name, number in owed.items() if number > 0]
        # Who is owed all that is left to give comes first now; before that, the best do.
        allowed = left
        if due and sum(owed.values()) >= slots:
            allowed = np.where(np.isin(names, due), left, -1.0)
        index = int(np.argmax(allowed))
        picked.append(index)
        if names[index] in owed:
            owed[names[index]] -= 1
        if radius > 0:
            squared = ((points - points[index]) ** 2).sum(axis=1)
            left = np.where(left > 0, left * -np.expm1(-squared / radius**2), left)
        left[picked] = -1.0
    return picked
