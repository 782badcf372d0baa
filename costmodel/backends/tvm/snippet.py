"""A short Python program that loads the tuned library and calls it."""

from __future__ import annotations

from costmodel.backends.drawing import NUMPY_NAMES, array_list, drawn_array, harmless
from costmodel.records import TensorType

__all__ = ["tvm_snippet"]

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
        function=harmless(function),
        needs="NumPy, ml_dtypes and apache-tvm" if half else "NumPy and apache-tvm",
        imports="\n".join(
            ["import ml_dtypes  # noqa: F401 (NumPy's bfloat16)"] * half
            + ["import numpy as np", "import tvm"]
        ),
        library=library,
        threads=threads,
        inputs=array_list([drawn_array(tensor) for tensor in inputs]),
        outputs=array_list([f"np.zeros({t.shape}, {NUMPY_NAMES[t.dtype]!r})" for t in outputs]),
    )
