"""Tuning here with an oracle: its model ranks, its store and the local one learn of each other."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from costmodel.errors import CostModelError
from costmodel.models.outside import Chosen
from costmodel.oracle.client import Client
from costmodel.oracle.remote_model import RemoteModel
from costmodel.oracle.sending import Sender
from costmodel.oracle.status import UnreachableError
from costmodel.records import Measurement, Target, Workload
from costmodel.store.base import MeasurementStore

__all__ = ["Sharing"]


@dataclass(frozen=True)
class _Asked:
    """The oracle's choice; what it could not answer is part of the reason."""

    model: RemoteModel | None
    said: str = ""

    @property
    def reason(self) -> str:
        trouble = "" if self.model is None else self.model.trouble
        return "; ".join(filter(None, (self.said, trouble)))


class Sharing:
    """What ``costmodel.tune`` takes as ``outside``; a context manager.

    >>> with Client("127.0.0.1:50151") as client, Sharing(client) as oracle:
    ...     costmodel.tune("kernels/bert_softmax.mlir", outside=oracle)

    Compilers and measuring are those of this machine, and all that is measured is in the local
    store as ever. An oracle that cannot be reached at first is an error, or with ``fallback`` a
    note: the trained model of ``weights`` then ranks, as without an oracle. One that is lost later
    never ends a run.
    """

    def __init__(
        self,
        client: Client,
        *,
        fallback: bool = False,
        weights: str | os.PathLike[str] | None = None,
    ) -> None:
        self._client, self._fallback = client, fallback
        self._weights = None if weights is None else Path(weights)
        self._sender = Sender(client)
        self._met = False
        self._notes: list[str] = []

    def __enter__(self) -> Sharing:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Send no more; what was offered and not sent stays in the local store alone."""
        self._sender.close()

    def choose(self, workload: Workload, target: Target, backends: set[str]) -> Chosen:
        """The oracle's model where it reads the workload and knows the target.

        Raises UnreachableError and its like where it was never reached and nothing stands in.
        """
        if workload.script is not None:
            return _Asked(None, "the oracle's model does not read transform scripts: XGBoost "
                                "alone ranks theirs")  # fmt: skip
        try:
            found = self._client.predict(workload, target=target)
        except CostModelError as error:
            return self._without(error, workload, target, backends)
        self._met = True
        # What it says of the compiler's default is the trained model's.
        if found.untuned is None:
            said = "; ".join(found.notes) or "the oracle has no trained model for this kernel"
            return _Asked(None, said)
        return _Asked(RemoteModel(self._client, "transformer"), "; ".join(found.notes))

    def _without(
        self, error: CostModelError, workload: Workload, target: Target, backends: set[str]
    ) -> Chosen:
        self._pass_over(error)
        if not (self._fallback and isinstance(error, UnreachableError)):
            return _Asked(None)
        from costmodel.models.shipped import choose

        return choose(workload, target, backends, self._weights)

    def _pass_over(self, error: CostModelError) -> None:
        """Make a note of a failure, or raise it where the oracle was never reached."""
        if not self._met and not (self._fallback and isinstance(error, UnreachableError)):
            raise error
        note = f"the oracle was left out: {error.message}"
        if note not in self._notes:
            self._notes.append(note)

    def exchange(self, workload: Workload, target: Target, store: MeasurementStore) -> None:
        """Take what the oracle's store knows into ``store``, and send what only that one knows.

        Raises StoreError and StoreFullError for ``store``; UnreachableError and its like where
        the oracle was never reached and nothing stands in.
        """
        self._sender.introduce(workload, target)
        try:
            listed = list(self._client.measurements(workload, target=target))
        except CostModelError as error:
            self._pass_over(error)
            return
        self._met = True
        asked = (workload.hash, target.hash)
        there = [one for one in listed if (one.workload, one.target) == asked]
        store.add(there)
        ids = {one.id for one in there}
        here = store.measurements(workload=workload.hash, target=target.hash)
        self.offer([one for one in here if one.id not in ids])

    def offer(self, measurements: Sequence[Measurement]) -> None:
        """Have the oracle keep measurements, in the background."""
        self._sender.offer(measurements)

    def settle(self) -> list[str]:
        """Wait, 15 seconds at the most, until all is sent; what the user should know."""
        notes, self._notes = self._notes, []
        why = self._sender.flush()
        return notes if why is None else [*notes, why]
