"""The database over a real store: round trips, targets, damage, and a store in trouble."""

from __future__ import annotations

import sqlite3
import statistics
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from costmodel.errors import UnsupportedError, UsageError
from costmodel.metaschedule import StoreDatabase, cpu_target
from costmodel.metaschedule.database import UnusableRecordWarning
from costmodel.metaschedule.ledger import StoreTroubleWarning
from costmodel.metaschedule.workspace import FOREIGN
from costmodel.records import Outcome
from costmodel.store import open_store
from costmodel.store.sqlite import BadRowWarning
from costmodel.store.transfer import import_file

from .conftest import POLICY, Tuned, module_of, product, scaled


def split(mod: Any, factor: int) -> Any:
    """``scaled`` with its loop split; TVM's ``Schedule``."""
    from tvm import s_tir

    sch = s_tir.Schedule(mod)
    (loop,) = sch.get_loops(sch.get_sblock("scaled", "main"))
    sch.split(loop, [None, factor])
    return sch


def commit(database: Any, mod: Any, factor: int, seconds: list[float], target: Any = None) -> Any:
    from tvm.s_tir import meta_schedule as ms

    workload = database.commit_workload(mod)
    record = ms.database.TuningRecord(
        split(mod, factor).trace, workload, seconds, target or database.workspace.tvm_target,
        ms.arg_info.ArgInfo.from_entry_func(mod, False),
    )  # fmt: skip
    database.commit_tuning_record(record)
    return record


def test_records_come_back_as_they_were(open_database: Callable[..., Any], tmp_path: Path) -> None:
    mod, store = module_of(scaled(2.0)), tmp_path / "store.sqlite"
    first = open_database(store)
    assert not first.has_workload(mod)
    slow = commit(first, mod, 4, [3e-6, 5e-6, 4e-6])
    fast = commit(first, mod, 8, [2e-6])
    commit(first, mod, 16, [1e10])
    first.close()
    second = open_database(store)
    assert second.has_workload(mod)
    workload = second.commit_workload(mod)
    found = second.get_top_k(workload, 5)
    assert [list(map(float, one.run_secs)) for one in found] == [
        pytest.approx([2e-6]), pytest.approx([3e-6, 5e-6, 4e-6]),
    ]  # fmt: skip
    assert [str(one.trace) for one in found] == [str(fast.trace), str(slow.trace)]
    for ours, theirs in zip(found, (fast, slow), strict=True):
        assert ours.as_json()[2:] == theirs.as_json()[2:]
    assert len(second.get_top_k(workload, 1)) == 1
    assert len(second) == len(second.get_all_tuning_records()) == 3
    best = second.query_ir_module(mod, second.workspace.tvm_target, "main")
    assert best.script() == split(mod, 8).mod.script()
    # Whoever timed these, it was not by our policy.
    stored = list(second.workspace.store.measurements())
    assert {one.policy for one in stored} == {FOREIGN}
    assert sorted(one.outcome for one in stored) == [Outcome.OK, Outcome.OK, Outcome.RUN_ERROR]


def test_a_record_is_added_once_however_often_it_is_given(database: Any) -> None:
    mod = module_of(scaled(2.0))
    for _ in range(2):
        commit(database, mod, 4, [3e-6])
    assert len(list(database.workspace.store.measurements())) == 1
    commit(database, mod, 4, [4e-6])
    assert len(list(database.workspace.store.measurements())) == 2
    assert len(database.get_top_k(database.commit_workload(mod), 9)) == 1


def test_another_target_s_record_is_not_returned(
    open_database: Callable[..., Any], tmp_path: Path
) -> None:
    """https://github.com/apache/tvm/issues/15549"""
    from tvm.target import Target

    mod, here = module_of(scaled(2.0)), cpu_target(1)
    other = Target({"kind": "llvm", "mcpu": "core2", "num-cores": 1})
    nowhere = [Target({"kind": "llvm", "mcpu": "core2", "num-cores": 4096}), Target("cuda")]
    database = open_database(tmp_path / "store.sqlite")
    commit(database, mod, 4, [3e-6])
    commit(database, mod, 8, [1e-6], other)
    for query in (database.query_tuning_record, database.query_schedule, database.query_ir_module):
        for one in nowhere:
            assert query(mod, one, "main") is None
    assert _samples(database.query_tuning_record(mod, here, "main")) == pytest.approx([3e-6])
    assert _samples(database.query_tuning_record(mod, other, "main")) == pytest.approx([1e-6])
    found = database.get_top_k(database.commit_workload(mod), 9)
    assert [_samples(one) for one in found] == [pytest.approx([3e-6])]
    assert database.query_tuning_record(module_of(scaled(3.0)), here, "main") is None


