"""A data set as the network is trained on it: workloads, their schedules and what these took."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from costmodel.backends.choices import Choice
from costmodel.corpus.read import Corpus, Trial
from costmodel.errors import CostModelError, UnsupportedError
from costmodel.models.transformer.inputs import (
    ScheduleInput,
    WorkloadInput,
    read_schedule,
    read_workload_input,
)
from costmodel.models.transformer.sites import BACKENDS, TUNED, choices_of, reader_of
from costmodel.tokens.stream import TokenStream, Variant
from costmodel.tokens.vocabulary import Vocabulary
from costmodel.tokens.writer import tokenize

__all__ = ["TARGETS", "Reader", "Task", "targets_of", "tuned_schedule"]

#: What is predicted of a schedule, in the columns of ``Task.targets``; NaN where not known.
TARGETS = (
    "log_us", "registers", "spills", "instructions", "code_bytes", "vector_share", "utilization",
    "failure",
)  # fmt: skip
#: Schedules that must have been measured for the best of them to be what tuning finds.
_ENOUGH = 40


def tuned_schedule(given: WorkloadInput) -> tuple[str, ScheduleInput]:
    """What stands for the fastest schedule."""
    return TUNED, read_schedule(TUNED, [Choice(TUNED)], given)


@dataclass(frozen=True)
class Task:
    """A workload on a target with its schedules; ``targets`` has a row a schedule.

    ``tuned`` is the logarithm of the best latency in microseconds, NaN where too few schedules were
    measured to tell.

    ``defaults`` are the rows of the untuned default, IREE's if it takes the function, by which
    functions are judged.
    """

    workload: str
    family: str
    input: WorkloadInput
    trials: tuple[Trial, ...]
    schedules: tuple[tuple[str, ScheduleInput], ...]
    targets: NDArray[np.float32]
    defaults: NDArray[np.intp]
    tuned: float

    @property
    def bare(self) -> WorkloadInput:
        """The workload as it is read for what is asked of it as a whole."""
        return self.input.without_sites()


class Reader:
    """Reads a corpus; streams are kept, since several models read the same.

    ``unread`` counts the measurements met so far that cannot be read: of functions that are too
    large, and of schedules of another version of a space.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.unread = 0
        self._corpus = corpus
        self._streams: dict[str, TokenStream] = {}

    def stream(self, key: str) -> TokenStream:
        """The tokens of a function of the corpus."""
        if key not in self._streams:
            self._streams[key] = tokenize(self._corpus.functions[key].workload)
        return self._streams[key]

    def tasks(
        self, keys: Iterable[str], vocabulary: Vocabulary, variant: Variant = Variant.VALUES
    ) -> list[Task]:
        """One task a function and target that was measured, in the order of ``keys``."""
        trials: dict[str, dict[str, list[Trial]]] = defaultdict(lambda: defaultdict(list))
        for trial in self._corpus.trials:
            trials[trial.workload][trial.target].append(trial)
        made = [
            self._task(key, target, those, vocabulary, variant)
            for key in keys
            for target, those in trials[key].items()
        ]
        return [task for task in made if task is not None]

    def _task(
        self,
        key: str,
        target: str,
        trials: Sequence[Trial],
        vocabulary: Vocabulary,
        variant: Variant,
    ) -> Task | None:
        """None where no schedule of it can be read."""
        function = self._corpus.functions[key]
        known = self._corpus.targets[target]
        backends = sorted({trial.schedule.backend for trial in trials} & {*BACKENDS})
        readers = {name: reader_of(name, function.workload, known) for name in backends}
        try:
            given = read_workload_input(
                function.workload, known, {name: one.sites for name, one in readers.items()},
                vocabulary, variant=variant, stream=self.stream(key),
            )  # fmt: skip
        except UnsupportedError:  # too large
            self.unread += len(trials)
            return None
        kept, schedules = [], []
        for trial in _once(trials):
            name = trial.schedule.backend
            try:
                if name not in readers:
                    raise UnsupportedError(f"schedules of {name} are not read")
                read = read_schedule(name, choices_of(trial.schedule, readers[name]), given)
            except CostModelError:  # of another version of the space, or longer than what is read
                self.unread += 1
                continue
            kept.append(trial)
            schedules.append((name, read))
        if not kept:
            return None
        defaults = [n for n, trial in enumerate(kept) if trial.is_default]
        # Of loops there is TVM's alone.
        by_iree = [n for n in defaults if kept[n].schedule.backend == "iree"]
        return Task(
            workload=key,
            family=function.family,
            input=given,
            trials=tuple(kept),
            schedules=tuple(schedules),
            targets=np.stack([targets_of(trial, given) for trial in kept]),
            defaults=np.array(by_iree or defaults, np.intp),
            tuned=_tuned(kept),
        )


def targets_of(trial: Trial, given: WorkloadInput) -> NDArray[np.float32]:
    """The row of ``Task.targets`` of one measurement."""
    if not trial.ok:
        return np.array([math.nan] * (len(TARGETS) - 1) + [1.0], np.float32)
    use = given.peak_us / trial.latency_us
    return np.array([
        math.log(trial.latency_us), trial.vector_registers, math.log1p(trial.spills),
        math.log1p(trial.instructions), math.log1p(trial.code_bytes),
        trial.vector_instructions / max(1.0, trial.instructions), min(1.0, use), 0.0,
    ], np.float32)  # fmt: skip


def _tuned(trials: Sequence[Trial]) -> float:
    good = [trial.latency_us for trial in trials if trial.ok]
    return math.log(min(good)) if len(good) >= _ENOUGH else math.nan


def _once(trials: Sequence[Trial]) -> list[Trial]:
    """Of schedules measured several times the measurement whose latency is the median."""
    found: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        found[trial.schedule.hash].append(trial)
    return [
        sorted(those, key=lambda trial: trial.latency_us)[(len(those) - 1) // 2]
        for those in found.values()
    ]
