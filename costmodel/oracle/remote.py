"""Measuring by others: a search's candidates go to the server, which leases them to clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from costmodel.errors import MeasureError
from costmodel.measure.measurer import ReferenceInfo
from costmodel.oracle.following import Lines
from costmodel.records import Measurement, Schedule
from costmodel.store.lines import decode
from costmodel.tuning import Budget

__all__ = ["RemoteMeasurer"]


class RemoteMeasurer:
    """Has a run's candidates measured by clients; see ``costmodel.measure.measurer.Measures``.

    ``versions`` are those of each backend that the search reckons with: measurements by others are
    not comparable. Each client compares results with a reference of its own.
    """

    def __init__(
        self, lines: Lines, versions: Mapping[str, Mapping[str, str]], budget: Budget
    ) -> None:
        self._lines = lines
        self._versions = {name: dict(each) for name, each in versions.items()}
        self._budget = budget
        self._received: list[Measurement] = []
        self._given = 0

    def prepare_reference(self) -> ReferenceInfo:
        """Nothing is to be done here."""
        return ReferenceInfo("the client's own", 0.0)

    def measure(self, schedules: Sequence[Schedule]) -> Iterator[Measurement]:
        """Each as it comes, until the time is over. Raises MeasureError if none ever came."""
        self._ask(schedules)
        self._given = len(self._received)
        missing = {one.hash for one in schedules}
        while missing and not self._budget.over:
            message = self._lines.receive(self._patience_s)
            if message is None:
                continue
            measurement = decode(message["measured"])
            if not isinstance(measurement, Measurement) or measurement.schedule.hash not in missing:
                continue
            missing.discard(measurement.schedule.hash)
            self._received.append(measurement)
            yield measurement
            self._given = len(self._received)
        if missing:
            self._ask(())
        if not self._received:
            raise MeasureError(
                "no client measured anything in time",
                hint="run `costmodel worker` where the target is",
            )

    def finished(self) -> list[Measurement]:
        """What came and was not yielded, or was the last to be."""
        left = self._received[self._given :]
        self._given = len(self._received)
        return left

    def _ask(self, schedules: Sequence[Schedule]) -> None:
        """From now on these are wanted, and no others."""
        wanted = [{"backend": one.backend, "text": one.text} for one in schedules]
        self._lines.send({"ask": wanted, "versions": self._versions})

    @property
    def _patience_s(self) -> float:
        left = self._budget.seconds_left
        return 1.0 if left is None else min(1.0, max(0.01, left))