def _samples(record: Any) -> list[float]:
    return list(map(float, record.run_secs))


def test_the_target_must_be_a_cpu_that_says_its_cores(tmp_path: Path) -> None:
    for target, error, match in [
        ("cuda", UnsupportedError, "of kind cuda"),
        ("llvm", UsageError, r"(?s)how many cores.*cpu_target"),
        ({"kind": "llvm", "num-cores": 4096}, UsageError, "4096 threads"),
    ]:
        with pytest.raises(error, match=match):
            StoreDatabase(target, tmp_path / "store.sqlite")


def test_a_tuning_for_another_target_than_the_database_s_is_refused(database: Any) -> None:
    from tvm.s_tir import meta_schedule as ms
    from tvm.target import Target

    from costmodel.metaschedule import OracleCostModel

    target = Target({"kind": "llvm", "mcpu": "core2", "num-cores": 1})
    context = ms.TuneContext(module_of(scaled(2.0)), target=target)
    sch = split(context.mod, 4)
    with pytest.raises(UsageError, match=r"the tuning is for .*core2.* and the database for"):
        OracleCostModel(database).predict(context, [ms.MeasureCandidate(sch, [])])


def test_what_cannot_be_read_is_a_miss_with_a_warning(
    tuned: Tuned, open_database: Callable[..., Any], tmp_path: Path
) -> None:
    store = tmp_path / "store.sqlite"
    store.write_bytes(tuned.store.read_bytes())
    with sqlite3.connect(store) as conn:
        (bad, forged), *_ = [
            conn.execute("SELECT seq FROM measurements WHERE outcome = 'ok' LIMIT 2").fetchall()
        ]
        conn.execute("UPDATE measurements SET samples = 'no JSON' WHERE seq = ?", bad)
        ours = conn.execute("SELECT schedule FROM measurements WHERE seq = ?", forged).fetchone()
        conn.execute("UPDATE schedules SET text = 'forged' WHERE hash = ?", ours)
    conn.close()
    database = open_database(store)
    workload = database.commit_workload(module_of(tuned.func))
    with pytest.warns(BadRowWarning):
        found = database.get_top_k(workload, 99)
    good = [one for one in tuned.records if _samples(one)[0] < 1e9]
    assert len(found) == len(good) - 2


def test_a_trace_that_does_not_apply_is_a_miss_with_a_warning(database: Any) -> None:
    """MetaSchedule would end the process over it."""
    from dataclasses import replace

    from costmodel.records import Schedule

    mod = module_of(scaled(2.0))
    commit(database, mod, 4, [3e-6])
    ledger = database.workspace.ledger
    (stored,) = database.workspace.store.measurements()
    text = stored.schedule.text.replace('"scaled"', '"another"')
    assert text != stored.schedule.text
    for number, one in enumerate((text, '{"kind":"trace","trace":[[["Boom",[],[],[]]],[]]}')):
        ledger.add(replace(stored, id=f"forged-{number}", schedule=Schedule("metaschedule", one)))
    with pytest.warns(UnusableRecordWarning, match="is left out") as caught:
        found = database.get_top_k(database.commit_workload(mod), 9)
    assert len(found) == 1
    assert len([one for one in caught if one.category is UnusableRecordWarning]) == 2


