"""What one run of ``tune`` has seen, kept as it comes: in memory, and in the store."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from costmodel.errors import StoreError, StoreFullError, StoreLockedError
from costmodel.models.roofline import bound_us
from costmodel.records import Measurement, Outcome, Prediction, Schedule
from costmodel.results import ProgressListener, Source, TrialRecord, TuneStart
from costmodel.session import Session
from costmodel.store.base import MeasurementStore
from costmodel.tally import Tally

__all__ = ["Run"]

#: A store that cannot be written costs a message and a rescue file, never the run.
_StoreTrouble = StoreError | StoreFullError


@dataclass
class Run:
    """One run: what was known when it began, what was measured since, what is to be said of it.

    ``known`` holds the store's measurements of this workload, by schedule hash; ``started`` is
    by ``time.monotonic``. ``measured`` has the measurements of the trials and of the final.
    """

    session: Session
    store: MeasurementStore
    listener: ProgressListener
    started: float
    known: Mapping[str, Sequence[Measurement]]
    default: Schedule
    measured: list[Measurement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    interrupted: bool = False
    _ids: set[str] = field(default_factory=set)
    _stored_trials: list[TrialRecord] = field(init=False)
    _trials: dict[str, TrialRecord] = field(default_factory=dict)
    _unsaved: list[Measurement] = field(default_factory=list)
    _trouble: _StoreTrouble | None = None
    _refused: list[Measurement] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stored_trials = [
            _stored_trial(index, measurements, self.tally.latency_us(measurements[0].schedule))
            for index, measurements in enumerate(self.known.values())
        ]

    @property
    def trials(self) -> list[TrialRecord]:
        """The trials that this run made."""
        return list(self._trials.values())

    @property
    def history(self) -> list[TrialRecord]:
        """Each schedule that was known, as a trial of its own kind, then those of this run."""
        return [*self._stored_trials, *self._trials.values()]

    @cached_property
    def tally(self) -> Tally:
        """Latencies of all that is known and measured."""
        return Tally(self.stored())

    def stored(self) -> list[Measurement]:
        """What was known when the run began."""
        return [one for measurements in self.known.values() for one in measurements]

    def announce(self, trials: int, seconds: float | None) -> None:
        """Tell the listener what is known before the first trial."""
        session = self.session
        self.listener.on_start(
            TuneStart(
                workload=session.workload.hash,
                function=session.workload.function,
                target=session.target_name,
                backend=session.backend.name,
                trials=trials,
                seconds=seconds,
                flops=session.analysis.flops,
                bytes=session.analysis.bytes,
                roofline_us=bound_us(session.analysis, session.target),
                stored=len(self.known),
            )
        )

    def keep(self, measurements: Iterable[Measurement]) -> None:
        """Remember and store measurements; those that were given before are left out.

        After the store has refused some, more are offered only by ``save``: waiting again and
        again for a locked store would take longer than measuring.
        """
        outside = self.session.outside
        for measurement in measurements:
            if measurement.id not in self._ids:
                if outside is not None:
                    outside.offer([measurement])
                self._unsaved.append(measurement)
                self.measured.append(measurement)
                self.tally.add(measurement)
                self._ids.add(measurement.id)
        if self._trouble is None:
            self.save()

    def save(self) -> None:
        """Store what has not been offered to the store yet; it rescues what it cannot take."""
        if not self._unsaved:
            return
        try:
            self.store.add(self._unsaved)
        except (StoreError, StoreFullError) as error:
            self._trouble = error
            self._refused += self._unsaved
        self._unsaved.clear()

    def keep_features(self, schedules: Sequence[Schedule]) -> None:
        """Store the features of schedules, which spares later runs the making of them."""
        if self._trouble is not None or not schedules:
            return
        try:
            for name, space in self.session.space.parts.items():
                own = [schedule for schedule in schedules if schedule.backend == name]
                rows = list(zip(own, space.features(own), strict=True))
                self.store.add_features(space.feature_set, self.session.workload.hash, rows)
        except (StoreError, StoreFullError) as error:
            self._trouble = error

    def settle(self) -> None:
        """Save all, and offer again what was refused; a trouble that is over by now is a note."""
        self.save()
        first = self._trouble
        if first is not None and (self._refused or isinstance(first, StoreLockedError)):
            try:
                self.store.add(self._refused)
            except (StoreError, StoreFullError) as error:
                self._trouble = error
            else:
                self.notes.append(f"everything is stored by now, but: {first.message}")
                self._trouble = None
        if self._trouble is not None:
            count = len(self._refused)
            lost = f"{count} measurements are not in the store: " if count else ""
            self.problems.append(f"{lost}{self._trouble}")
        self._trouble, self._refused = None, []

    def part(self) -> None:
        """Give what is shared with others the time to arrive there, and note what did not."""
        if self.session.outside is not None:
            self.notes += self.session.outside.settle()

    def report(
        self, measurement: Measurement, prediction: Prediction | None, source: Source
    ) -> None:
        """Enter a trial into the history and tell the listener, once for each measurement."""
        if measurement.id in self._trials:
            return
        low, high = prediction.interval() if prediction else (None, None)
        trial = TrialRecord(
            index=len(self._stored_trials) + len(self._trials),
            schedule_hash=measurement.schedule.hash,
            outcome=measurement.outcome,
            latency_us=measurement.latency_us if measurement.ok else None,
            predicted_us=prediction.latency_us if prediction else None,
            predicted_low_us=low,
            predicted_high_us=high,
            elapsed_s=time.monotonic() - self.started,
            source=source,
            error=measurement.error,
            backend=measurement.schedule.backend,
        )
        self._trials[measurement.id] = trial
        self.listener.on_trial(trial, self.tally.best_us)


def _stored_trial(
    index: int, measurements: Sequence[Measurement], latency_us: float
) -> TrialRecord:
    """An earlier run's trial, which costs this one nothing."""
    correct = math.isfinite(latency_us)
    failures = [one for one in measurements if not one.ok]
    return TrialRecord(
        index=index,
        schedule_hash=measurements[0].schedule.hash,
        outcome=Outcome.OK if correct or not failures else failures[-1].outcome,
        latency_us=latency_us if correct else None,
        predicted_us=None,
        predicted_low_us=None,
        predicted_high_us=None,
        elapsed_s=0.0,
        source="stored",
        error=failures[-1].error if failures and not correct else "",
        backend=measurements[0].schedule.backend,
    )
