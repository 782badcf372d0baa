"""Each backend's model answers and learns of its own schedules."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.errors import BackendError
from costmodel.models.base import Example, Query
from costmodel.models.boosted import Boosted
from costmodel.models.by_backend import ByBackend
from costmodel.models.guard import Guarded
from costmodel.models.roofline import Roofline
from costmodel.records import Candidate, Schedule, Target, TensorType, Workload

SIZE = TensorType((64, 64), "f32")
WORKLOAD = Workload("product", "product", (SIZE, SIZE), (SIZE,))
TARGET = Target("cpu", "x86_64", "toy", (), 1, (32 << 10,), 64, {"f32": 1e11}, 1e10)


def query(backend: str, place: int, width: int) -> Query:
    """Wider features are not the other backend's with more columns: they mean other things."""
    features = np.full((1, width), place, dtype=np.float32)
    return Query(Candidate(WORKLOAD, Schedule(backend, str(place)), TARGET), features)


def examples(backend: str, width: int, rising: bool) -> list[Example]:
    return [
        Example(query(backend, place, width), 10.0 * (place + 1 if rising else 21 - place))
        for place in range(20)
    ]


@pytest.fixture
def model() -> ByBackend:
    return ByBackend({name: Guarded(Boosted(), Roofline()) for name in ("a", "b")})


def test_each_learns_from_its_own(model: ByBackend) -> None:
    mixed = [e for pair in zip(examples("a", 5, True), examples("b", 9, False), strict=True)
             for e in pair]  # fmt: skip
    model.update(mixed)
    asked = [query("b", 1, 9), query("a", 1, 5), query("b", 18, 9), query("a", 18, 5)]
    slow_b, quick_a, quick_b, slow_a = (one.latency_us for one in model.predict(asked))
    assert quick_a < slow_a / 3
    assert quick_b < slow_b / 3
    assert model.knows(asked)
    assert model.name == "xgboost"
    assert model.ranked_by(WORKLOAD.hash) == "xgboost"
    assert model.reports(WORKLOAD.hash) == []


def test_one_that_has_learned_nothing_leaves_the_other_alone(model: ByBackend) -> None:
    model.update(examples("a", 5, True))
    assert model.knows([query("a", 1, 5)])
    assert not model.knows([query("a", 1, 5), query("b", 1, 9)])
    alone = model.predict([query("a", 3, 5)])
    together = model.predict([query("b", 3, 9), query("a", 3, 5)])
    assert together[1] == alone[0]
    assert model.predict([]) == []


def test_what_is_switched_off_is_named_by_its_backend(model: ByBackend) -> None:
    model.update(examples("a", 5, True))
    model.update(examples("b", 9, True))
    asked = [query("a", place, 5) for place in range(20)]
    model.predict([*asked, query("b", 1, 9)])
    for _ in range(4):  # every measurement contradicts what was learned
        model.update(examples("a", 5, False))
        model.update(examples("a", 5, True))
    reports = model.reports(WORKLOAD.hash)
    assert all(report.startswith("a: ") for report in reports)
    assert "b" not in {report[0] for report in reports}


def test_a_backend_without_a_model_is_an_error(model: ByBackend) -> None:
    with pytest.raises(BackendError, match="nobody"):
        model.predict([query("nobody", 1, 5)])