def test_a_schedule_that_was_ever_wrong_is_not_returned(
    tuned: Tuned, open_database: Callable[..., Any], tmp_path: Path
) -> None:
    from dataclasses import replace

    store = tmp_path / "store.sqlite"
    store.write_bytes(tuned.store.read_bytes())
    database = open_database(store)
    mod = module_of(tuned.func)
    before = database.query_tuning_record(mod, tuned.target, "main")
    best = min(database.workspace.store.measurements(), key=lambda one: one.latency_us)
    database.workspace.ledger.add(
        replace(best, id="wrong", outcome=Outcome.WRONG_RESULT, samples_us=())
    )
    after = database.query_tuning_record(mod, tuned.target, "main")
    assert statistics.median(_samples(after)) > statistics.median(_samples(before))


def test_the_names_of_values_do_not_count_and_those_of_blocks_do(database: Any) -> None:
    from tvm import te

    def named(tensor: str, block: str) -> Any:
        a = te.placeholder((64,), name=tensor)
        return module_of(te.create_prim_func([a, te.compute((64,), lambda i: a[i] + 1, block)]))

    workspace = database.workspace
    hashes = [workspace.program(named(*names)).workload.hash
              for names in (("A", "add"), ("Other", "add"), ("A", "plus"))]  # fmt: skip
    assert hashes[0] == hashes[1] != hashes[2]
    renamed = named("A", "add")["main"].with_attr("global_symbol", "another")
    assert workspace.program(module_of(renamed)).workload.hash == hashes[0]


def test_a_locked_store_costs_a_warning_and_nothing_is_lost(
    open_database: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locked from the beginning, when the store knows neither workload nor target."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    store, mod = tmp_path / "store.sqlite", module_of(scaled(2.0))
    opened = open_store(store, wait_s=0.05)
    database = open_database(opened)
    holder = sqlite3.connect(store, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        commit(database, mod, 4, [3e-6])
        commit(database, mod, 8, [2e-6])
        workload = database.commit_workload(mod)
        assert len(database.get_top_k(workload, 9)) == 2
        other_mod = module_of(scaled(3.0))  # of which the file knows nothing yet
        commit(database, other_mod, 4, [3e-6])
        assert len(database.get_top_k(database.commit_workload(other_mod), 9)) == 1
    assert {one.category for one in caught} == {StoreTroubleWarning}
    messages = [str(one.message) for one in caught]
    assert any("another process is holding the store" in one for one in messages)
    (rescued,) = tmp_path.glob("costmodel-rescue-*.jsonl")
    assert any(str(rescued) in one and "cache import" in one for one in messages)
    with open_store(tmp_path / "other.sqlite") as other:
        import_file(other, rescued)
        assert other.stats()["measurements"] == 3
    holder.execute("ROLLBACK")
    holder.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(database.get_top_k(workload, 9)) == 2
        database.close()
    assert len(list(opened.measurements())) == 3
    opened.close()


def test_a_full_disk_costs_a_warning_and_nothing_is_lost(
    open_database: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    mod = module_of(scaled(2.0))
    opened = open_store(tmp_path / "store.sqlite", rescue_dir=tmp_path / "rescued")
    database = open_database(opened)
    (tmp_path / "rescued").mkdir()
    commit(database, mod, 4, [3e-6])
    pages = opened._connection.query("PRAGMA page_count")[0][0]
    opened._connection.query(f"PRAGMA max_page_count = {pages}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for factor in (2, 8, 16, 32):
            commit(database, mod, factor, [2e-6 / (n + 1) for n in range(2000)])
        assert len(database.get_top_k(database.commit_workload(mod), 9)) == 5
    assert any("cannot grow" in str(one.message) for one in caught)
    assert list((tmp_path / "rescued").glob("*.jsonl"))
    opened._connection.query("PRAGMA max_page_count = 1000000")
    database.close()
    assert len(list(opened.measurements())) == 5
    opened.close()


def test_the_policy_is_in_the_key(
    tuned: Tuned, open_database: Callable[..., Any], tmp_path: Path
) -> None:
    from dataclasses import replace

    store = tmp_path / "store.sqlite"
    store.write_bytes(tuned.store.read_bytes())
    other = open_database(store, policy=replace(POLICY, min_samples=1))
    assert other.query_tuning_record(module_of(product()), tuned.target, "main") is None
    same = open_database(store)
    assert same.query_tuning_record(module_of(product()), tuned.target, "main") is not None
