"""Ask/tell search: which schedules to measure next. No I/O, and no clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from costmodel.records import Schedule

__all__ = ["Result", "SearchStrategy"]

#: A schedule and its latency in microseconds; infinite for one that failed.
Result = tuple[Schedule, float]


class SearchStrategy(Protocol):
    """Proposes schedules and learns from their latencies; deterministic for its seed.

    Asking and telling may interleave freely: ``ask`` may be called while schedules of earlier
    calls are still being measured, and results may be told in any order and in any portions.
    """

    def ask(self, count: int) -> list[Schedule]:
        """Up to ``count`` schedules, none ever asked before; fewer when the space runs out."""
        ...

    def tell(self, results: Iterable[Result]) -> None:
        """Latencies in microseconds, infinite for failures; also of schedules never asked."""
        ...

    def done(self) -> bool:
        """True when another measurement is not worth making; ``ask`` still works if it can."""
        ...
