"""The trained network as a cost model: a fast look at all, and a good one at the best."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from costmodel.backends.choices import Choice, ChoiceReader
from costmodel.errors import CostModelError, InputError, UnsupportedError
from costmodel.models.base import Example, Query
from costmodel.models.levels import Levels
from costmodel.models.roofline import ASSUMED_LOG_STD, SCHEDULE_LOG_STD, rates_are_known
from costmodel.models.transformer.batches import by_length, schedule_batch
from costmodel.models.transformer.examples import tuned_schedule
from costmodel.models.transformer.inference import Estimates, estimate, in_threads, read
from costmodel.models.transformer.inputs import (
    ScheduleInput,
    WorkloadInput,
    check_choices,
    read_schedule,
    read_schedules,
    read_workload_input,
)
from costmodel.models.transformer.network import Memory
from costmodel.models.transformer.sites import choices_of, has_choices, reader_of
from costmodel.models.transformer.weights import Weights, familiar
from costmodel.records import Candidate, Prediction, Schedule, Target, Workload
from costmodel.tokens.stream import Variant

__all__ = ["Transformer"]

_Key = tuple[str, str, str]
_Input = tuple[str, ScheduleInput]
Array = NDArray[np.float64]
#: Workloads whose encoding is kept.
_KEPT = 64
#: Up to so many schedules the network reads all; of more, so many that the first stage likes.
_READ_ALL = 256
#: Schedules that the first stage looks at together, of like length.
_SKIMMED = 256
#: Of those that were read a quarter comes before any that was not.
_FIRST = 0.25
#: Predictions that are kept.
_KNOWN = 50_000
#: Stands for a schedule of which nothing can be read.
_UNREAD = "unread"
#: Half the width of a normal distribution's 90% interval, in standard deviations.
_HALF_90 = 1.645


@dataclass(frozen=True)
class _Read:
    """A workload that has been encoded."""

    input: WorkloadInput
    memory: Memory
    readers: Mapping[str, ChoiceReader]


class Transformer:
    """Predicts latency from the workload's text and the schedule's; a ``CostModel``.

    Measurements of a workload shift the level of its predictions, by backend; the order of
    schedules is the network's. ``knows`` says whether it can answer: not for another kind of
    target than those it was trained on, for other backends, and for functions with more operations
    than it reads. Thread-compatible, deterministic.
    """

    def __init__(self, weights: Weights, *, read_all: int = _READ_ALL) -> None:
        """Up to ``read_all`` schedules the network reads all, of more the best of a first look."""
        self._weights, self._read_all = weights, read_all
        self._read: OrderedDict[tuple[str, str, tuple[str, ...]], _Read] = OrderedDict()
        self._known: OrderedDict[_Key, tuple[float, float]] = OrderedDict()
        self._levels = Levels()

    @property
    def name(self) -> str:
        return "transformer"

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction a query, in order. Raises CostModelError for what it does not know."""
        answers: list[Prediction | None] = [None] * len(queries)
        groups: dict[tuple[str, str], list[int]] = defaultdict(list)
        for place, query in enumerate(queries):
            candidate = query.candidate
            groups[candidate.workload.hash, candidate.target.hash].append(place)
        for places in groups.values():
            found = self._predict([queries[place].candidate for place in places])
            for place, prediction in zip(places, found, strict=True):
                answers[place] = prediction
        return [answer for answer in answers if answer is not None]

    def expected_us(self, queries: Sequence[Query]) -> Array:
        """What the network says, without the level of what was measured; microseconds."""
        told = np.array([prediction.latency_us for prediction in self.predict(queries)])
        return np.asarray(told / np.exp(self._levels.shifts(queries)), np.float64)

    @property
    def tells_tuned(self) -> bool:
        """Whether it has learned what tuning finds."""
        return bool(self._weights.training.get("tuned", 1))

    def knows(self, queries: Sequence[Query]) -> bool:
        """Whether it can predict all of these."""
        candidates = {
            (q.candidate.workload.hash, q.candidate.target.hash): q.candidate for q in queries
        }
        backends = {q.candidate.schedule.backend for q in queries}
        return all(has_choices(q.candidate.schedule) for q in queries) and all(
            self.can_read(one.workload, one.target, backends) for one in candidates.values()
        )

    def can_read(self, workload: Workload, target: Target, backends: set[str]) -> bool:
        """Whether it can predict schedules of these backends for a workload and target."""
        return familiar(target, self._weights.targets) and not self.why_not(
            workload, target, backends
        )

    def why_not(self, workload: Workload, target: Target, backends: set[str]) -> str:
        """Why it does not read a workload; empty where it does."""
        try:
            self._reading(workload, target, backends)
        except CostModelError as error:
            return str(error)
        return ""

    def update(self, examples: Sequence[Example]) -> None:
        """Shift the level of the workloads measured; what is no schedule is passed over."""
        good = [e for e in examples if np.isfinite(e.latency_us) and self._reads(e.query)]
        self._levels.learn(good, self.expected_us([example.query for example in good]))

    def _reads(self, query: Query) -> bool:
        """Whether it knows this and can read the schedule: stores hold what anybody recorded."""
        one = query.candidate
        if not self.knows([query]):
            return False
        with suppress(InputError):
            _choices(one.schedule, self._reading(one.workload, one.target, {one.schedule.backend}))
            return True
        return False

    def forget(self, *, but: int = 0) -> None:
        """Forget predictions but for so many of the last, and with them what they take.

        With none it answers as if nothing had been asked: of many, those that were read before are
        known, so that others are read, and what is said of the same schedules changes from call to
        call.
        """
        while len(self._known) > but:
            self._known.popitem(last=False)

    def estimates(
        self, workload: Workload, target: Target, schedules: Sequence[Schedule]
    ) -> Estimates:
        """All that the network says of schedules, intervals calibrated, without any shift.

        Raises CostModelError for what it does not know.
        """
        one = self._reading(workload, target, {schedule.backend for schedule in schedules})
        return self._estimates(one, target, _inputs(schedules, one))

    def _estimates(self, one: _Read, target: Target, inputs: Sequence[_Input]) -> Estimates:
        found = estimate(self._weights.network, one.memory, inputs)
        calibration = self._weights.calibration
        default = np.array([read.whole for _, read in inputs])
        unread = np.array([read.words == (f"{name}:{_UNREAD}",) for name, read in inputs])
        widen = np.where(default, calibration.functions, calibration.schedules)
        widen = widen + np.where(unread, _HALF_90 * SCHEDULE_LOG_STD, 0.0)
        return _widened(found, widen + _of_rates(target))

    def wholes(self, workload: Workload, target: Target, backend: str) -> Estimates:
        """Of a workload as ``backend`` makes it by default, and of what tuning finds for it.

        Two estimates, intervals calibrated; nothing of a backend is imported. Raises
        UnsupportedError for a workload that is too large to be read.
        """
        one = self._reading(workload, target, set())
        default = (backend, read_schedule(backend, [Choice("default")], one.input))
        asked = [default, tuned_schedule(one.input)]
        found = estimate(self._weights.network, one.memory, asked)
        # Tuning never ends behind the default, which it measures as well.
        found = replace(found, log_us=np.minimum(found.log_us, found.log_us[0]))
        calibration = self._weights.calibration
        widen = np.array([calibration.functions, calibration.tuned])
        return _widened(found, widen + _of_rates(target))

    def _predict(self, candidates: Sequence[Candidate]) -> list[Prediction]:
        workload, target = candidates[0].workload, candidates[0].target
        schedules = [candidate.schedule for candidate in candidates]
        keys = [(workload.hash, target.hash, schedule.hash) for schedule in schedules]
        told = {key: self._known[key] for key in keys if key in self._known}
        new = {key: one for key, one in zip(keys, schedules, strict=True) if key not in told}
        if new:
            told |= self._cascade(workload, target, new)
        found = []
        for key, schedule in zip(keys, schedules, strict=True):
            log_us, std = told[key]
            shift = self._levels.shift(workload.hash, schedule.backend)
            found.append(Prediction(float(np.exp(log_us + shift)), std))
        return found

    def _cascade(
        self, workload: Workload, target: Target, schedules: Mapping[_Key, Schedule]
    ) -> dict[_Key, tuple[float, float]]:
        """Median and deviation (logarithms) of each: of many, the network reads the best alone."""
        keys, asked = list(schedules), list(schedules.values())
        one = self._reading(workload, target, {schedule.backend for schedule in asked})
        inputs = _inputs(asked, one)
        told, best = np.zeros(len(asked)), list(range(len(asked)))
        if len(asked) > self._read_all:
            told = self._skim(one, inputs)
            best = np.argsort(told, kind="stable")[: self._read_all].tolist()
        found = self._estimates(one, target, [inputs[place] for place in best])
        read, deviations = found.expected, _deviations(found)
        pairs = zip(read.tolist(), deviations.tolist(), strict=True)
        answers = dict(zip((keys[place] for place in best), pairs, strict=True))
        self._known |= answers
        self.forget(but=_KNOWN)
        # The others keep the first stage's order, at the level of those that were read, and none
        # of them comes before the best of these.
        level = float(np.median(read - told[best]))
        least = float(np.quantile(read, _FIRST))
        for place in sorted(set(range(len(asked))) - set(best)):
            answers[keys[place]] = max(float(told[place]) + level, least), float(deviations.max())
        return answers

    def skim(self, workload: Workload, target: Target, schedules: Sequence[Schedule]) -> Array:
        """What the first stage says: natural logarithms of microseconds."""
        one = self._reading(workload, target, {schedule.backend for schedule in schedules})
        return self._skim(one, _inputs(schedules, one))

    def _skim(self, one: _Read, inputs: Sequence[_Input]) -> Array:
        network, most = self._weights.network, one.memory.sites.shape[1] - 1
        told = np.zeros(len(inputs))

        def skim(places: Sequence[int]) -> None:
            those = [inputs[place] for place in places]
            batch = schedule_batch([those], network.choice_index, network.config.backends, most)
            with torch.inference_mode():
                told[places] = network.skim(one.memory, batch)[0].double().numpy()

        in_threads(skim, by_length([len(each.words) for _, each in inputs], _SKIMMED))
        return told

    def _reading(self, workload: Workload, target: Target, backends: set[str]) -> _Read:
        """The encoded workload. Raises UnsupportedError for one that is too large to be read."""
        for key in self._read:
            if key[:2] == (workload.hash, target.hash) and backends <= set(key[2]):
                self._read.move_to_end(key)
                return self._read[key]
        names = tuple(sorted(backends))
        read = self._encode(workload, target, names)
        self._read[workload.hash, target.hash, names] = read
        if len(self._read) > _KEPT:
            self._read.popitem(last=False)
        return read

    def _encode(self, workload: Workload, target: Target, backends: Sequence[str]) -> _Read:
        readers = {name: reader_of(name, workload, target) for name in backends}
        sites = {name: one.sites for name, one in readers.items()}
        weights = self._weights
        given = read_workload_input(
            workload, target, sites, weights.vocabulary,
            variant=Variant(weights.network.config.variant),
        )  # fmt: skip
        return _Read(given, read(weights.network, given), readers)


