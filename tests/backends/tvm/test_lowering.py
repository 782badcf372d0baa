"""The structure of what lowering makes: blocks, loops, buffers, and what schedules can do."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tvm
from tvm import s_tir

from costmodel.backends.tvm.lowering import lower
from costmodel.backends.tvm.metaschedule import MetaScheduleSpace
from costmodel.dtypes import NUMPY_DTYPES
from costmodel.errors import UnsupportedError
from costmodel.ir import read_text, read_workload
from costmodel.records import TensorType, Workload

KERNELS = sorted(Path(__file__).parents[3].joinpath("kernels").glob("*.mlir"))

MATMUL_BIAS_RELU = """
func.func @main(%a: tensor<64x48xf32>, %b: tensor<48x96xf32>, %c: tensor<96xf32>)
    -> tensor<64x96xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64x96xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<64x96xf32>) -> tensor<64x96xf32>
  %m = linalg.matmul ins(%a, %b : tensor<64x48xf32>, tensor<48x96xf32>)
      outs(%z : tensor<64x96xf32>) -> tensor<64x96xf32>
  %s = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>,
      affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      ins(%m, %c : tensor<64x96xf32>, tensor<96xf32>) outs(%e : tensor<64x96xf32>) {
  ^bb0(%x: f32, %y: f32, %o: f32):
    %r = arith.addf %x, %y : f32
    linalg.yield %r : f32
  } -> tensor<64x96xf32>
  %q = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>,
      affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      ins(%s : tensor<64x96xf32>) outs(%e : tensor<64x96xf32>) {
  ^bb0(%x: f32, %o: f32):
    %r = arith.maximumf %x, %zero : f32
    linalg.yield %r : f32
  } -> tensor<64x96xf32>
  return %q : tensor<64x96xf32>
}"""


def schedule(text: str) -> s_tir.Schedule:
    return s_tir.Schedule(lower(read_text(text)))


def blocks(sch: s_tir.Schedule) -> list[str]:
    root = sch.get_sblock("root")
    return [sch.get(block).name_hint for block in sch.get_child_blocks(root)]


def reduction(op: str, start: str, dtype: str = "f32") -> str:
    return f"""
      func.func @main(%x: tensor<4x32x{dtype}>) -> tensor<4x{dtype}> {{
        %c = arith.constant {start} : {dtype}
        %e = tensor.empty() : tensor<4x{dtype}>
        %z = linalg.fill ins(%c : {dtype}) outs(%e : tensor<4x{dtype}>) -> tensor<4x{dtype}>
        %r = linalg.reduce {{ {op} }} ins(%x : tensor<4x32x{dtype}>)
            outs(%z : tensor<4x{dtype}>) dimensions = [1]
        return %r : tensor<4x{dtype}>
      }}"""


def pointwise(body: str, dtype: str = "f32") -> str:
    return f"""
      func.func @main(%t: tensor<8x{dtype}>) -> tensor<8x{dtype}> {{
        %e = tensor.empty() : tensor<8x{dtype}>
        %r = linalg.generic {{indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
            iterator_types = ["parallel"]}} ins(%t : tensor<8x{dtype}>)
            outs(%e : tensor<8x{dtype}>) {{
        ^bb0(%x0: {dtype}, %o: {dtype}):
          {body}
        }} -> tensor<8x{dtype}>
        return %r : tensor<8x{dtype}>
      }}"""


def test_there_are_kernels() -> None:
    assert len(KERNELS) >= 24


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_every_kernel_lowers(path: Path) -> None:
    workload = read_workload(path)
    function = lower(workload)["main"]
    types = [*workload.inputs, *workload.outputs]
    assert [tuple(map(int, p.ty.shape)) for p in function.params] == [t.shape for t in types]
    names = [str(parameter.name) for parameter in function.params]
    assert names == [
        *(f"arg{i}" for i in range(len(workload.inputs))),
        *(f"out{i}" for i in range(len(workload.outputs))),
    ]


def test_one_block_an_op_and_none_for_a_fill() -> None:
    assert blocks(schedule(MATMUL_BIAS_RELU)) == ["matmul", "add", "maximum"]


def test_elementwise_blocks_inline_into_each_other_and_reductions_decompose() -> None:
    sch = schedule(MATMUL_BIAS_RELU)
    sch.compute_inline("add")
    sch.cache_write("matmul", 0, "global")
    sch.decompose_reduction("matmul", sch.get_loops("matmul")[0])
    assert blocks(sch) == ["matmul_init", "matmul_update", "matmul_global", "maximum"]


def test_the_design_space_has_fused_versions() -> None:
    target = tvm.target.Target({"kind": "llvm", "mcpu": "x86-64", "num-cores": 2})
    space = MetaScheduleSpace(lower(read_text(MATMUL_BIAS_RELU)), target)
    assert len(space.designs) >= 2
    fused = 0
    for trace in space.designs:
        sch = s_tir.Schedule(lower(read_text(MATMUL_BIAS_RELU)))
        trace.apply_to_schedule(sch, remove_postproc=True)
        names = blocks(sch)
        assert "add" not in names
        outer = sch.get(sch.get_loops("matmul")[0])
        last = sch.get(sch.get_loops(names[-1])[0])
        fused += outer.loop_var.same_as(last.loop_var)
    assert fused >= 1
    assert space.sample(random.Random(0)) is not None


@pytest.mark.parametrize(("op", "start", "dtype"), [
    ("arith.addf", "0.0", "f32"),
    ("arith.mulf", "1.0", "f64"),
    ("arith.maximumf", "0xFF800000", "f32"),
    ("arith.minimumf", "0x7F800000", "f32"),
    ("arith.maxnumf", "0xFF800000", "f32"),
    ("arith.minnumf", "3.40282347E+38", "f32"),
    ("arith.maxnumf", "0x7FC00000", "f32"),
    ("arith.maxsi", "-2147483648", "i32"),
    ("arith.addi", "0", "i32"),
])  # fmt: skip
def test_reductions_are_recognised(op: str, start: str, dtype: str) -> None:
    sch = schedule(reduction(op, start, dtype))
    (name,) = blocks(sch)
    _, inner = sch.split(sch.get_loops(name)[1], [None, 8])
    sch.rfactor(inner, 0)
    assert len(blocks(sch)) == 2


def test_writes_are_in_the_order_of_the_output() -> None:
    text = """
      func.func @main(%x: tensor<3x5x7xf32>) -> tensor<7x3xf32> {
        %c = arith.constant 0.0 : f32
        %e = tensor.empty() : tensor<7x3xf32>
        %z = linalg.fill ins(%c : f32) outs(%e : tensor<7x3xf32>) -> tensor<7x3xf32>
        %r = linalg.generic {indexing_maps = [affine_map<(i, k, j) -> (i, k, j)>,
            affine_map<(i, k, j) -> (j, i)>],
            iterator_types = ["parallel", "reduction", "parallel"]} ins(%x : tensor<3x5x7xf32>)
            outs(%z : tensor<7x3xf32>) {
        ^bb0(%a: f32, %o: f32):
          %s = arith.addf %a, %o : f32
          linalg.yield %s : f32
        } -> tensor<7x3xf32>
        return %r : tensor<7x3xf32>
      }"""
    sch = schedule(text)
    assert [int(sch.get(loop).extent) for loop in sch.get_loops("sum")] == [7, 3, 5]


def test_results_are_written_in_place() -> None:
    text = """
      func.func @main(%x: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
        %a = math.exp %x : tensor<8xf32>
        %b = math.sqrt %a : tensor<8xf32>
        return %b, %a : tensor<8xf32>, tensor<8xf32>
      }"""
    sch = schedule(text)
    assert blocks(sch) == ["exp", "sqrt"]
    assert len(sch.get(sch.get_sblock("root")).alloc_buffers) == 0


def test_an_expression_used_many_times_does_not_grow_without_bound() -> None:
    lines = [f"%x{i + 1} = arith.mulf %x{i}, %x{i} : f32" for i in range(60)]
    text = pointwise("\n".join([*lines, "linalg.yield %x60 : f32"]))
    assert len(lower(read_text(text)).script()) < 20_000


@pytest.mark.parametrize(("body", "dtype", "op", "reason"), [
    ("%y, %z = math.sincos %x0 : f32\nlinalg.yield %y : f32", "f32", "math.sincos", "not known"),
    ("%y = math.ctlz %x0 : i32\nlinalg.yield %y : i32", "i32", "math.ctlz", "not known"),
    ("%y = math.ipowi %x0, %x0 : i32\nlinalg.yield %y : i32", "i32", "math.ipowi", "exponent"),
])  # fmt: skip
def test_what_cannot_be_lowered_is_named(body: str, dtype: str, op: str, reason: str) -> None:
    types = (TensorType((8,), dtype),)
    text = pointwise(body, dtype)
    with pytest.raises(UnsupportedError) as refusal:
        lower(Workload(text, "main", types, types))
    assert op in str(refusal.value)
    assert reason in str(refusal.value)


@pytest.mark.parametrize("dtype", list(NUMPY_DTYPES))
def test_large_constants_are_data_of_the_library(dtype: str, tmp_path: Path) -> None:
    values = np.arange(7 * 13) % (2 if dtype == "i1" else 100)
    if dtype == "i1":
        rows = [["true" if v else "false" for v in row] for row in values.reshape(7, 13)]
    else:
        suffix = ".5" if "f" in dtype else ""
        rows = [[f"{v}{suffix}" for v in row] for row in values.reshape(7, 13)]
    literal = ", ".join(f"[{', '.join(row)}]" for row in rows)
    text = f"""
      func.func @main(%x: tensor<2xf32>) -> tensor<7x13x{dtype}> {{
        %c = arith.constant dense<[{literal}]> : tensor<7x13x{dtype}>
        return %c : tensor<7x13x{dtype}>
      }}"""
    workload = read_text(text)
    built = tvm.compile(lower(workload), target=tvm.target.Target({"kind": "llvm"}))
    built.export_library(str(tmp_path / "kernel.so"))
    library = tvm.runtime.load_module(str(tmp_path / "kernel.so"))
    out = tvm.runtime.tensor(np.zeros((7, 13), NUMPY_DTYPES[dtype]))
    library["main"](tvm.runtime.tensor(np.zeros(2, np.float32)), out)
    expected = (values + (0.5 if "f" in dtype else 0)).reshape(7, 13).astype(NUMPY_DTYPES[dtype])
    assert np.array_equal(out.numpy(), expected)


def test_a_process_that_lowered_ends_cleanly() -> None:
    program = (
        "from costmodel.backends.tvm import intrinsics\n"
        "from costmodel.backends.tvm.lowering import lower\n"
        "from costmodel.records import Workload\n"
        "intrinsics.register()\n"
        "text = 'func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> "
        "{ %y = math.exp %x : tensor<4xf32>\\n return %y : tensor<4xf32> }'\n"
        "print(len(lower(Workload(text, 'main', (), ())).functions))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr
