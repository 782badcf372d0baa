"""What tuning, predicting and ranking share: workload, target, backend, and what is known."""

from __future__ import annotations

import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from costmodel.amounts import counted
from costmodel.backends.base import Backend, Features, SearchSpace, sets_aside
from costmodel.ir import Analysis, Origin, analyze, read_located
from costmodel.models.base import Example, Query
from costmodel.models.outside import Chosen, Outside
from costmodel.records import (
    Candidate,
    Environment,
    Measurement,
    Schedule,
    SourceLocation,
    Target,
    TimingPolicy,
    Workload,
)
from costmodel.store.base import MeasurementStore
from costmodel.tally import Tally

if TYPE_CHECKING:
    from costmodel.models.by_backend import ByBackend

__all__ = ["Session", "open_session", "store_path", "stored_examples"]

#: Examples that one other workload gives to a warm start; more would only repeat themselves.
_EXAMPLES_EACH = 48


@dataclass(frozen=True)
class Session:
    """One workload on one target with one backend; ``place`` is where its function begins.

    ``origin`` is the input that it was read from, if it was read from one.
    """

    place: SourceLocation
    workload: Workload
    analysis: Analysis
    target: Target
    backend: Backend
    policy: TimingPolicy
    origin: Origin | None = None
    #: The folder of the trained model; None for that of the package.
    weights: Path | None = None
    #: Where the trained model is asked for, and measurements are shared, instead.
    outside: Outside | None = None

    @cached_property
    def space(self) -> SearchSpace:
        """Raises UnsupportedError, placed in the input file, for what cannot be scheduled."""
        from costmodel.errors import UnsupportedError

        try:
            return self.backend.space(self.workload, self.target)
        except UnsupportedError as error:
            if error.location is None:
                error.location = self.place
            raise

    @property
    def target_name(self) -> str:
        return f"{self.target.cpu}, {counted(self.target.threads, 'thread')}"

    def exchange(self, store: MeasurementStore) -> None:
        """Share with ``outside``, where there is one, what ``store`` and it know of this workload.

        Raises what Outside.exchange raises.
        """
        if self.outside is not None:
            self.outside.exchange(self.workload, self.target, store)

    def known(self, store: MeasurementStore) -> dict[str, list[Measurement]]:
        """Measurements of this workload under this key, by schedule hash.

        Those of schedules that the space does not accept are left out, with a warning: stores are
        shared, and what others put in may be damaged. There is no warning for those of another
        space of this workload: with a transform script, with another one, or without.
        """
        found: dict[str, list[Measurement]] = defaultdict(list)
        for measurement in self.measurements(store):
            found[measurement.schedule.hash].append(measurement)
        good = {key: ms for key, ms in found.items() if self.space.accepts(ms[0].schedule)}
        left_out = [ms[0].schedule for key, ms in found.items() if key not in good]
        bad = [schedule for schedule in left_out if not sets_aside(self.space, schedule)]
        if bad:
            warnings.warn(
                f"{len(bad)} of {len(found)} stored schedules of "
                f"{self.workload.function} cannot be replayed and are left out",
                stacklevel=2,
            )
        return good

    def measurements(self, store: MeasurementStore) -> Iterator[Measurement]:
        """What this workload's schedules took here, by the toolchains and the policy of now."""
        return self._measurements(store, self.workload.hash)

    def counts(self, measurement: Measurement) -> bool:
        """Whether a measurement is by a toolchain and the policy of now."""
        toolchain = self._toolchains.get(measurement.schedule.backend)
        made = measurement.environment.toolchain
        return made == toolchain and measurement.policy == self.policy

    @cached_property
    def _toolchains(self) -> dict[str, str]:
        """By backend, the hash of its versions."""
        return {
            part.name: Environment(dict(part.versions()), {}).toolchain
            for part in self.backend.parts
        }

    def _measurements(self, store: MeasurementStore, workload: str) -> Iterator[Measurement]:
        for backend, toolchain in self._toolchains.items():
            yield from store.measurements(
                workload=workload,
                target=self.target.hash,
                backend=backend,
                toolchain=toolchain,
                policy=self.policy.hash,
            )

    def features(self, store: MeasurementStore) -> dict[str, Features]:
        """What the store has kept of this workload's schedules, by schedule hash."""
        return {
            schedule: features
            for space in self.space.parts.values()
            for _, schedule, features in store.features(
                space.feature_set, workload=self.workload.hash
            )
        }

    def query(self, schedule: Schedule, features: Features) -> Query:
        return Query(Candidate(self.workload, schedule, self.target), features)

    def stored(self, store: MeasurementStore) -> Tally:
        """As ``tally``, without asking a space what it accepts, for which compilers are run."""
        return Tally(self.measurements(store))

    def tally(self, store: MeasurementStore) -> Tally:
        """Latencies of this workload's schedules, as far as the store knows them."""
        return Tally(one for measurements in self.known(store).values() for one in measurements)

    @cached_property
    def trained(self) -> Chosen:
        """The trained model, or why there is none for this workload and target."""
        names = {part.name for part in self.backend.parts}
        if self.outside is not None:
            return self.outside.choose(self.workload, self.target, names)
        from costmodel.models.shipped import choose

        return choose(self.workload, self.target, names, self.weights)

    def examples(
        self, store: MeasurementStore, space: SearchSpace, *, own: bool, others: bool = True
    ) -> Iterator[Example]:
        """What the store knows of workloads on this target, for a warm start.

        ``space`` is the part whose features are wanted. Of this workload only with ``own``: a
        search learns from its own measurements by itself. Of others only with ``others``.
        """
        return stored_examples(
            store,
            lambda workload: self._measurements(store, workload),
            self.target,
            space.feature_set,
            lambda workload: own if workload == self.workload.hash else others,
        )

    def model(self, store: MeasurementStore, seed: int, *, own: Tally | None = None) -> ByBackend:
        """The trained model corrected by XGBoost, with the roofline where that misleads.

        Where the trained model does not know the target or the workload, XGBoost corrects the
        roofline and is started from what the store knows of other workloads. One XGBoost for each
        backend: what a compiler makes of a schedule says nothing of another's, but both are
        latencies, so that they compete for the same trials. ``own`` is what is known of this
        workload, for a model that is to begin with that.
        """
        from costmodel.models.boosted import Boosted
        from costmodel.models.by_backend import ByBackend
        from costmodel.models.guard import Guarded
        from costmodel.models.roofline import Roofline

        base = self.trained.model

        def started(space: SearchSpace) -> Guarded:
            examples = list(self.examples(store, space, own=own is not None, others=base is None))
            return Guarded(Boosted(examples, seed=seed, base=base), Roofline())

        models = {name: started(space) for name, space in self.space.parts.items()}
        if own is not None and base is not None:
            base.update(self._without_features(store, own))
        return ByBackend(models)

    def _without_features(self, store: MeasurementStore, own: Tally) -> list[Example]:
        """What the store knows of this workload's schedules of which it has no features.

        Such as came from an oracle: they say at which level the workload is.
        """
        told, none = self.features(store), np.zeros((0, 0), np.float32)
        return [
            Example(self.query(schedule, none), latency_us)
            for schedule, latency_us in own.ranked()
            if schedule.hash not in told
        ]


