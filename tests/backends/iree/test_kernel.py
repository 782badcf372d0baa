import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from costmodel.backends.iree import compiler
from costmodel.backends.iree.compiler import compile_workload
from costmodel.backends.iree.kernel import IREEKernel
from costmodel.dtypes import NUMPY_DTYPES
from costmodel.errors import BackendError
from costmodel.measure.inputs import random_inputs
from costmodel.records import TensorType, Workload

DOUBLE = """func.func @main(%x: {tensor}) -> {tensor} {{
  %empty = tensor.empty() : {tensor}
  %y = linalg.generic {{
      indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]}} ins(%x : {tensor}) outs(%empty : {tensor}) {{
    ^bb0(%a: {dtype}, %unused: {dtype}):
      %sum = arith.{add} %a, %a : {dtype}
      linalg.yield %sum : {dtype}
  }} -> {tensor}
  return %y : {tensor}
}}"""

MIXED = """func.func @main(%x: tensor<4xf64>, %s: f64, %n: i64, %z: tensor<f32>)
    -> (f64, tensor<4xf64>, i64, tensor<f32>, tensor<3xi32>) {
  %twice = arith.addf %s, %s : f64
  %empty = tensor.empty() : tensor<4xf64>
  %filled = linalg.fill ins(%twice : f64) outs(%empty : tensor<4xf64>) -> tensor<4xf64>
  %sum = linalg.map { arith.addf } ins(%x, %filled : tensor<4xf64>, tensor<4xf64>)
      outs(%empty : tensor<4xf64>)
  %m = arith.addi %n, %n : i64
  %constant = arith.constant dense<[7, 8, 9]> : tensor<3xi32>
  return %twice, %sum, %m, %z, %constant
      : f64, tensor<4xf64>, i64, tensor<f32>, tensor<3xi32>
}"""


def build(folder: Path, text, inputs, outputs, threads=1) -> IREEKernel:
    workload = Workload(text, "main", tuple(inputs), tuple(outputs))
    compile_workload(workload, folder / "k.vmfb", timeout_s=60)
    return IREEKernel(folder / "k.vmfb", workload, threads=threads)


@pytest.mark.parametrize("dtype", [d for d in NUMPY_DTYPES if d != "i1"])
def test_every_element_type_goes_in_and_comes_out(tmp_path, dtype):
    add = "addi" if dtype.startswith("i") else "addf"
    type_ = TensorType((100,), dtype)
    text = DOUBLE.format(tensor=f"tensor<{type_}>", dtype=dtype, add=add)
    kernel = build(tmp_path, text, [type_], [type_])
    (x,) = random_inputs([type_], seed=0)
    kernel.prepare([x], [])
    kernel.run(2)
    (y,) = kernel.results()
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, x + x)


def test_booleans_go_in_and_come_out(tmp_path):
    type_ = TensorType((100,), "i1")
    text = DOUBLE.format(tensor="tensor<100xi1>", dtype="i1", add="addi")
    text = text.replace("arith.addi %a, %a", "arith.andi %a, %a")
    kernel = build(tmp_path, text, [type_], [type_])
    (x,) = random_inputs([type_], seed=0)
    kernel.prepare([x], [])
    kernel.run(1)
    np.testing.assert_array_equal(kernel.results()[0], x)
    assert kernel.results()[0].dtype == np.bool_


