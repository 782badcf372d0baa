"""Every op family, lowered to TensorIR, against the same MLIR compiled by IREE."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tvm
from numpy.typing import NDArray

from costmodel.backends.iree.compiler import compile_workload
from costmodel.backends.iree.kernel import IREEKernel
from costmodel.backends.tvm import intrinsics
from costmodel.backends.tvm.lowering import lower
from costmodel.ir import read_text
from costmodel.measure.check import compare
from costmodel.measure.inputs import poisoned_outputs, random_inputs
from costmodel.records import Workload

CASES = sorted(Path(__file__).with_name("lowering_cases").glob("*.mlir"))
TARGET = {"kind": "llvm", "mcpu": tvm.target.codegen.llvm_get_system_cpu()}

#: What each function is in NumPy's double precision; IREE's own versions are rougher, or missing.
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "arith.negf": np.negative,
    "math.absf": np.abs,
    "math.ceil": np.ceil,
    "math.floor": np.floor,
    "math.trunc": np.trunc,
    "math.roundeven": np.rint,
    "math.round": lambda x: np.sign(x) * (np.floor(np.abs(x)) + (np.abs(x) % 1 >= 0.5)),
    "math.exp": np.exp,
    "math.exp2": np.exp2,
    "math.expm1": np.expm1,
    "math.tanh": np.tanh,
    "math.erf": np.vectorize(math.erf),
    "math.erfc": np.vectorize(math.erfc),
    "math.sin": np.sin,
    "math.cos": np.cos,
    "math.tan": np.tan,
    "math.atan": np.arctan,
    "math.sinh": np.sinh,
    "math.cosh": np.cosh,
    "math.asinh": np.arcsinh,
    "math.acosh": np.arccosh,
    "math.atanh": np.arctanh,
    "math.cbrt": np.cbrt,
    "math.log": np.log,
    "math.log2": np.log2,
    "math.log10": np.log10,
    "math.log1p": np.log1p,
    "math.sqrt": np.sqrt,
    "math.rsqrt": lambda x: 1 / np.sqrt(x),
    "math.asin": np.arcsin,
    "math.acos": np.arccos,
}
BINARY_FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "arith.addf": np.add,
    "arith.subf": np.subtract,
    "arith.mulf": np.multiply,
    "arith.divf": np.divide,
    "arith.remf": np.fmod,
    "arith.maximumf": np.maximum,
    "arith.minimumf": np.minimum,
    "arith.maxnumf": np.fmax,
    "arith.minnumf": np.fmin,
    "math.copysign": np.copysign,
    "math.atan2": np.arctan2,
}
BINARY = {
    "integer": (
        "arith.addi",
        "arith.subi",
        "arith.muli",
        "arith.andi",
        "arith.ori",
        "arith.xori",
        "arith.maxsi",
        "arith.minsi",
        "arith.maxui",
        "arith.minui",
    ),
    "bit": (
        "arith.addi",
        "arith.muli",
        "arith.andi",
        "arith.ori",
        "arith.xori",
        "arith.maxsi",
        "arith.minui",
    ),
    "divisor": (
        "arith.divsi",
        "arith.remsi",
        "arith.divui",
        "arith.remui",
        "arith.floordivsi",
        "arith.ceildivsi",
        "arith.shli",
        "arith.shrsi",
        "arith.shrui",
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _vector_math() -> None:
    intrinsics.register()


def run_tvm(workload: Workload, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    library = tvm.compile(lower(workload), target=tvm.target.Target(TARGET)).jit()
    outputs = poisoned_outputs(workload.outputs)
    arguments = [tvm.runtime.tensor(array) for array in [*inputs, *outputs]]
    library["main"](*arguments)
    return [argument.numpy() for argument in arguments[len(inputs) :]]


def run_iree(workload: Workload, inputs: Sequence[NDArray[Any]], folder: Path) -> list[Any]:
    module = folder / "reference.vmfb"
    compile_workload(workload, module)
    kernel = IREEKernel(module, workload, threads=1)
    kernel.prepare(inputs, poisoned_outputs(workload.outputs))
    kernel.run(1)
    return kernel.results()


def check(
    text: str, folder: Path, inputs: Sequence[NDArray[Any]] | None = None, length: int = 64
) -> None:
    workload = read_text(text)
    arrays = random_inputs(workload.inputs, seed=3) if inputs is None else list(inputs)
    result = compare(
        run_tvm(workload, arrays), run_iree(workload, arrays, folder), reduction_length=length
    )
    assert result.ok, result.message


def elementwise(lines: Sequence[str], operands: str, results: Sequence[str]) -> str:
    """A function of tensor-level ops, one result each."""
    types = ", ".join(results)
    names = ", ".join(f"%r{number}" for number in range(len(lines)))
    body = "\n".join(f"%r{number} = {line}" for number, line in enumerate(lines))
    return f"func.func @main({operands}) -> ({types}) {{\n{body}\nreturn {names} : {types}\n}}"


def special(dtype: Any) -> NDArray[Any]:
    """64 numbers: normal ones, tiny ones, ties, zeros, infinities and NaN."""
    plain = np.random.default_rng(5).normal(scale=3, size=45)
    odd = [
        0.0,
        -0.0,
        np.inf,
        -np.inf,
        np.nan,
        0.5,
        -0.5,
        1.5,
        2.5,
        -2.5,
        1e-8,
        -1e-8,
        4.0,
        1.0,
        -1.0,
        7.4,
        -7.6,
        0.49999997,
        20.0,
    ]
    return np.concatenate([plain, odd]).astype(dtype)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_case(case: Path, tmp_path: Path) -> None:
    check(case.read_text(), tmp_path)


@pytest.mark.parametrize("dtype", ["f32", "f64", "f16"])
def test_unary_functions(dtype: str) -> None:
    tensor = f"tensor<64x{dtype}>"
    lines = [f"{name} %x : {tensor}" for name in FUNCTIONS]
    text = elementwise(lines, f"%x: {tensor}", [tensor] * len(lines))
    values = special({"f32": np.float32, "f64": np.float64, "f16": np.float16}[dtype])
    results = run_tvm(read_text(text), [values])
    relative = 16 * float(np.finfo(values.dtype).eps)
    for (name, function), result in zip(FUNCTIONS.items(), results, strict=True):
        with np.errstate(all="ignore"):
            expected = function(values.astype(np.float64)).astype(values.dtype)
        np.testing.assert_allclose(result, expected, relative, err_msg=name)


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_binary_functions_of_floats(dtype: str) -> None:
    tensor = f"tensor<64x{dtype}>"
    lines = [f"{name} %x, %y : {tensor}" for name in BINARY_FUNCTIONS]
    text = elementwise(lines, f"%x: {tensor}, %y: {tensor}", [tensor] * len(lines))
    x = special(np.float32 if dtype == "f32" else np.float64)
    y = np.roll(x, 17)
    results = run_tvm(read_text(text), [x, y])
    for (name, function), result in zip(BINARY_FUNCTIONS.items(), results, strict=True):
        with np.errstate(all="ignore"):
            expected = function(x, y)
        relative = 4 * float(np.finfo(x.dtype).eps) if name == "math.atan2" else 0
        np.testing.assert_allclose(result, expected, relative, err_msg=name)


@pytest.mark.parametrize(
    ("domain", "dtype"),
    [
        ("integer", "i8"),
        ("integer", "i32"),
        ("integer", "i64"),
        ("bit", "i1"),
        ("divisor", "i32"),
        ("divisor", "i64"),
    ],
)
def test_binary_functions_of_integers(domain: str, dtype: str, tmp_path: Path) -> None:
    tensor = f"tensor<64x{dtype}>"
    names = BINARY[domain]
    lines = [f"{name} %x, %y : {tensor}" for name in names]
    text = elementwise(lines, f"%x: {tensor}, %y: {tensor}", [tensor] * len(names))
    workload = read_text(text)
    x, y = random_inputs(workload.inputs, seed=1)
    if domain == "divisor":
        y = np.abs(y) % 7 + 1
    check(text, tmp_path, [x, y])


def test_float_comparisons(tmp_path: Path) -> None:
    predicates = [
        "oeq", "ogt", "oge", "olt", "ole", "one", "ord",
        "ueq", "ugt", "uge", "ult", "ule", "une", "uno",
    ]  # fmt: skip
    lines = [f"arith.cmpf {predicate}, %x, %y : tensor<64xf32>" for predicate in predicates]
    text = elementwise(
        lines, "%x: tensor<64xf32>, %y: tensor<64xf32>", ["tensor<64xi1>"] * len(lines)
    )
    x = special(np.float32)
    y = np.where(np.arange(64) % 3, np.roll(x, 17), x)
    check(text, tmp_path, [x, y])


@pytest.mark.parametrize("dtype", ["i32", "i1"])
def test_integer_comparisons(dtype: str, tmp_path: Path) -> None:
    predicates = ["eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge"]
    lines = [f"arith.cmpi {predicate}, %x, %y : tensor<64x{dtype}>" for predicate in predicates]
    operands = f"%x: tensor<64x{dtype}>, %y: tensor<64x{dtype}>"
    check(elementwise(lines, operands, ["tensor<64xi1>"] * len(lines)), tmp_path)


def test_casts(tmp_path: Path) -> None:
    casts = [
        ("extf", "f", "f32", "f64"),
        ("truncf", "f", "f32", "f16"),
        ("truncf", "f", "f32", "bf16"),
        ("fptosi", "f", "f32", "i32"),
        ("fptosi", "f", "f32", "i64"),
        ("fptosi", "f", "f32", "i8"),
        ("sitofp", "i", "i32", "f32"),
        ("sitofp", "i", "i32", "f16"),
        ("uitofp", "u", "i8", "f32"),
        ("extsi", "u", "i8", "i32"),
        ("extui", "u", "i8", "i64"),
        ("trunci", "i", "i32", "i8"),
        ("trunci", "i", "i32", "i1"),
        ("extui", "b", "i1", "i32"),
        ("extsi", "b", "i1", "i32"),
        ("uitofp", "b", "i1", "f32"),
        ("sitofp", "b", "i1", "f32"),
        ("bitcast", "f", "f32", "i32"),
    ]
    lines = [f"arith.{op} %{x} : tensor<64x{a}> to tensor<64x{b}>" for op, x, a, b in casts]
    operands = "%f: tensor<64xf32>, %i: tensor<64xi32>, %u: tensor<64xi8>, %b: tensor<64xi1>"
    check(elementwise(lines, operands, [f"tensor<64x{b}>" for *_, b in casts]), tmp_path)


def test_powers(tmp_path: Path) -> None:
    text = """
      func.func @main(%x: tensor<64xf32>, %y: tensor<64xf32>)
          -> (tensor<64xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64xf32>) {
        %two = arith.constant dense<2.0> : tensor<64xf32>
        %half = arith.constant dense<0.5> : tensor<64xf32>
        %three = arith.constant dense<3> : tensor<64xi32>
        %a = math.powf %x, %y : tensor<64xf32>
        %b = math.powf %x, %two : tensor<64xf32>
        %c = math.powf %x, %half : tensor<64xf32>
        %d = math.fpowi %x, %three : tensor<64xf32>, tensor<64xi32>
        return %a, %b, %c, %d : tensor<64xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64xf32>
      }"""
    generator = np.random.default_rng(2)
    x, y = generator.uniform(0.1, 9, 64), generator.uniform(-4, 4, 64)
    check(text, tmp_path, [x.astype(np.float32), y.astype(np.float32)])


@pytest.mark.parametrize("op", ["maximumf", "minimumf", "maxnumf", "minnumf"])
def test_reductions_treat_nan_as_their_op_says(op: str, tmp_path: Path) -> None:
    start = "0xFF800000" if "max" in op else "0x7F800000"
    text = f"""
      func.func @main(%x: tensor<5x9xf32>) -> tensor<5xf32> {{
        %c = arith.constant {start} : f32
        %e = tensor.empty() : tensor<5xf32>
        %z = linalg.fill ins(%c : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
        %r = linalg.reduce {{arith.{op}}} ins(%x : tensor<5x9xf32>) outs(%z : tensor<5xf32>)
            dimensions = [1]
        return %r : tensor<5xf32>
      }}"""
    values = np.random.default_rng(4).normal(size=(5, 9)).astype(np.float32)
    for row, column in ((0, 0), (1, 4), (2, 8)):
        values[row, column] = np.nan
    expected = run_tvm(read_text(text), [values])[0]
    assert np.isnan(expected).tolist() == [op in ("maximumf", "minimumf")] * 3 + [False] * 2
    reduce = np.nanmax if "max" in op else np.nanmin
    numbers = ~np.isnan(expected)
    assert np.array_equal(expected[numbers], reduce(values, axis=1)[numbers])


def test_outputs_indexed_by_sums_of_loops_accumulate() -> None:
    text = """
      func.func @main(%x: tensor<6x3xf32>, %out: tensor<8xf32>) -> tensor<8xf32> {
        %r = linalg.generic {
            indexing_maps = [affine_map<(i, k) -> (i, k)>, affine_map<(i, k) -> (i + k)>],
            iterator_types = ["reduction", "reduction"]}
            ins(%x : tensor<6x3xf32>) outs(%out : tensor<8xf32>) {
        ^bb0(%a: f32, %o: f32):
          %s = arith.addf %a, %o : f32
          linalg.yield %s : f32
        } -> tensor<8xf32>
        return %r : tensor<8xf32>
      }"""
    workload = read_text(text)
    x, out = random_inputs(workload.inputs, seed=0)
    expected = out.astype(np.float64)
    for i, k in np.ndindex(6, 3):
        expected[i + k] += x[i, k]
    assert np.allclose(run_tvm(workload, [x, out])[0], expected, atol=1e-5)
