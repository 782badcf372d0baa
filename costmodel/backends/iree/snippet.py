"""A short Python program that loads the tuned module and calls it."""

from __future__ import annotations

from costmodel.backends.drawing import array_list, drawn_array, harmless
from costmodel.records import TensorType

__all__ = ["iree_snippet"]

TEMPLATE = '''\
"""Load the tuned kernel {function} and call it; needs {needs}."""

from pathlib import Path

{imports}

rt.flags.parse_flags("--task_topology_group_count={threads}")
module = Path(__file__).resolve().with_name({module!r})
loaded = rt.load_vm_flatbuffer_file(str(module), driver="local-task")
name = {symbol!r}
kernel = loaded[name if name in loaded.vm_module.function_names else "main"]

rng = np.random.default_rng(0)
inputs = [{inputs}]

results = kernel(*inputs)
for output in results if isinstance(results, tuple) else [results]:
    values = np.asarray(output)
    print(values.dtype, values.shape, values.ravel()[:4])
'''


def iree_snippet(function: str, module: str, inputs: tuple[TensorType, ...], threads: int) -> str:
    """The program's text; ``module`` is the file name of the tuned module beside it."""
    half = any(tensor.dtype == "bf16" for tensor in inputs)
    return TEMPLATE.format(
        function=harmless(function),
        symbol=function,
        needs="NumPy, ml_dtypes and iree-base-runtime" if half else "NumPy and iree-base-runtime",
        imports="\n".join(
            ["import iree.runtime as rt"]
            + ["import ml_dtypes  # noqa: F401 (NumPy's bfloat16)"] * half
            + ["import numpy as np"]
        ),
        module=module,
        inputs=array_list([drawn_array(tensor) for tensor in inputs]),
        threads=threads,
    )
