"""Judging weights on a data set: by families, shapes and kernels that training never saw."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from costmodel.corpus.export import MANIFEST
from costmodel.corpus.read import read_corpus
from costmodel.corpus.splits import read_rules, split
from costmodel.corpus.tables import sha256
from costmodel.errors import UsageError
from costmodel.learning.measures import (
    Ranked,
    function_columns,
    measured_columns,
    ranked,
    tuned_columns,
    with_defaults,
    with_tuned,
)
from costmodel.learning.scores import FunctionScore, ScheduleScore, score_functions, score_schedules

if TYPE_CHECKING:
    from costmodel.corpus.read import Corpus
    from costmodel.corpus.splits import Split
    from costmodel.models.transformer.examples import Reader, Task
    from costmodel.models.transformer.weights import Weights

__all__ = ["BASELINES", "Evaluation", "Row", "evaluate"]

Array = NDArray[np.float64]
#: Trees and lines that take seconds; what takes minutes; steps of the latter, in which they see as
#: many functions as the transformer does.
BASELINES = ("none", "fast", "all")
_SEQUENCE_STEPS = 1500
#: Fewer schedules than these make no task to rank.
_LEAST = 8


@dataclass(frozen=True)
class Row:
    """What one model scores on one part of the data, and there in one family or in all.

    ``level`` is "function" or "schedule"; ``of`` says which schedules: the "default", what tuning
    finds ("tuned"), those of "all" backends or of one.
    """

    part: str
    family: str
    model: str
    level: str
    of: str
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """All rows, and what they were made from: SHA-256 of the manifest and of the weights' facts.

    ``leaked`` counts the functions held out here that the weights were trained, chosen or
    calibrated on, whatever data they came from then: no model is judged by them. ``unread`` counts
    measurements of the judged functions that no model reads, of another version of the space say.
    """

    data: str
    weights: str
    parts: Mapping[str, int]
    leaked: int
    unread: int
    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON has no NaN: what is not known is null."""
        rows = [
            {**asdict(row), "scores": {name: value if math.isfinite(value) else None
                                       for name, value in row.scores.items()}}
            for row in self.rows
        ]  # fmt: skip
        return {**asdict(self), "rows": rows}


class _FunctionModel(Protocol):
    @property
    def name(self) -> str: ...
    def fit(self, train: Sequence[Task], validation: Sequence[Task]) -> None: ...
    def predict(self, tasks: Sequence[Task]) -> dict[str, Array]: ...


class _ScheduleModel(Protocol):
    @property
    def name(self) -> str: ...
    def fit(self, train: Sequence[Task], validation: Sequence[Task]) -> None: ...
    def scores(self, tasks: Sequence[Task]) -> list[Array]: ...


def evaluate(
    data: Path,
    weights: Path,
    *,
    baselines: str = "fast",
    seed: int = 0,
    listener: Callable[[str], None] = lambda _: None,
) -> Evaluation:
    """Judge weights, and train and judge baselines, on the parts that training never saw.

    ``baselines`` is one of BASELINES. Raises UsageError for data or weights that cannot be used.
    """
    from costmodel.models.transformer.examples import Reader
    from costmodel.models.transformer.weights import FACTS, load_weights
    from costmodel.tokens.stream import Variant

    if baselines not in BASELINES:
        raise UsageError(f"baselines are {', '.join(BASELINES)}, not {baselines!r}")
    listener("reading")
    loaded, corpus = load_weights(weights), read_corpus(data)
    parts = split(corpus, read_rules(data))
    judged = {name: _unlearned(keys, loaded) for name, keys in parts.tests.items()}
    if not any(judged.values()):
        raise UsageError("the weights learned from every function that is held out here")
    reader, variant = Reader(corpus), Variant(loaded.network.config.variant)
    tasks = {
        name: reader.tasks(sorted(keys), loaded.vocabulary, variant)
        for name, keys in judged.items()
    }
    unread = reader.unread
    if baselines != "none":
        tasks |= {
            name: reader.tasks(sorted(getattr(parts, name)), loaded.vocabulary, variant)
            for name in ("train", "validation")
        }
    listener("the transformer")
    rows = list(_of_transformer(loaded, {name: tasks[name] for name in judged}))
    if baselines != "none":
        rows += _of_baselines(corpus, reader, loaded, tasks, parts, baselines, seed, listener)
    return Evaluation(
        data=sha256(data / MANIFEST),
        weights=sha256(weights / FACTS),
        parts={name: len(getattr(parts, name)) for name in parts.__dataclass_fields__},
        leaked=sum(len(keys) for keys in parts.tests.values()) - sum(map(len, judged.values())),
        unread=unread,
        rows=tuple(rows),
    )


def _unlearned(keys: frozenset[str], weights: Weights) -> frozenset[str]:
    from costmodel.models.transformer.weights import LEARNED_DIGITS

    return frozenset(key for key in keys if key[:LEARNED_DIGITS] not in weights.learned)


