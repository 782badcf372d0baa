"""Python text that draws a kernel's inputs, for the programs that show how to call it."""

from __future__ import annotations

from collections.abc import Sequence

from costmodel.records import TensorType

__all__ = ["NUMPY_NAMES", "array_list", "drawn_array", "harmless"]

#: NumPy's name of each MLIR element type; ``bfloat16`` needs ml_dtypes to be imported.
NUMPY_NAMES = {
    "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16",
    "i64": "int64", "i32": "int32", "i8": "int8", "i1": "bool",
}  # fmt: skip


def harmless(name: str) -> str:
    """An MLIR symbol may hold quotes and line breaks, which would end the docstring."""
    return "".join(char if char.isalnum() or char in "_.$-" else "?" for char in name)


def array_list(expressions: Sequence[str]) -> str:
    """The inside of a list's brackets: on one line for one item, else a line each."""
    if len(expressions) == 1:
        return expressions[0]
    return "".join(f"\n    {expression}," for expression in expressions) + "\n"


def drawn_array(tensor: TensorType) -> str:
    """An expression that draws an array; indices stay in range, since the kernel checks none."""
    name = NUMPY_NAMES[tensor.dtype]
    if tensor.dtype == "i1":
        return f"rng.integers(0, 2, {tensor.shape}).astype({name!r})"
    if tensor.dtype.startswith("i"):
        limit = 8 if tensor.index_limit is None else tensor.index_limit
        return f"rng.integers(0, {limit}, {tensor.shape}, {name!r})"
    return f"rng.standard_normal({tensor.shape}).astype({name!r})"
