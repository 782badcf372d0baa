"""Small programs, and one tuning of MetaSchedule that several tests look at."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from costmodel.metaschedule import (
    OracleCostModel,
    StoreDatabase,
    WorkerBuilder,
    WorkerRunner,
    cpu_target,
)
from costmodel.records import TimingPolicy

#: Quick, and with time-outs that a busy machine does not reach but by a kernel that hangs.
POLICY = TimingPolicy(min_samples=2, max_samples=3, budget_s=0.05, run_timeout_s=60.0,
                      build_timeout_s=120.0)  # fmt: skip


def product(n: int = 48, factor: float = 1.0) -> Any:
    """``max(A B, 0) * factor``, with the output between the inputs."""
    from tvm import te

    a, b = (te.placeholder((n, n), name=name) for name in ("A", "B"))
    k = te.reduce_axis((0, n), "k")
    c = te.compute((n, n), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="product")
    d = te.compute((n, n), lambda i, j: te.max(c[i, j], 0.0) * factor, name="relu")
    return te.create_prim_func([a, d, b])


def scaled(factor: float, n: int = 64) -> Any:
    """``A * factor``."""
    from tvm import te

    a = te.placeholder((n,), name="A")
    return te.create_prim_func([a, te.compute((n,), lambda i: a[i] * factor, name="scaled")])


def module_of(func: Any) -> Any:
    from tvm.s_tir.meta_schedule.tune_context import _normalize_mod

    return _normalize_mod(func)


def small_search() -> Any:
    """MetaSchedule's search with a small population: its own takes half a minute a round."""
    from tvm.s_tir import meta_schedule as ms

    return ms.search_strategy.EvolutionarySearch(
        population_size=16, init_min_unmeasured=8, genetic_num_iters=1, genetic_max_fail_count=2
    )


def tune(mod: Any, database: Any, trials: int, work_dir: Path, **options: Any) -> None:
    from tvm.s_tir.meta_schedule.tir_integration import tune_tir

    arguments: dict[str, Any] = {
        "cost_model": OracleCostModel(database),
        "builder": WorkerBuilder(database),
        "runner": WorkerRunner(database),
        "database": database,
        "strategy": small_search(),
        "num_trials_per_iter": 4,
        "num_tuning_cores": 1,
        "seed": 1,
    }
    target = database.workspace.tvm_target
    # TVM trips over handlers without a name, such as pytest's.
    logging.getLogger("tvm.s_tir.meta_schedule").handlers.clear()
    tune_tir(mod, target, str(work_dir), trials, **arguments | options)


@dataclass(frozen=True)
class Tuned:
    """A tuning that is over: its function, target and store, and what MetaSchedule saw."""

    func: Any
    target: Any
    store: Path
    records: list[Any]
    predictions: int


@pytest.fixture(scope="session")
def target() -> Any:
    return cpu_target(1)


@pytest.fixture(scope="session")
def tuned(target: Any, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    folder = tmp_path_factory.mktemp("tuned")
    func, store = product(), folder / "store.sqlite"
    database = StoreDatabase(target, store, policy=POLICY)
    model = OracleCostModel(database)
    asked: list[int] = []
    predict = model._inst.predict

    def counted(context: Any, candidates: list[Any]) -> Any:
        asked.append(len(candidates))
        return predict(context, candidates)

    model._inst.predict = counted
    tune(func, database, 8, folder / "work", cost_model=model)
    records = database.get_all_tuning_records()
    database.close()
    return Tuned(func, target, store, records, sum(asked))


@pytest.fixture
def database(target: Any, tmp_path: Path) -> Iterator[Any]:
    made = StoreDatabase(target, tmp_path / "store.sqlite", policy=POLICY)
    yield made
    made.close()


@pytest.fixture
def open_database(target: Any) -> Iterator[Callable[..., Any]]:
    """Opens databases, and closes them at the end."""
    opened: list[Any] = []

    def open_one(store: Any, *, on: Any = None, **options: Any) -> Any:
        opened.append(StoreDatabase(on or target, store, **{"policy": POLICY} | options))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()
