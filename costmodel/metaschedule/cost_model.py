"""MetaSchedule's cost model, answered by ours."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm.ir.utils import derived_object
from tvm.s_tir import meta_schedule as ms

import costmodel.metaschedule.intrinsics  # noqa: F401
from costmodel.backends.base import Features
from costmodel.errors import CostModelError, UnsupportedError
from costmodel.metaschedule.local import local_model
from costmodel.metaschedule.programs import Program
from costmodel.metaschedule.traces import schedule_of
from costmodel.metaschedule.workspace import INTERRUPTED, Workspace
from costmodel.models.base import CostModel, Example, Query
from costmodel.records import Candidate, Schedule

__all__ = ["ModelTroubleWarning", "OracleCostModel"]


class ModelTroubleWarning(UserWarning):
    """The model that was given does not answer for a program; a local one does."""


@derived_object
class OracleCostModel(ms.cost_model.PyCostModel):  # type: ignore[misc]
    """A ``CostModel`` for ``tune_tir`` that asks a cost model of ours.

    ``database`` is the ``StoreDatabase`` that the tuning uses. ``model`` is anything with the
    interface of ``costmodel.models.base.CostModel``, one that asks an oracle too. By default it is
    a local one for each program: of ``kernel_module`` the trained model, corrected by XGBoost; of
    any other XGBoost on MetaSchedule's features, which corrects the roofline and starts from what
    the store knows. Where ``model`` does not know a program, the local one answers.
    """

    def __init__(self, database: Any, model: CostModel | None = None, *, seed: int = 0) -> None:
        super().__init__()
        self._workspace: Workspace = database.workspace
        self._given, self._seed = model, seed
        self._local: dict[str, CostModel] = {}
        self._scale_us: dict[str, float] = {}
        self._extractor = ms.feature_extractor.PerStoreFeature()

    def load(self, path: str) -> None:
        """Raises UnsupportedError: the store has all that this model learns from."""
        raise _kept_in_the_store()

    def save(self, path: str) -> None:
        """Raises UnsupportedError: the store has all that this model learns from."""
        raise _kept_in_the_store()

    def predict(self, context: Any, candidates: list[Any]) -> NDArray[np.float64]:
        """Predicted speeds, higher is better; shape (candidates,), float64, above zero.

        A score is the latency of the fastest that was predicted first, over the candidate's:
        MetaSchedule draws parents by their scores, so that these must be in proportion to speed.
        """
        if not candidates:
            return np.zeros(0)
        program = self._enter(context)
        found = self._features(context, candidates)
        model = self._model(program)
        queries = self._queries(program, candidates, found, texts=self._reads_texts(model, program))
        latency = self._latencies(model, program, queries)
        scale = self._scale_us.setdefault(program.workload.hash, float(latency.min()))
        return np.asarray(scale / latency, dtype=np.float64)

    def update(self, context: Any, candidates: list[Any], results: list[Any]) -> None:
        """Learn what candidates took, and have the store keep their features."""
        measured = [
            pair
            for pair in zip(candidates, results, strict=True)
            if str(pair[1].error_msg) != INTERRUPTED
        ]
        if not measured:
            return
        candidates, results = (list(each) for each in zip(*measured, strict=True))
        program = self._enter(context)
        model = self._model(program)
        found = self._features(context, candidates)
        queries = self._queries(program, candidates, found, texts=True)
        latencies = [_latency_us(result) for result in results]
        examples = [Example(*pair) for pair in zip(queries, latencies, strict=True)]
        for each in {id(one): one for one in (model, self._local.get(program.workload.hash))
                     if one is not None}.values():  # fmt: skip
            each.update(examples)
        rows = [(query.candidate.schedule, query.features) for query in queries]
        name = self._workspace.key(program).feature_set
        self._workspace.ledger.add_features(name, program.workload.hash, rows)
        self._workspace.ledger.settle()

    def _enter(self, context: Any) -> Program:
        self._workspace.check_target(context.target)
        return self._workspace.program(context.mod)

    def _model(self, program: Program) -> CostModel:
        return self._given or self._local_model(program)

    def _local_model(self, program: Program) -> CostModel:
        key = program.workload.hash
        if key not in self._local:
            self._local[key] = local_model(self._workspace, program, self._seed)
        return self._local[key]

    def _reads_texts(self, model: CostModel, program: Program) -> bool:
        """XGBoost reads features alone, and the texts of 500 traces take a second or two."""
        return model is self._given or program.session is not None

    def _latencies(
        self, model: CostModel, program: Program, queries: Sequence[Query]
    ) -> NDArray[np.float64]:
        """Predicted latencies in microseconds."""
        if model is self._given:
            try:
                if model.knows(queries):
                    return _medians(model, queries)
                reason = f"{model.name} does not know {program.workload.function}"
            except CostModelError as error:
                reason = f"{model.name} cannot read {program.workload.function}: {error.message}"
            if program.workload.hash not in self._local:
                warnings.warn(f"{reason}; a local model answers", ModelTroubleWarning, stacklevel=3)
            model = self._local_model(program)
        return _medians(model, queries)

    def _features(self, context: Any, candidates: Sequence[Any]) -> list[Features]:
        found = self._extractor.extract_from(context, candidates)
        return [np.asarray(one.numpy(), dtype=np.float32) for one in found]

    def _queries(
        self,
        program: Program,
        candidates: Sequence[Any],
        features: Sequence[Features],
        *,
        texts: bool,
    ) -> list[Query]:
        target = self._workspace.target
        schedules = [
            schedule_of(one.sch.trace, program.backend) if texts else Schedule(program.backend, "")
            for one in candidates
        ]
        return [
            Query(Candidate(program.workload, schedule, target), row)
            for schedule, row in zip(schedules, features, strict=True)
        ]


def _medians(model: CostModel, queries: Sequence[Query]) -> NDArray[np.float64]:
    told = [prediction.latency_us for prediction in model.predict(queries)]
    return np.maximum(np.array(told, dtype=np.float64), 1e-9)


def _latency_us(result: Any) -> float:
    """Infinite for a failure."""
    seconds = [float(one) for one in result.run_secs or ()]
    if result.error_msg is not None or not seconds:
        return math.inf
    return median(seconds) * 1e6


def _kept_in_the_store() -> UnsupportedError:
    return UnsupportedError(
        "this cost model has no file of its own",
        hint="it learns from the store, and begins the next tuning with all that is there",
    )
