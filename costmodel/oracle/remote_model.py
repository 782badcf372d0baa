"""The oracle's trained model as a model of this process, with what has been measured here."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from costmodel.errors import CostModelError
from costmodel.models.base import Example, Query
from costmodel.models.levels import Levels
from costmodel.models.roofline import SCHEDULE_LOG_STD, estimates_us
from costmodel.oracle.client import Client
from costmodel.records import Prediction, Schedule

__all__ = ["RemoteModel"]

Array = NDArray[np.float64]
_Key = tuple[str, str, str]

#: Seconds after which an oracle that was away is asked again, at first and at the most.
_PAUSE_S, _LONGEST_S = 30.0, 600.0


class RemoteModel:
    """Asks the oracle what it expects of schedules, each once; a ``BaseModel``.

    What is measured here shifts the level of a workload's predictions. The oracle shifts it too,
    by what it gets to know meanwhile: a schedule that it was asked before is asked again with each
    request, so that all answers are brought to the level of the first.

    Where the oracle cannot be asked, the roofline says what was not asked before, at the level of
    the oracle's answers, and ``trouble`` says so; after a while the oracle is asked again.
    """

    def __init__(
        self, client: Client, model: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``model`` is what the oracle calls its model, until it answers."""
        self._client, self._model, self._clock = client, model, clock
        self._levels = Levels()
        #: Median and deviation, logarithms, by workload, target and schedule.
        self._told: dict[_Key, tuple[float, float]] = {}
        #: By workload, target and backend, a schedule and what was said of it at first.
        self._anchors: dict[_Key, tuple[Schedule, float]] = {}
        #: By the same, how far answers are from the roofline's (logarithms).
        self._over: dict[_Key, list[float]] = defaultdict(list)
        self._pause_s, self._closed_until = _PAUSE_S, -math.inf
        #: What the user should know of answers that could not be had; empty if there were none.
        self.trouble = ""

    @property
    def name(self) -> str:
        return f"oracle ({self._model})"

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction a query, in order; latencies in microseconds."""
        expected, deviations = self._expected(queries)
        logs = expected + self._levels.shifts(queries)
        pairs = zip(np.exp(logs).tolist(), deviations.tolist(), strict=True)
        return [Prediction(latency_us, deviation) for latency_us, deviation in pairs]

    def expected_us(self, queries: Sequence[Query]) -> Array:
        """What the oracle says, without the level of what was measured here; microseconds."""
        return np.asarray(np.exp(self._expected(queries)[0]), np.float64)

    def knows(self, queries: Sequence[Query]) -> bool:
        """Whether the oracle has answered all of these, or can be asked."""
        return self._open or all(_key(query) in self._told for query in queries)

    def update(self, examples: Sequence[Example]) -> None:
        """Shift the level of the workloads measured."""
        good = [each for each in examples if math.isfinite(each.latency_us)]
        self._ask([each.query for each in good])
        known = [each for each in good if _key(each.query) in self._told]
        if known:
            self._levels.learn(known, self.expected_us([each.query for each in known]))

    @property
    def _open(self) -> bool:
        return self._clock() >= self._closed_until

    def _expected(self, queries: Sequence[Query]) -> tuple[Array, Array]:
        """Logarithms of medians, and deviations."""
        self._ask(queries)
        logs, deviations = np.zeros(len(queries)), np.full(len(queries), SCHEDULE_LOG_STD)
        unknown = []
        for place, query in enumerate(queries):
            told = self._told.get(_key(query))
            if told is None:
                unknown.append(place)
            else:
                logs[place], deviations[place] = told
        if unknown:
            rest = [queries[place] for place in unknown]
            logs[unknown] = np.log(estimates_us(rest)) + [self._above(query) for query in rest]
        return logs, deviations

    def _above(self, query: Query) -> float:
        """How far the oracle's answers are from the roofline's, so that both may compete."""
        over = self._over.get(_group(query))
        return median(over) if over else 0.0

    def _ask(self, queries: Sequence[Query]) -> None:
        """Have the oracle answer what it was not asked yet, if it can be asked."""
        missing: dict[tuple[str, str], dict[str, Query]] = defaultdict(dict)
        for query in queries:
            workload, target, schedule = _key(query)
            if (workload, target, schedule) not in self._told:
                missing[workload, target][schedule] = query
        for group in missing.values():
            if not self._open:
                return
            try:
                self._learn(list(group.values()))
                self._pause_s = _PAUSE_S
            except CostModelError as error:
                self._closed_until = self._clock() + self._pause_s
                self._pause_s = min(2 * self._pause_s, _LONGEST_S)
                self.trouble = (
                    f"the oracle did not rank all that was asked: {error.message}; the roofline "
                    "did in its place"
                )

    def _learn(self, queries: Sequence[Query]) -> None:
        """Ask about schedules of one workload on one target."""
        candidate = queries[0].candidate
        anchors = {}
        for query in queries:
            group = _group(query)
            if group in self._anchors:
                anchors[group] = self._anchors[group]
        schedules = [schedule for schedule, _ in anchors.values()]
        schedules += [query.candidate.schedule for query in queries]
        scores = self._client.rank_schedules(candidate.workload, schedules, candidate.target)
        self._model = scores.model
        logs = [math.log(one.latency_us) for one in scores.predictions]
        pairs = zip(anchors.items(), logs, strict=False)
        moved = {group: now - first for (group, (_, first)), now in pairs}
        estimates = np.log(estimates_us(queries))
        answers = zip(queries, logs[len(anchors) :], scores.predictions[len(anchors) :],
                      estimates.tolist(), strict=True)  # fmt: skip
        for query, log_us, prediction, estimate in answers:
            group = _group(query)
            log_us -= moved.get(group, 0.0)
            self._told[_key(query)] = log_us, prediction.log_std
            self._anchors.setdefault(group, (query.candidate.schedule, log_us))
            self._over[group].append(log_us - estimate)


def _key(query: Query) -> _Key:
    candidate = query.candidate
    return candidate.workload.hash, candidate.target.hash, candidate.schedule.hash


def _group(query: Query) -> _Key:
    candidate = query.candidate
    return candidate.workload.hash, candidate.target.hash, candidate.schedule.backend
