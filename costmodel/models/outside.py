"""A trained model and measurements that are kept elsewhere: the seam that an oracle fits into.

``costmodel.oracle.Sharing`` is one. Nothing here knows how it is reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from costmodel.models.base import BaseModel
from costmodel.records import Measurement, Target, Workload
from costmodel.store.base import MeasurementStore

__all__ = ["Chosen", "Outside"]


class Chosen(Protocol):
    """A trained model where one reads what is asked about, else why there is none.

    With a model ``reason`` says why it is to be trusted less than its card says.
    """

    @property
    def model(self) -> BaseModel | None: ...

    @property
    def reason(self) -> str: ...


class Outside(Protocol):
    """Elsewhere: whoever asks is never ended by it, and never waits for it to measure."""

    def choose(self, workload: Workload, target: Target, backends: set[str]) -> Chosen:
        """The trained model for a workload on a target.

        Raises CostModelError where it cannot be had and nothing may stand in.
        """
        ...

    def exchange(self, workload: Workload, target: Target, store: MeasurementStore) -> None:
        """Take into ``store`` what is known elsewhere of a workload on a target, and the reverse.

        Raises StoreError and StoreFullError for ``store``.
        """
        ...

    def offer(self, measurements: Sequence[Measurement]) -> None:
        """Have measurements kept elsewhere too, in the background."""
        ...

    def settle(self) -> Sequence[str]:
        """Wait, not for long, until all is kept that was offered; what the user should know."""
        ...