def _of_transformer(weights: Weights, tasks: Mapping[str, Sequence[Task]]) -> list[Row]:
    rows = []
    for part, those in tasks.items():
        single = with_defaults(those)
        if single:
            columns = function_columns(weights.network, single, weights.calibration)
            rows += _function_rows(part, "transformer", single, columns)
        known = with_tuned(those)
        if known:
            columns = tuned_columns(weights.network, known, weights.calibration)
            rows += _function_rows(part, "transformer", known, columns, of="tuned")
        found = ranked(weights.network, those, weights.calibration, least=_LEAST)
        rows += _schedule_rows(part, "transformer", found)
    return rows


def _of_baselines(
    corpus: Corpus,
    reader: Reader,
    weights: Weights,
    tasks: Mapping[str, Sequence[Task]],
    parts: Split,
    which: str,
    seed: int,
    listener: Callable[[str], None],
) -> list[Row]:
    rows: list[Row] = []
    train, validation = with_defaults(tasks["train"]), with_defaults(tasks["validation"])
    if not train or not validation:
        raise UsageError("baselines have nothing to learn from: no default of the parts 'train' "
                         "and 'validation' was timed")  # fmt: skip
    for model in _function_models(reader, weights, train, which, seed):
        listener(model.name)
        model.fit(train, validation)
        for part in parts.tests:
            single = with_defaults(tasks[part])
            if single:
                columns = model.predict(single) | measured_columns(single)
                rows += _function_rows(part, model.name, single, columns)
    many = {name: [t for t in those if len(t.trials) >= _LEAST] for name, those in tasks.items()}
    if many["train"] and many["validation"]:
        listener("features of programs")
        for choice in _schedule_models(corpus, reader, weights, many, which, seed):
            listener(choice.name)
            choice.fit(many["train"], many["validation"])
            for part in parts.tests:
                if many[part]:
                    scores = choice.scores(many[part])
                    rows += _schedule_rows(part, choice.name, _ranked(many[part], scores))
    return rows


def _function_models(
    reader: Reader, weights: Weights, train: Sequence[Task], which: str, seed: int
) -> list[_FunctionModel]:
    from costmodel.learning.counts import BoostedCounts, Counts, RidgeCounts, RooflineFunctions

    counts = Counts(reader, train)
    found: list[_FunctionModel] = [
        RooflineFunctions(), RidgeCounts(counts), BoostedCounts(counts, seed=seed)
    ]  # fmt: skip
    if which == "all":
        from costmodel.learning.sequences import SequenceModel

        words = len(weights.vocabulary)
        found += [
            SequenceModel(kind, words, steps=_SEQUENCE_STEPS, seed=seed)
            for kind in ("lstm", "conv")
        ]
    return found


def _schedule_models(
    corpus: Corpus,
    reader: Reader,
    weights: Weights,
    many: Mapping[str, Sequence[Task]],
    which: str,
    seed: int,
) -> list[_ScheduleModel]:
    from costmodel.learning.configurations import (
        BoostedChoices,
        BoostedPrograms,
        Programs,
        RooflinePrograms,
    )
    from costmodel.learning.counts import Counts

    words = weights.network.config.choice_words
    found: list[_ScheduleModel] = [
        BoostedChoices(Counts(reader, many["train"]), words, seed=seed)
    ]  # fmt: skip
    if which == "all":
        programs = Programs(corpus, [task for those in many.values() for task in those])
        found += [RooflinePrograms(programs), BoostedPrograms(programs, seed=seed)]
    return found


def _ranked(tasks: Sequence[Task], scores: Sequence[Array]) -> list[Ranked]:
    return [
        Ranked(
            task.family, tuple(trial.schedule.backend for trial in task.trials), score,
            task.targets[:, 0].astype(np.float64),
        )
        for task, score in zip(tasks, scores, strict=True)
    ]  # fmt: skip


def _function_rows(
    part: str,
    model: str,
    tasks: Sequence[Task],
    columns: Mapping[str, Array],
    *,
    of: str = "default",
) -> list[Row]:
    families = np.array([task.family for task in tasks])
    rows = []
    for family in ("", *sorted(set(families))):
        those = np.ones(len(tasks), bool) if not family else families == family
        score: FunctionScore = score_functions({name: c[those] for name, c in columns.items()})
        rows.append(Row(part, family or "all", model, "function", of, asdict(score)))
    return rows


def _schedule_rows(part: str, model: str, found: Sequence[Ranked]) -> list[Row]:
    rows = []
    for of in ("all", "tvm"):
        shown = [one if of == "all" else one.only(of) for one in found]
        shown = [one for one in shown if len(one.score) >= _LEAST]
        # A model that reads the programs of one backend alone says nothing of the others.
        if of == "all" and not all(np.isfinite(one.score).all() for one in shown):
            continue
        for family in ("", *sorted({one.family for one in shown})):
            those = [one.columns() for one in shown if not family or one.family == family]
            if those:
                score: ScheduleScore = score_schedules(those)
                rows.append(Row(part, family or "all", model, "schedule", of, asdict(score)))
    return rows
