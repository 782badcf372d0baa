"""What a search has asked and been told: the bookkeeping that all strategies share."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable

from costmodel.backends.base import SearchSpace
from costmodel.records import Schedule
from costmodel.search.base import Result

__all__ = ["History"]

_SAMPLE_ROUNDS = 4


class History:
    """Every schedule asked or told, by hash, and the latencies told so far.

    ``known`` are measurements made earlier: they count as told and are never asked again.
    """

    def __init__(self, space: SearchSpace, known: Iterable[Result] = ()) -> None:
        self._space = space
        self._seen: set[str] = set()
        self._pending: set[str] = set()
        self._latency: dict[str, float] = {}
        self._schedules: dict[str, Schedule] = {}
        self.exhausted = False
        self.tell(known)

    def __contains__(self, schedule: Schedule) -> bool:
        return schedule.hash in self._seen

    @property
    def pending(self) -> int:
        """Schedules asked whose latency has not been told."""
        return len(self._pending)

    @property
    def told(self) -> int:
        """Schedules with a known outcome, failures included."""
        return len(self._latency)

    def ask(self, schedules: Iterable[Schedule]) -> None:
        """Remember schedules as asked."""
        for schedule in schedules:
            self._seen.add(schedule.hash)
            self._pending.add(schedule.hash)

    def tell(self, results: Iterable[Result]) -> list[Result]:
        """Remember latencies; those that say something new, in an order free of arrival.

        A schedule told twice keeps its lower latency, so the order of telling does not matter.
        """
        news = []
        for schedule, latency in sorted(results, key=lambda r: (r[0].hash, r[1])):
            if math.isnan(latency) or latency <= 0:
                raise ValueError(f"a latency must be positive or infinite, not {latency}")
            before = self._latency.get(schedule.hash)
            if before is None or latency < before:
                self._latency[schedule.hash] = latency
                news.append((schedule, latency))
            self._schedules[schedule.hash] = schedule
            self._seen.add(schedule.hash)
            self._pending.discard(schedule.hash)
        return news

    def best(self, count: int = 1, *, backend: str | None = None) -> list[Result]:
        """The fastest ``count`` that did not fail, fastest first; of one ``backend``, if given."""
        ranked = sorted(
            (latency, key)
            for key, latency in self._latency.items()
            if backend in (None, self._schedules[key].backend)
        )
        finite = [(self._schedules[key], latency) for latency, key in ranked[:count]]
        return [result for result in finite if math.isfinite(result[1])]

    @property
    def best_us(self) -> float:
        """The lowest latency told, in microseconds; infinite before the first success."""
        return min(self._latency.values(), default=math.inf)

    def fresh(self, count: int, rng: random.Random) -> list[Schedule]:
        """Up to ``count`` random schedules that were neither asked nor told, each once.

        Rounds that yield nothing new mark the space as exhausted.
        """
        found: dict[str, Schedule] = {}
        for effort in range(_SAMPLE_ROUNDS):
            if len(found) >= count:
                break
            # Where most is known already, a larger draw is needed to hit something new.
            draw = (count - len(found)) * 4**effort
            for schedule in self._space.sample(draw, rng):
                if schedule not in self:
                    found.setdefault(schedule.hash, schedule)
        if count:
            self.exhausted = not found
        return list(found.values())[:count]
