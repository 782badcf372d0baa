"""A short Python program that loads the tuned library and calls it."""

from __future__ import annotations

from costmodel.records import TensorType

__all__ = ["tvm_snippet"]

#: NumPy's name of each MLIR element type; ``bfloat16`` needs ml_dtypes to be imported.
NUMPY_NAMES = {
    "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16",
    "i64": "int64", "i32": "int32", "i8": "int8", "i1": "bool",
}  # fmt: skip

TEMPLATE = '''\
"""Load the tuned kernel {function} and call it; needs {needs}."""

import os
from pathlib import Path

{imports}

# One core a thread, as it was timed: two threads that are left alone are often woken on one core.
cores = sorted(os.sched_getaffinity(0))[:{threads}]
os.sched_setaffinity(0, cores[:1])
tvm.get_global_func("runtime.config_threadpool")(-2, len(cores), [str(core) for core in cores])

library = Path(__file__).resolve().with_name({library!r})
kernel = tvm.runtime.load_module(str(library))["main"]

rng = np.random.default_rng(0)
inputs = [{inputs}]
outputs = [{outputs}]

# The kernel takes the inputs, then the outputs, which it fills.
arguments = [tvm.runtime.tensor(array) for array in [*inputs, *outputs]]
kernel(*arguments)

for output in arguments[len(inputs) :]:
    print(output.dtype, output.shape, output.numpy().ravel()[:4])
'''


def tvm_snippet(
    function: str,
    library: str,
    inputs: tuple[TensorType, ...],
    outputs: tuple[TensorType, ...],
    threads: int,
) -> str:
    """The program's text; ``library`` is the file name of the tuned library beside it."""
    half = any(tensor.dtype == "bf16" for tensor in (*inputs, *outputs))
    return TEMPLATE.format(
        function=_harmless(function),
        needs="NumPy, ml_dtypes and apache-tvm" if half else "NumPy and apache-tvm",
        imports="\n".join(
            ["import ml_dtypes  # noqa: F401 (NumPy's bfloat16)"] * half
            + ["import numpy as np", "import tvm"]
        ),
        library=library,
        threads=threads,
        inputs=_items([_random(tensor) for tensor in inputs]),
        outputs=_items([f"np.zeros({t.shape}, {NUMPY_NAMES[t.dtype]!r})" for t in outputs]),
    )


def _harmless(name: str) -> str:
    """An MLIR symbol may hold quotes and line breaks, which would end the docstring."""
    return "".join(char if char.isalnum() or char in "_.$-" else "?" for char in name)


def _items(expressions: list[str]) -> str:
    if len(expressions) == 1:
        return expressions[0]
    return "".join(f"\n    {expression}," for expression in expressions) + "\n"


def _random(tensor: TensorType) -> str:
    """An expression that draws an array; indices stay in range, since the kernel checks none."""
    name = NUMPY_NAMES[tensor.dtype]
    if tensor.dtype == "i1":
        return f"rng.integers(0, 2, {tensor.shape}).astype({name!r})"
    if tensor.dtype.startswith("i"):
        limit = 8 if tensor.index_limit is None else tensor.index_limit
        return f"rng.integers(0, {limit}, {tensor.shape}, {name!r})"
    return f"rng.standard_normal({tensor.shape}).astype({name!r})"
