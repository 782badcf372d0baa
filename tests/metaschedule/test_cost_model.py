"""Scores for MetaSchedule's search, from local models and from one that is given."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from costmodel.errors import UnsupportedError
from costmodel.metaschedule import OracleCostModel
from costmodel.metaschedule.cost_model import ModelTroubleWarning
from costmodel.models.base import Example, Query
from costmodel.records import Prediction

from .conftest import Tuned, module_of, product


@pytest.fixture(scope="module")
def context(target: Any) -> Any:
    from tvm.s_tir import meta_schedule as ms

    return ms.TuneContext(
        module_of(product()), target=target, space_generator="post-order-apply", num_threads=1,
        rand_state=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def candidates(context: Any) -> list[Any]:
    """Random candidates of MetaSchedule's space."""
    from tvm import s_tir
    from tvm.s_tir import meta_schedule as ms
    from tvm.s_tir.schedule.trace import Trace

    designs, rng, found = context.generate_design_space(), random.Random(0), []
    while len(found) < 24:
        sch = s_tir.Schedule(context.mod, seed=rng.randrange(1, 2**31), debug_mask="none")
        Trace(list(rng.choice(designs).trace.insts), {}).apply_to_schedule(sch, True)
        sch.enter_postproc()
        if all(post.apply(sch) for post in context.space_generator.postprocs):
            found.append(ms.MeasureCandidate(sch, []))
    return found


def results(latencies_us: Sequence[float]) -> list[Any]:
    from tvm.s_tir import meta_schedule as ms

    return [
        ms.runner.RunnerResult([us / 1e6], None)
        if np.isfinite(us)
        else ms.runner.RunnerResult(None, "crash: it did")
        for us in latencies_us
    ]


def order_of(values: Any) -> list[int]:
    return [int(place) for place in np.argsort(values)]


def test_scores_are_float64_and_rise_with_speed_once_learned(
    database: Any, context: Any, candidates: list[Any]
) -> None:
    database.commit_workload(context.mod)
    model = OracleCostModel(database)
    before = model.predict(context, candidates)
    assert before.dtype == np.float64
    assert before.shape == (24,)
    assert (before > 0).all()
    # As if what the roofline likes best were slowest.
    latencies = [10.0 + 40.0 * place for place in np.argsort(np.argsort(before))]
    latencies[3] = float("inf")
    for _ in range(2):
        model.update(context, candidates, results(latencies))
    after = model.predict(context, candidates)
    known = [n for n in range(24) if n != 3]
    fast, slow = order_of([latencies[n] for n in known])[:8], order_of(
        [latencies[n] for n in known])[-8:]  # fmt: skip
    assert after[known][fast].mean() > 1.5 * after[known][slow].mean()
    features = list(database.workspace.store.features(_feature_set(database, context)))
    assert len(features) == len({schedule for _, schedule, _ in features}) > 0


def _feature_set(database: Any, context: Any) -> str:
    workspace = database.workspace
    name: str = workspace.key(workspace.program(context.mod)).feature_set
    return name


def test_a_model_begins_with_what_the_store_knows(
    tuned: Tuned,
    open_database: Callable[..., Any],
    tmp_path: Path,
    context: Any,
    candidates: list[Any],
) -> None:
    store = tmp_path / "store.sqlite"
    store.write_bytes(tuned.store.read_bytes())
    database = open_database(store)
    warm, cold = (
        OracleCostModel(database),
        OracleCostModel(open_database(tmp_path / "empty.sqlite")),
    )
    scores = [model.predict(context, candidates) for model in (warm, cold)]
    (learned,) = warm._local.values()
    queries = warm._queries(
        database.workspace.program(context.mod), candidates, warm._features(context, candidates),
        texts=False,
    )  # fmt: skip
    assert learned.knows(queries)
    (boosted,) = (one._model for one in learned._models.values())
    assert boosted.trained_on == len(tuned.records)
    assert order_of(scores[0]) != order_of(scores[1])


class Asked:
    """A model of the test's own, which reads schedules: those with longer texts are faster."""

    name = "asked"

    def __init__(self, *, knowing: bool = True) -> None:
        self.knowing = knowing
        self.learned: list[Example] = []

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        return [Prediction(1e6 / len(query.candidate.schedule.text), 0.1) for query in queries]

    def knows(self, queries: Sequence[Query]) -> bool:
        return self.knowing

    def update(self, examples: Sequence[Example]) -> None:
        self.learned += examples


def test_a_model_that_is_given_is_asked_and_told(
    database: Any, context: Any, candidates: list[Any]
) -> None:
    from costmodel.metaschedule.traces import schedule_of

    asked = Asked()
    model = OracleCostModel(database, asked)
    lengths = [len(schedule_of(one.sch.trace, "metaschedule").text) for one in candidates]
    scores = model.predict(context, candidates)
    np.testing.assert_allclose(scores, np.array(lengths) / max(lengths))
    model.update(context, candidates[:2], results([5.0, float("inf")]))
    assert [one.latency_us for one in asked.learned] == [pytest.approx(5.0), float("inf")]
    assert asked.learned[0].query.candidate.workload.inputs[0].shape == (48, 48)


def test_a_local_model_answers_where_the_given_one_does_not_know(
    database: Any, context: Any, candidates: list[Any]
) -> None:
    model = OracleCostModel(database, Asked(knowing=False))
    with pytest.warns(ModelTroubleWarning, match="asked does not know main; a local model"):
        scores = model.predict(context, candidates)
    np.testing.assert_allclose(scores, OracleCostModel(database).predict(context, candidates))


def test_it_has_no_file_of_its_own(database: Any) -> None:
    for action in (OracleCostModel(database).save, OracleCostModel(database).load):
        with pytest.raises(UnsupportedError, match="it learns from the store"):
            action("model.bin")
