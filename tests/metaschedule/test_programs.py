"""What is read from a TensorIR function: arguments, indices, exactness, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from costmodel.errors import UnsupportedError
from costmodel.metaschedule import WorkerBuilder, WorkerRunner, kernel_module
from costmodel.metaschedule.programs import ATTRIBUTE, read_program
from costmodel.records import TensorType

from .conftest import module_of, product


def test_arguments_in_any_order_and_how_exact_results_are() -> None:
    program = read_program(module_of(product(48)))
    matrix = TensorType((48, 48), "f32")
    assert program.workload.inputs == (matrix, matrix)
    assert program.workload.outputs == (matrix,)
    assert program.order == (0, 2, 1)
    assert program.reduction_length == 48
    assert program.dtype == "f32"
    assert program.workload.function == "main"
    assert "T.func_attr" not in program.workload.text


def gather(offset: int) -> Any:
    from tvm import te

    table = te.placeholder((32, 8), name="table")
    rows = te.placeholder((5,), "int64", name="rows")
    taken = te.compute((5, 8), lambda i, j: table[rows[i] + offset, j], name="taken")
    return module_of(te.create_prim_func([rows, taken, table]))


def test_indices_are_drawn_where_they_are_in_range() -> None:
    assert read_program(gather(0)).workload.inputs[0] == TensorType((5,), "i64", 32)
    # Of ``index + 3`` nobody says what is in range: 0 is.
    assert read_program(gather(3)).workload.inputs[0] == TensorType((5,), "i64", 1)


def test_a_gather_runs_and_is_right(database: Any, target: Any) -> None:
    """Out of range it would end the worker."""
    from tvm.s_tir import meta_schedule as ms

    builder, runner = WorkerBuilder(database), WorkerRunner(database)
    database.commit_workload(gather(0))
    (built,) = builder.build([ms.builder.BuilderInput(gather(0), target)])
    (future,) = runner.run([ms.runner.RunnerInput(built.artifact_path, "llvm", [])])
    assert future.result().error_msg is None


def in_place() -> Any:
    from tvm import s_tir, tirx
    from tvm.ir import Range

    a = tirx.decl_buffer((8,), "float32", name="A")
    i, v = (tirx.Var(name, "int32") for name in "iv")
    store = tirx.BufferStore(a, tirx.BufferLoad(a, [v]) + tirx.const(1, "float32"), [v])
    region = [tirx.BufferRegion(a, [Range.from_min_extent(v, 1)])]
    block = s_tir.stmt.SBlock([tirx.IterVar(Range(0, 8), v, 0)], region, region, "add", store)
    loop = tirx.For(i, 0, 8, tirx.ForKind.SERIAL, s_tir.stmt.SBlockRealize([i], True, block))
    root = s_tir.stmt.SBlockRealize([], True, s_tir.stmt.SBlock([], [], [], "root", loop))
    return tirx.PrimFunc([a], root)


def dynamic() -> Any:
    from tvm import te, tirx

    n = tirx.Var("n", "int32")
    a = te.placeholder((n,), name="A")
    return te.create_prim_func([a, te.compute((n,), lambda i: a[i] + 1, name="B")])


def unsigned() -> Any:
    from tvm import te

    a = te.placeholder((8,), "uint8", name="A")
    return te.create_prim_func([a, te.compute((8,), lambda i: a[i] + 1, name="B")])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (in_place, "A is changed in place"),
        (dynamic, "the shape of A is not static"),
        (unsigned, "A has elements of uint8; known are float64"),
        (lambda: product().with_attr("layout_free_buffers", [1]), "layout of its weights"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_the_reason(
    database: Any, make: Callable[[], Any], reason: str
) -> None:
    with pytest.raises(UnsupportedError, match=rf"(?s){reason}.*MetaSchedule's own builder"):
        database.commit_workload(module_of(make()))


def test_a_kernel_that_was_changed_is_refused(database: Any) -> None:
    text = """func.func @copy(%a: tensor<8xf32>) -> tensor<8xf32> {
      %e = tensor.empty() : tensor<8xf32>
      %c = linalg.copy ins(%a : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
      return %c : tensor<8xf32>
    }"""
    mark = kernel_module(text)["main"].attrs[ATTRIBUTE]
    with pytest.raises(UnsupportedError, match="has been changed since"):
        database.commit_workload(module_of(product().with_attr(ATTRIBUTE, mark)))
