"""What the machine code of scheduled programs holds, and what it must not."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tvm
from tvm import s_tir

from costmodel.backends.tvm.knobs import knobs_of
from costmodel.backends.tvm.pipeline import STACK_BYTES, compile_module
from costmodel.backends.tvm.replay import lowered, tvm_target
from costmodel.backends.tvm.template import schedule
from costmodel.errors import UnsupportedError
from costmodel.ir import read_text
from tests.backends.tvm.programs import Function, Value

WORKSPACE = "TVMBackendAllocWorkspace"


def matmul(size: int) -> str:
    f = Function()
    a, b = (f.argument([size, size], "f32") for _ in range(2))
    return f.text(f.op("matmul", [a, b], f.filled("0.0", [size, size], "f32")))


def softmax(rows: int, length: int) -> str:
    f = Function()
    x = f.argument([rows, length], "f32")
    return f.text(f.op("softmax dimension(1)", [x], f.filled("0.0", [rows, length], "f32")))


def functions_of(executable) -> dict[str, str]:
    """LLVM's functions by name, as text."""
    source = executable.mod.inspect_source("ll")
    found = re.findall(r"^define [^@]*@([\w.]+)\(.*?^}", source, re.MULTILINE | re.DOTALL)
    bodies = re.findall(r"^define .*?^}", source, re.MULTILINE | re.DOTALL)
    return dict(zip(found, bodies, strict=True))


@pytest.fixture
def tiled(machine):
    """A matmul in register tiles, in parallel, with one operand packed."""
    _, program = lowered(read_text(matmul(64)).text)
    return schedule(program, {"matmul.pack1": 1}, machine).mod


def test_tiles_are_not_taken_from_the_heap(tiled, target):
    functions = functions_of(compile_module(tiled, tvm_target(target)))
    loops = {name: body for name, body in functions.items() if "lambda" in name}
    assert any("fma" in body or "fmul" in body for body in loops.values())
    assert not any(WORKSPACE in body for body in loops.values())
    # The panel is: it is made once.
    assert any(WORKSPACE in body for name, body in functions.items() if name not in loops)


def test_tvm_alone_would_take_them(tiled, target):
    functions = functions_of(tvm.compile(tiled, tvm_target(target)))
    assert any(WORKSPACE in body for name, body in functions.items() if "lambda" in name)


@pytest.mark.parametrize("length", [STACK_BYTES // 4, STACK_BYTES // 4 + 16])
def test_a_row_that_is_too_long_for_the_stack_is_on_the_heap(length, machine, target, library):
    workload = read_text(softmax(3, length))
    _, program = lowered(workload.text)
    compiled = library(schedule(program, {}, machine).mod, workload, target)
    source = compiled.executable.mod.inspect_source("ll")
    assert (WORKSPACE in source) == (4 * length > STACK_BYTES)
    x = np.random.default_rng(0).standard_normal((3, length), np.float32)
    (y,) = compiled([x])
    exact = np.exp(x.astype(np.float64))
    np.testing.assert_allclose(y, exact / exact.sum(axis=1, keepdims=True), rtol=1e-5)


def test_a_softmax_calls_no_mathematical_library(machine, target):
    module, program = lowered(read_text(softmax(8, 128)).text)
    assert ".exp(" in module.script()
    executable = compile_module(schedule(program, {}, machine).mod, tvm_target(target))
    source = executable.mod.inspect_source("ll")
    assert not re.search(r"@(llvm\.)?exp", source)
    widths = re.findall(r"(?:fmul|fma|fmuladd)\b.*<(\d+) x float>", source)
    assert max(map(int, widths)) >= machine.lanes("float32")


_FUNCTIONS = {
    "tanh": np.tanh,
    "exp": np.exp,
    "log1p": np.log1p,
    "rsqrt": lambda value: 1 / np.sqrt(value),
}


def function_at(depth: int) -> str:
    return list(_FUNCTIONS)[depth % len(_FUNCTIONS)]


def chained(f: Function, x: Value, depth: int) -> Value:
    """Functions of functions; each is used in a condition and behind it."""
    lines = ["%u0 = arith.addf %a, %a : T"]
    for i in range(depth):
        lines += [
            f"%s{i} = math.absf %u{i} : T",
            f"%t{i} = math.{function_at(i)} %s{i} : T",
            f"%c{i} = arith.cmpf ogt, %t{i}, %s{i} : T",
            f"%p{i} = arith.mulf %t{i}, %s{i} : T",
            f"%u{i + 1} = arith.select %c{i}, %p{i}, %t{i} : T",
        ]
    lines.append(f"%y = arith.addf %u{depth}, %u{depth} : T")
    return f.map([(x, "i")], "i", x, "\n".join(lines))


def chain(depth: int, dtype: str, times: int = 1) -> str:
    f = Function()
    x = f.argument([37], dtype)
    for _ in range(times):
        x = chained(f, x, depth)
    return f.text(x)


def computed(x: np.ndarray, depth: int) -> np.ndarray:
    value = x + x
    for i in range(depth):
        size = np.abs(value)
        value = _FUNCTIONS[function_at(i)](size)
        value = np.where(value > size, value * size, value)
    return value + value


@pytest.mark.parametrize("vectorized", [False, True])
def test_functions_of_functions_compute_what_numpy_does(vectorized, target, library):
    workload = read_text(chain(4, "f32"))
    module, _ = lowered(workload.text)
    if vectorized:
        sch = s_tir.Schedule(module)
        (block,) = sch.get_child_blocks(sch.get_sblock("root"))
        (loop,) = sch.get_loops(block)
        sch.vectorize(sch.split(loop, [None, 8])[1])
        module = sch.mod
    x = np.linspace(0.3, 1.4, 37, dtype=np.float32)
    (found,) = library(module, workload, target)([x])
    np.testing.assert_allclose(found, computed(x.astype(np.float64), 4), rtol=2e-5)


def test_functions_that_are_inlined_twice_compute_what_numpy_does(target, machine, library):
    workload = read_text(chain(3, "f32", times=2))
    _, program = lowered(workload.text)
    x = np.linspace(0.3, 1.4, 37, dtype=np.float32)
    expected = computed(computed(x.astype(np.float64), 3), 3)
    for choice in (
        {},
        *(
            {name: value}
            for name, values in knobs_of(program, machine).items()
            for value in values[1:]
        ),
    ):
        (found,) = library(schedule(program, choice, machine).mod, workload, target)([x])
        np.testing.assert_allclose(found, expected, rtol=5e-5)


@pytest.mark.parametrize(("dtype", "depth"), [("f32", 6), ("f64", 6), ("f16", 6), ("bf16", 2)])
def test_chains_of_functions_compile(dtype, depth, target):
    module, _ = lowered(read_text(chain(depth, dtype)).text)
    compile_module(module, tvm_target(target))


def test_a_body_that_is_an_endless_expression_is_refused():
    """In bf16 nothing is bound, and what is used twice is there twice."""
    with pytest.raises(UnsupportedError, match="too many nodes"):
        lowered(read_text(chain(8, "bf16")).text)
