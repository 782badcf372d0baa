"""Candidates that crash, hang, do not compile or compute something else; all in real workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from costmodel.errors import UsageError
from costmodel.metaschedule import StoreDatabase, WorkerBuilder, WorkerRunner
from costmodel.records import Outcome, TimingPolicy

from .conftest import POLICY, module_of, scaled

N = 64


def calling(name: str, *arguments: int) -> Any:
    """A function with the parameters of ``scaled`` that calls one of the C library."""
    from tvm import s_tir, tirx

    a, b = (tirx.decl_buffer((N,), "float32", name=name) for name in ("A", "B"))
    call = tirx.Evaluate(tirx.call_extern("int32", name, *arguments))
    root = s_tir.stmt.SBlockRealize([], True, s_tir.stmt.SBlock([], [], [], "root", call))
    return module_of(tirx.PrimFunc([a, b], root))


@pytest.fixture(scope="module")
def shared(target: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A database whose workers are started once for the tests of this file."""
    made = StoreDatabase(target, tmp_path_factory.mktemp("workers") / "store.sqlite", policy=POLICY)
    yield made
    made.close()


@pytest.fixture(scope="module")
def attempt(shared: Any) -> Callable[..., list[Any]]:
    """Builds and runs modules as candidates of ``A * 2``; a message for each, None if right."""
    builder, runner = WorkerBuilder(shared), WorkerRunner(shared)

    def run(*modules: Any) -> list[Any]:
        from tvm.s_tir import meta_schedule as ms

        shared.commit_workload(module_of(scaled(2.0)))
        target = shared.workspace.tvm_target
        built = builder.build([ms.builder.BuilderInput(each, target) for each in modules])
        messages: list[Any] = [each.error_msg for each in built]
        good = [n for n, each in enumerate(built) if each.error_msg is None]
        inputs = [ms.runner.RunnerInput(built[n].artifact_path, "llvm", []) for n in good]
        for n, future in zip(good, runner.run(inputs), strict=True):
            assert future.done()
            result = future.result()
            messages[n] = result.error_msg
            assert (result.error_msg is None) == bool(result.run_secs)
        return messages

    return run


def test_each_failure_is_its_own_and_the_next_candidate_is_measured(
    attempt: Callable[..., list[Any]],
) -> None:
    right, wrong = module_of(scaled(2.0)), module_of(scaled(2.5))
    crash, missing = calling("abort"), calling("costmodel_has_no_such_function")
    messages = attempt(right, crash, right, wrong, missing, right)
    assert [messages[n] for n in (0, 2, 5)] == [None] * 3
    assert str(messages[1]).startswith("crash: the worker process was killed by SIGABRT")
    assert str(messages[3]).startswith("wrong_result: output 0[")
    assert "accepted" in str(messages[3])
    assert str(messages[4]).startswith("crash: the worker process exited with status 127")
    assert "undefined symbol: costmodel_has_no_such_function" in str(messages[4])


def test_a_kernel_that_hangs_is_ended(
    open_database: Callable[..., Any], tmp_path: Path, target: Any
) -> None:
    from tvm.s_tir import meta_schedule as ms

    policy = TimingPolicy(run_timeout_s=2.0)
    database = open_database(tmp_path / "store.sqlite", policy=policy)
    builder, runner = WorkerBuilder(database, max_workers=1), WorkerRunner(database)
    database.commit_workload(module_of(scaled(2.0)))
    (built,) = builder.build([ms.builder.BuilderInput(calling("sleep", 1000), target)])
    (future,) = runner.run([ms.runner.RunnerInput(built.artifact_path, "llvm", [])])
    assert str(future.result().error_msg).startswith("run_timeout: the checked run took longer")


def test_a_program_that_tvm_does_not_compile_is_a_build_error(
    attempt: Callable[..., list[Any]],
) -> None:
    from tvm import s_tir

    sch = s_tir.Schedule(module_of(scaled(2.0)))
    (loop,) = sch.get_loops(sch.get_sblock("scaled", "main"))
    sch.bind(loop, "threadIdx.x")  # there are no such threads on a CPU
    message, right = attempt(sch.mod, module_of(scaled(2.0)))
    assert str(message).startswith("build_error: TVM: ")
    assert right is None


def test_failures_are_stored_with_their_outcome_under_the_candidate_s_schedule(
    shared: Any, attempt: Callable[..., list[Any]]
) -> None:
    """As ``AddToDatabase`` commits them: a trace, and 1e10 seconds."""
    from tvm import s_tir
    from tvm.s_tir import meta_schedule as ms

    module = module_of(scaled(2.0))
    sch = s_tir.Schedule(module)
    (loop,) = sch.get_loops(sch.get_sblock("scaled", "main"))
    sch.bind(loop, "threadIdx.x")
    attempt(sch.mod)
    target = shared.workspace.tvm_target
    record = ms.database.TuningRecord(sch.trace, shared.commit_workload(module), [1e10], target, [])
    shared.commit_tuning_record(record)
    (stored,) = shared.workspace.store.measurements()
    assert stored.outcome is Outcome.BUILD_ERROR
    assert stored.error.startswith("TVM: ")
    assert stored.samples_us == ()
    assert shared.get_top_k(record.workload, 3) == []


def test_a_library_that_nobody_knows_is_refused(database: Any, target: Any) -> None:
    from tvm.s_tir import meta_schedule as ms

    runner, builder = WorkerRunner(database), WorkerBuilder(database)
    with pytest.raises(UsageError, match=r"(?s)lib\.so is not there.*hint: give tune_tir a Worker"):
        runner.run([ms.runner.RunnerInput("/nowhere/lib.so", "llvm", [])])
    with pytest.raises(UsageError, match="its program is not known"):
        builder.build([ms.builder.BuilderInput(module_of(scaled(2.0)), target)])
    with pytest.raises(UsageError, match="0 processes"):
        WorkerBuilder(database, max_workers=0)
