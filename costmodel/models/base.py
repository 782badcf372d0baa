"""The protocol of every cost model: candidates in, distributions out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from costmodel.backends.base import Features
from costmodel.records import Candidate, Prediction

__all__ = ["BaseModel", "CostModel", "Example", "Query"]


@dataclass(frozen=True)
class Query:
    """A candidate and its features, which the space has computed once for every model."""

    candidate: Candidate
    features: Features


@dataclass(frozen=True)
class Example:
    """A query with its measured latency in microseconds; infinite for a failed candidate."""

    query: Query
    latency_us: float


class CostModel(Protocol):
    """Predicts latency; thread-compatible, deterministic for its seed and its examples."""

    @property
    def name(self) -> str: ...

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction a query, in order."""
        ...

    def knows(self, queries: Sequence[Query]) -> bool:
        """Whether it predicts these by itself, and not with what stands in until it has learned."""
        ...

    def update(self, examples: Sequence[Example]) -> None:
        """Learn from new measurements; never forgets earlier ones."""
        ...


class BaseModel(CostModel, Protocol):
    """A model that another one corrects."""

    def expected_us(self, queries: Sequence[Query]) -> NDArray[np.float64]:
        """What it says by itself, whatever has been measured; shape (queries,), microseconds."""
        ...
