"""Constants whose values stand apart from the function, put back into it.

Exporters write large weights as ``dense_resource``, whose bytes follow at the end of the text. A
workload has to be complete in itself, so they become ``dense``; the input's own text keeps them.
"""

from __future__ import annotations

import re
from math import prod

import numpy as np
from iree.compiler import ir

from costmodel.dtypes import NUMPY_DTYPES
from costmodel.ir import walk

__all__ = ["inline"]

_ENTRY = re.compile(r'([\w$.-]+|"[^"\n]+"): "0x([0-9A-Fa-f]*)"')
_NAME = re.compile(r'dense_resource<([\w$.-]+|"[^"\n]+")>')
#: Bytes before the values, which give their alignment.
_HEADER = 4
#: Element types that MLIR stores as NumPy does.
_PLAIN = frozenset({"f64", "f32", "f16", "i64", "i32", "i8"})


def inline(module: ir.Module) -> None:
    """Give constants that name a resource its values; those of other types stay as they are."""
    named = {op.operation: _named(op) for op in walk.operations(module.operation)}
    constants = {op: name for op, name in named.items() if name is not None}
    if not constants:
        return
    values = _values(str(module.operation.get_asm(large_elements_limit=None)))
    for op, name in constants.items():
        kind = op.results[0].type
        element = str(kind.element_type)
        data = values.get(name, b"")[_HEADER:]
        if element not in _PLAIN:
            continue
        dtype = np.dtype(NUMPY_DTYPES[element])
        if len(data) != prod(kind.shape) * dtype.itemsize:
            continue
        array = np.frombuffer(data, dtype).reshape(tuple(kind.shape))
        with module.context:
            op.attributes["value"] = ir.DenseElementsAttr.get(array, type=kind.element_type)


def _named(op: ir.OpView) -> str | None:
    if op.operation.name != "arith.constant":
        return None
    found = _NAME.match(str(op.attributes["value"]))
    return found[1] if found else None


def _values(text: str) -> dict[str, bytes]:
    """The resources at the end of a module's text, by name."""
    start = text.rfind("{-#")
    return {name: bytes.fromhex(digits) for name, digits in _ENTRY.findall(text[max(start, 0) :])}
