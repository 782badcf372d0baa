"""Pure random search: the baseline that every other strategy has to beat."""

from __future__ import annotations

import random
from collections.abc import Iterable

from costmodel.backends.base import SearchSpace
from costmodel.records import Schedule
from costmodel.search.base import Result
from costmodel.search.history import History

__all__ = ["RandomSearch"]


class RandomSearch:
    """Asks the untuned default first, then schedules drawn evenly from the space."""

    def __init__(self, space: SearchSpace, *, seed: int = 0, known: Iterable[Result] = ()) -> None:
        self._space = space
        self._rng = random.Random(seed)
        self._history = History(space, known)

    def ask(self, count: int) -> list[Schedule]:
        """Up to ``count`` schedules, none ever asked before; fewer when the space runs out."""
        if count < 1:
            return []
        default = self._space.default()
        asked = [default] if default not in self._history else []
        self._history.ask(asked)
        asked += self._history.fresh(count - len(asked), self._rng)
        self._history.ask(asked)
        return asked

    def tell(self, results: Iterable[Result]) -> None:
        """Latencies in microseconds, infinite for failures; they only count."""
        self._history.tell(results)

    def done(self) -> bool:
        """True when sampling found nothing new."""
        return self._history.exhausted and not self._history.pending