def stored_examples(
    store: MeasurementStore,
    measured: Callable[[str], Iterator[Measurement]],
    target: Target,
    feature_set: str,
    wanted: Callable[[str], bool] = lambda workload: True,
) -> Iterator[Example]:
    """What a store knows of workloads on ``target``, whose features it has under ``feature_set``.

    ``measured`` gives the measurements of a workload (its hash) that count, ``wanted`` says which
    workloads do. Of each schedule the latest, and of a workload no more than the last few dozen.
    """
    stored: dict[str, dict[str, Features]] = defaultdict(dict)
    for key, schedule, features in store.features(feature_set):
        if wanted(key):
            stored[key][schedule] = features
    for key, rows in stored.items():
        workload = store.workload(key)
        if workload is None:
            continue
        latest = {one.schedule.hash: one for one in measured(key)}
        for schedule_hash in list(latest)[-_EXAMPLES_EACH:]:
            if schedule_hash in rows:
                measurement = latest[schedule_hash]
                candidate = Candidate(workload, measurement.schedule, target)
                yield Example(Query(candidate, rows[schedule_hash]), measurement.latency_us)


def store_path(store: str | os.PathLike[str] | None) -> Path | None:
    """None stands for the default store."""
    return None if store is None else Path(store)


def open_session(
    source: str | os.PathLike[str],
    *,
    function: str | None,
    target: str,
    backend: str,
    threads: int | None,
    tunable: bool = True,
    policy: TimingPolicy | None = None,
    measure: bool = True,
    weights: str | os.PathLike[str] | None = None,
    outside: Outside | None = None,
) -> Session:
    """Read the input and resolve the names. Writes nothing but the machine's rates.

    Without ``measure`` the target has those only where they were measured before.

    Raises InputError (and its kinds) for an input, target, backend or function that cannot be
    used, with the place in the file where one is known; with ``tunable`` also for a function
    that can only be analysed.
    """
    from costmodel.backends.registry import load
    from costmodel.target import parse_target

    workload, origin = read_located(source, function=function, tunable=tunable)
    chosen = load(backend)
    device = parse_target(target, threads=threads, measure=measure)
    return Session(
        origin.place, workload, analyze(workload), device, chosen, policy or TimingPolicy(), origin,
        None if weights is None else Path(weights), outside,
    )  # fmt: skip
