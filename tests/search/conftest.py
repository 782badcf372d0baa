"""A toy space whose latencies are known, so that a search can be judged without hardware."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence

import numpy as np
import pytest

from costmodel.backends.base import Features, Groups
from costmodel.records import Schedule, Target, Workload

SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class ToySpace:
    """Three tile sizes and an unroll flag: ``8 * 8 * sizes * 2`` schedules.

    Latency is smooth in the logarithm of each tile with one optimum, and depends on how two of
    them meet, as real tilings do; tiles whose product is too large fail.
    """

    feature_set = "toy-1"

    def __init__(self, sizes: int = 8, optimum: tuple[int, int, int] = (16, 64, 4)) -> None:
        self.sizes = SIZES[:sizes]
        self.optimum = optimum

    @property
    def parts(self) -> dict[str, ToySpace]:
        return {"toy": self}

    def all(self) -> list[Schedule]:
        return [
            self._schedule((a, b, c, u))
            for a in SIZES
            for b in SIZES
            for c in self.sizes
            for u in (0, 1)
        ]

    def default(self) -> Schedule:
        return self._schedule((1, 1, 1, 0))

    def guesses(self) -> list[Schedule]:
        return []

    def sample(self, count: int, rng: random.Random) -> list[Schedule]:
        return rng.sample(self.all(), min(count, len(self.all())))

    def mutate(self, schedule: Schedule, rng: random.Random) -> Schedule | None:
        values = list(self.values(schedule))
        place = rng.randrange(4)
        options = ((SIZES, SIZES, self.sizes, (0, 1))[place]) or (0,)
        values[place] = rng.choice([o for o in options if o != values[place]] or [values[place]])
        changed = self._schedule(tuple(values))
        return None if changed == schedule else changed

    def groups(self, schedule: Schedule) -> Groups:
        return ()

    def features(self, schedules: Sequence[Schedule]) -> list[Features]:
        rows = []
        for schedule in schedules:
            a, b, c, u = self.values(schedule)
            rows.append([math.log2(a), math.log2(b), math.log2(c), u, math.log2(a * b * c)])
        return [np.array([row], np.float32) for row in rows]

    def latency_us(self, schedule: Schedule) -> float:
        a, b, c, u = self.values(schedule)
        if a * b * c > 2**16:
            return math.inf
        away = [
            (math.log2(x) - math.log2(o)) ** 2 for x, o in zip((a, b, c), self.optimum, strict=True)
        ]
        meeting = abs(math.log2(a * b) - math.log2(self.optimum[0] * self.optimum[1]))
        return 50.0 * math.exp(0.12 * sum(away) + 0.1 * meeting) * (1.0 if u else 1.3)

    @property
    def best_us(self) -> float:
        return min(self.latency_us(s) for s in self.all())

    @staticmethod
    def values(schedule: Schedule) -> tuple[int, ...]:
        return tuple(json.loads(schedule.text))

    @staticmethod
    def _schedule(values: tuple[int, ...]) -> Schedule:
        return Schedule("toy", json.dumps(list(values)))


@pytest.fixture
def toy() -> ToySpace:
    return ToySpace()


@pytest.fixture
def make_toy() -> type[ToySpace]:
    return ToySpace


@pytest.fixture
def workload() -> Workload:
    return Workload("toy", "toy", (), ())


@pytest.fixture
def target() -> Target:
    return Target("cpu", "x86_64", "toy", (), 1, (32 << 10, 1 << 20), 64, {"f32": 1e11}, 1e10)