def _inputs(schedules: Sequence[Schedule], one: _Read) -> list[_Input]:
    """Backends and choices of schedules; of one that cannot be read, that nothing is known of it.

    Raises UsageError for a text that is no schedule.
    """
    listed = [(schedule.backend, _choices(schedule, one)) for schedule in schedules]
    read = read_schedules(listed, one.input)
    return [(backend, each) for (backend, _), each in zip(listed, read, strict=True)]


def _choices(schedule: Schedule, one: _Read) -> Sequence[Choice]:
    try:
        choices = choices_of(schedule, one.readers[schedule.backend])
        check_choices(choices)
    except UnsupportedError:
        return [Choice(_UNREAD)]
    return choices


def _of_rates(target: Target) -> float:
    """What either side of an interval lacks where the machine's rates are assumed."""
    return 0.0 if rates_are_known(target) else _HALF_90 * ASSUMED_LOG_STD


def _deviations(found: Estimates) -> Array:
    return np.asarray(np.maximum(found.high - found.low, 1e-3) / (2 * _HALF_90))


def _widened(found: Estimates, by: Array) -> Estimates:
    """With calibrated bounds, which never cross the median."""
    return replace(
        found,
        low=np.minimum(found.low - by, found.log_us),
        high=np.maximum(found.high + by, found.log_us),
    )
