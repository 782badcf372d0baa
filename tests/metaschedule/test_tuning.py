"""``tune_tir`` of the real TVM with our four plug-ins, and what it leaves in the store."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from costmodel.records import Outcome
from costmodel.store import open_store

from .conftest import POLICY, Tuned, module_of, product, tune


def test_the_store_has_the_records_that_metaschedule_has(tuned: Tuned) -> None:
    with open_store(tuned.store, read_only=True) as store:
        assert store.verify() == []
        stored = list(store.measurements())
    assert len(stored) == len(tuned.records) >= 8
    kept = sorted(one.samples_us for one in stored if one.ok)
    told = sorted(
        tuple(float(each) * 1e6 for each in record.run_secs)
        for record in tuned.records
        if float(record.run_secs[0]) < 1e9
    )
    assert len(kept) == len(told) > 0
    for ours, theirs in zip(kept, told, strict=True):
        assert ours == pytest.approx(theirs)
    for one in stored:
        assert one.schedule.backend == "metaschedule"
        assert one.policy == POLICY
        assert "tvm-target" in one.environment.versions
        assert one.outcome is not Outcome.WRONG_RESULT
        assert one.build_seconds > 0
        assert not one.ok or one.run_seconds > 0
        assert not one.ok or one.max_error is not None
    assert len({one.schedule.hash for one in stored}) == len(stored)


def test_the_model_was_asked_and_its_features_are_kept(tuned: Tuned) -> None:
    assert tuned.predictions >= 16
    with open_store(tuned.store, read_only=True) as store:
        stored = {one.schedule.hash for one in store.measurements()}
        assert store.stats()["features"] == len(stored)


def test_the_best_record_is_the_fastest_and_computes_the_function(
    tuned: Tuned, open_database: Callable[..., Any]
) -> None:
    import tvm
    from tvm.s_tir.meta_schedule.tir_integration import compile_tir

    database = open_database(tuned.store)
    best = database.query_tuning_record(module_of(tuned.func), tuned.target, "main")
    with open_store(tuned.store, read_only=True) as store:
        fastest = min(one.latency_us for one in store.measurements())
    assert statistics.median(map(float, best.run_secs)) * 1e6 == pytest.approx(fastest)
    sch = compile_tir(database, tuned.func, tuned.target)
    a, b = np.random.default_rng(0).standard_normal((2, 48, 48), np.float32)
    out = tvm.runtime.empty((48, 48), "float32")
    function = tvm.compile(sch.mod, tuned.target).jit()["main"]
    function(tvm.runtime.tensor(a), out, tvm.runtime.tensor(b))
    np.testing.assert_allclose(out.numpy(), np.maximum(a @ b, 0), rtol=1e-4, atol=1e-4)


def test_a_second_run_begins_with_the_records_of_the_first(
    tuned: Tuned, open_database: Callable[..., Any], tmp_path: Path
) -> None:
    store = tmp_path / "again.sqlite"
    store.write_bytes(tuned.store.read_bytes())
    database = open_database(store)
    top = []
    real = database._inst.get_top_k

    def get_top_k(workload: Any, k: int) -> list[Any]:
        top.append(real(workload, k))
        return list(top[-1])

    database._inst.get_top_k = get_top_k
    tune(tuned.func, database, 4, tmp_path / "work")
    good = [one for one in tuned.records if float(one.run_secs[0]) < 1e9]
    assert 0 < len(top[0]) <= len(good)
    medians = [statistics.median(map(float, one.run_secs)) for one in top[0]]
    assert medians == sorted(medians)
    with open_store(store, read_only=True) as opened:
        assert opened.stats()["workloads"] == 1
        assert opened.stats()["measurements"] >= len(tuned.records) + 4


def test_two_functions_of_one_signature_are_not_taken_for_each_other(
    open_database: Callable[..., Any], tmp_path: Path
) -> None:
    """MetaSchedule's builder is not told of which of them a candidate is."""
    import tvm

    functions = {f"times_{n}": product(16, float(n)) for n in (2, 3)}
    named = {name: func.with_attr("global_symbol", name) for name, func in functions.items()}
    database = open_database(tmp_path / "store.sqlite")
    tune(tvm.IRModule(named), database, 8, tmp_path / "work", num_trials_per_iter=2)
    store = database.workspace.store
    assert {one.function for one in store.workloads()} == set(named)
    measured = list(store.measurements())
    assert len(measured) >= 8
    assert len({one.workload for one in measured}) == 2
    assert {one.outcome for one in measured} == {Outcome.OK}


def test_an_interrupt_keeps_what_was_measured(
    tuned: Tuned, open_database: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from costmodel.metaschedule import crew

    measured = []
    real = crew.Crew.measure

    def measure(self: Any, program: Any, trials: Any) -> None:
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(trials)
        real(self, program, trials)

    monkeypatch.setattr(crew.Crew, "measure", measure)
    database = open_database(tmp_path / "store.sqlite")
    with pytest.raises(KeyboardInterrupt):
        tune(tuned.func, database, 12, tmp_path / "work")
    assert len(list(database.workspace.store.measurements())) == 2


def test_a_kernel_in_mlir_shares_its_records_with_costmodel_tune(
    open_database: Callable[..., Any], tmp_path: Path
) -> None:
    from costmodel.metaschedule import cpu_target, kernel_module
    from costmodel.session import open_session

    text = """
    func.func @row_sum(%a: tensor<64x96xf32>) -> tensor<64xf32> {
      %zero = arith.constant 0.0 : f32
      %empty = tensor.empty() : tensor<64xf32>
      %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<64xf32>) -> tensor<64xf32>
      %sum = linalg.generic {
        indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
        iterator_types = ["parallel", "reduction"]
      } ins(%a : tensor<64x96xf32>) outs(%init : tensor<64xf32>) {
      ^bb0(%x: f32, %y: f32):
        %s = arith.addf %x, %y : f32
        linalg.yield %s : f32
      } -> tensor<64xf32>
      return %sum : tensor<64xf32>
    }"""
    session = open_session(
        text, function=None, target="cpu", backend="tvm", threads=1, policy=POLICY
    )
    module = kernel_module(text)
    store = tmp_path / "store.sqlite"
    database = open_database(store, on=cpu_target(1))
    tune(module, database, 4, tmp_path / "work")
    with open_store(store, read_only=True) as opened:
        assert [one.hash for one in opened.workloads()] == [session.workload.hash]
        known = session.known(opened)
        assert len(known) == opened.stats()["measurements"] >= 4
        assert set(session.features(opened)) == set(known)
    best = database.query_schedule(module, database.workspace.tvm_target, "main")
    assert best is not None


def test_importing_the_package_imports_no_tvm() -> None:
    import subprocess
    import sys

    program = (
        "import sys, costmodel.metaschedule as m; assert 'StoreDatabase' in dir(m);"
        "assert not {'tvm', 'tvm_ffi', 'torch', 'xgboost', 'iree'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_exports_are_what_is_promised() -> None:
    import costmodel.metaschedule as package

    assert isinstance(package, ModuleType)
    for name in package.__all__:
        assert getattr(package, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'StoreDatabse'"):
        package.StoreDatabse  # noqa: B018