def test_scalars_zero_dimensional_tensors_constants_and_several_results(tmp_path):
    inputs = [TensorType((4,), "f64"), TensorType((), "f64"), TensorType((), "i64")]
    inputs.append(TensorType((), "f32"))
    outputs = [TensorType((), "f64"), TensorType((4,), "f64"), TensorType((), "i64")]
    outputs += [TensorType((), "f32"), TensorType((3,), "i32")]
    kernel = build(tmp_path, MIXED, inputs, outputs)
    x, n = np.arange(4) + 1e-12, np.array(2**40 + 1)
    kernel.prepare([x, np.array(0.1), n, np.array(0.5, np.float32)], [])
    kernel.run(1)
    results = kernel.results()
    assert [(r.shape, r.dtype) for r in results] == [
        (t.shape, NUMPY_DTYPES[t.dtype]) for t in outputs
    ]
    # Doubles stay doubles: in f32 neither 0.2 nor 1e-12 would survive.
    expected = [np.float64(0.2), x + 0.2, 2**41 + 2, np.float32(0.5), [7, 8, 9]]
    for got, want in zip(results, expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_results_outlive_later_runs_and_the_kernel(tmp_path):
    type_ = TensorType((8,), "f32")
    text = DOUBLE.format(tensor="tensor<8xf32>", dtype="f32", add="addf")
    kernel = build(tmp_path, text, [type_], [type_])
    kernel.prepare([np.ones(8, np.float32)], [])
    kernel.run(1)
    (first,) = kernel.results()
    kernel.prepare([np.full(8, 3, np.float32)], [])
    kernel.run(1)
    (second,) = kernel.results()
    del kernel
    np.testing.assert_array_equal(first, np.full(8, 2))
    np.testing.assert_array_equal(second, np.full(8, 6))


WORKERS = """
import os, pathlib, sys
import numpy
from costmodel.backends.iree.kernel import IREEKernel
from costmodel.records import TensorType, Workload
type_ = TensorType((8,), "f32")
workload = Workload("", "main", (type_,), (type_,))
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
kernels = []
for threads in (1, 2, 2, 3):
    kernel = IREEKernel(pathlib.Path(sys.argv[1]), workload, threads=threads)
    kernel.prepare([numpy.ones(8, numpy.float32)], [])
    kernel.run(10)
    kernels.append(kernel)
    tasks = [t for t in pathlib.Path("/proc/self/task").iterdir()]
    workers = [int(t.name) for t in tasks if (t / "comm").read_text().startswith("iree-worker")]
    alone = all(os.sched_getaffinity(w) == os.sched_getaffinity(0) for w in workers)
    print(len(workers), alone)
"""


def test_a_device_has_as_many_workers_as_asked_for_on_the_cores_of_the_process(tmp_path):
    type_ = TensorType((8,), "f32")
    text = DOUBLE.format(tensor="tensor<8xf32>", dtype="f32", add="addf")
    compile_workload(Workload(text, "main", (type_,), (type_,)), tmp_path / "k.vmfb")
    command = [sys.executable, "-c", WORKERS, str(tmp_path / "k.vmfb")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # One device a number of threads: the second kernel with two threads shares the first one's.
    assert done.stdout.split("\n")[:4] == ["1 True", "3 True", "3 True", "6 True"]


def test_a_rejected_function_is_a_backend_error_with_the_message(tmp_path):
    workload = Workload("func.func @main() { linalg.nothing }", "main", (), ())
    with pytest.raises(BackendError, match="nothing"):
        compile_workload(workload, tmp_path / "k.vmfb", timeout_s=60)
    assert list(tmp_path.iterdir()) == []


def test_a_time_out_kills_the_compiler_and_leaves_nothing(tmp_path):
    # A chain that takes the compiler far longer than it is given.
    lines = "".join(f"%v{i + 1} = arith.addf %v{i}, %v{i} : f32\n" for i in range(100_000))
    text = f"func.func @main(%v0: f32) -> f32 {{\n{lines}return %v100000 : f32\n}}"
    scalar = (TensorType((), "f32"),)
    with pytest.raises(BackendError, match=r"0\.5 s"):
        compile_workload(Workload(text, "main", scalar, scalar), tmp_path / "k", timeout_s=0.5)
    assert list(tmp_path.iterdir()) == []
    compilers = [
        child
        for child in psutil.Process(os.getpid()).children(recursive=True)
        if "iree-compile" in child.name() and child.status() != psutil.STATUS_ZOMBIE
    ]
    assert compilers == []


def test_a_phase_that_hangs_is_run_again(tmp_path, monkeypatch):
    """The compiler itself, which the first time does not begin."""
    script = tmp_path / "iree-compile"
    script.write_text(f"""#!/bin/sh
if [ ! -e {tmp_path}/begun ]; then touch {tmp_path}/begun; sleep 600; fi
exec {compiler.binary("iree-compile")} "$@"
""")
    script.chmod(0o755)
    monkeypatch.setattr(compiler, "_compiler", lambda: str(script))
    text = DOUBLE.format(tensor="tensor<4xf32>", dtype="f32", add="addf")
    assert "hal.executable" in compiler.configured_text(text, timeout_s=20)
    assert (tmp_path / "begun").exists()
    script.write_text("#!/bin/sh\nsleep 600\n")
    with pytest.raises(BackendError, match=r"0\.2 s"):
        compiler.configured_text(text, timeout_s=0.2)


def test_a_crash_of_the_compiler_is_a_backend_error(tmp_path):
    text = "module {" * 60_000 + "}" * 60_000
    with pytest.raises(BackendError, match="crashed"):
        compile_workload(Workload(text, "main", (), ()), tmp_path / "k.vmfb", timeout_s=60)


def test_what_is_not_a_module_is_a_backend_error(tmp_path):
    (tmp_path / "bad.vmfb").write_bytes(b"not a module")
    with pytest.raises(BackendError, match=r"bad\.vmfb"):
        IREEKernel(tmp_path / "bad.vmfb", Workload("", "main", (), ()), threads=1)


def test_a_module_of_another_workload_is_refused(tmp_path):
    type_ = TensorType((8,), "f32")
    text = DOUBLE.format(tensor="tensor<8xf32>", dtype="f32", add="addf")
    build(tmp_path, text, [type_], [type_])
    other = Workload(text, "main", (type_, type_), (type_,))
    with pytest.raises(BackendError, match="another workload"):
        IREEKernel(tmp_path / "k.vmfb", other, threads=1)


def test_inputs_of_the_wrong_shape_are_refused(tmp_path):
    type_ = TensorType((8,), "f32")
    text = DOUBLE.format(tensor="tensor<8xf32>", dtype="f32", add="addf")
    kernel = build(tmp_path, text, [type_], [type_])
    with pytest.raises(BackendError, match="shape"):
        kernel.prepare([np.ones(9, np.float32)], [])


def test_run_reports_the_time_of_all_its_calls(tmp_path):
    type_ = TensorType((1000,), "f32")
    text = DOUBLE.format(tensor="tensor<1000xf32>", dtype="f32", add="addf")
    kernel = build(tmp_path, text, [type_], [type_])
    with pytest.raises(BackendError, match="prepare"):
        kernel.run(1)
    kernel.prepare([np.ones(1000, np.float32)], [])
    with pytest.raises(BackendError, match="run"):
        kernel.results()
    start = time.perf_counter()
    elapsed = kernel.run(50)
    assert 0 < elapsed <= time.perf_counter() - start
