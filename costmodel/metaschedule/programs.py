"""What a TensorIR function computes on: its record as a workload, and how to check its results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import tvm
from tvm import s_tir, tirx
from tvm.ir.prim import expr as prim
from tvm_ffi.structural import structural_walk

from costmodel.errors import UnsupportedError
from costmodel.metaschedule.canonical import canonical_text
from costmodel.records import TensorType, Workload
from costmodel.session import Session

__all__ = ["ATTRIBUTE", "BACKEND", "Program", "main_function", "read_program", "script_of"]

#: The backend of schedules of TensorIR that did not come from MLIR: traces of MetaSchedule.
BACKEND = "metaschedule"
#: A function made from MLIR carries its workload under this name, as JSON.
ATTRIBUTE = "costmodel.workload"

_DTYPES: Mapping[str, str] = {
    "float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16",
    "int64": "i64", "int32": "i32", "int8": "i8", "bool": "i1",
}  # fmt: skip
#: Floating types, the coarsest first.
_COARSEST = ("bf16", "f16", "f32", "f64")
_REDUCTION = 2
_HINT = "tune it with MetaSchedule's own builder, runner and database"


@dataclass(frozen=True, eq=False)
class Program:
    """An untuned function. ``order`` has the numbers of inputs and outputs as the call has them.

    ``session`` is there where the function was made from MLIR: then the workload is that, and its
    schedules are those of the ``tvm`` backend. ``reduction_length`` and ``dtype`` say how exact
    results can be; see ``costmodel.measure.check``.
    """

    workload: Workload
    module: Any
    order: tuple[int, ...]
    reduction_length: int
    dtype: str | None
    session: Session | None = None

    @property
    def backend(self) -> str:
        return BACKEND if self.session is None else "tvm"


def main_function(mod: Any) -> Any:
    """The one function of a module. Raises UnsupportedError where there are several."""
    functions = [func for func in mod.functions.values() if isinstance(func, tirx.PrimFunc)]
    if len(functions) != 1:
        raise UnsupportedError(
            f"the module has {len(functions)} TensorIR functions, and one is tuned at a time"
        )
    return functions[0]


def script_of(func: Any) -> str:
    """The canonical text of a function, whatever it is called and whether we marked it."""
    for name in ("global_symbol", "tirx.noalias", ATTRIBUTE):
        func = func.without_attr(name)
    return canonical_text(tvm.IRModule({"main": func}).script(show_meta=True))


def read_program(mod: Any) -> Program:
    """The program of a module. Raises UnsupportedError, with the reason, for what cannot be run."""
    func = main_function(mod)
    if func.attrs and "layout_free_buffers" in func.attrs:
        raise _refused("the layout of its weights may change, so that no results can be compared")
    blocks = _blocks(func)
    written = [buffer for block in blocks for buffer in _sources(block.writes)]
    _check_in_place(func, blocks)
    limits = _index_limits(func)
    types = [_type_of(parameter, limits.get(parameter)) for parameter in func.params]
    outputs = [n for n, parameter in enumerate(func.params) if _among(parameter, written)]
    inputs = [n for n in range(len(types)) if n not in outputs]
    if not outputs:
        raise _refused("it writes to none of its parameters")
    called = [*inputs, *outputs]
    workload = Workload(
        script_of(func), _name(func), tuple(types[n] for n in inputs),
        tuple(types[n] for n in outputs),
    )  # fmt: skip
    order = tuple(called.index(place) for place in range(len(types)))
    return Program(workload, mod, order, _reduction_length(blocks), _coarsest(written))


def _name(func: Any) -> str:
    symbol = func.attrs.get("global_symbol") if func.attrs else None
    return str(symbol or "main")


def _refused(reason: str) -> UnsupportedError:
    return UnsupportedError(f"this function cannot be measured: {reason}", hint=_HINT)


def _blocks(func: Any) -> list[Any]:
    """The blocks in the order in which they run, without the root."""
    found: list[Any] = []
    structural_walk(func.body, [(s_tir.stmt.SBlock, found.append)])
    return found[:-1]


def _sources(regions: Any) -> Iterator[Any]:
    return (region.source for region in regions)


def _among(value: Any, others: list[Any]) -> bool:
    return any(value.same_as(other) for other in others)


def _type_of(parameter: Any, index_limit: int | None) -> TensorType:
    if not isinstance(parameter.ty, tirx.buffer.BufferType):
        raise _refused(f"its parameter {parameter.name} is no tensor")
    if not all(isinstance(extent, prim.IntImm) for extent in parameter.shape):
        raise _refused(f"the shape of {parameter.name} is not static")
    dtype = str(parameter.dtype)
    if dtype not in _DTYPES:
        known = ", ".join(_DTYPES)
        raise _refused(f"{parameter.name} has elements of {dtype}; known are {known}")
    return TensorType(tuple(map(int, parameter.shape)), _DTYPES[dtype], index_limit)


def _check_in_place(func: Any, blocks: list[Any]) -> None:
    """A parameter that is read before it is written, and then written, is input and output."""
    written: list[Any] = []
    read_first: list[Any] = []
    for block in blocks:
        read_first += [one for one in _sources(block.reads) if not _among(one, written)]
        written += _sources(block.writes)
    for parameter in func.params:
        if _among(parameter, read_first) and _among(parameter, written):
            raise _refused(f"{parameter.name} is changed in place")


def _index_limits(func: Any) -> dict[Any, int]:
    """Below what the elements of an integer parameter must be that index another buffer.

    Where such an element is calculated with before it indexes, only 0 is sure to be in range.
    """
    limits: dict[Any, int] = {}

    def note(load: Any) -> None:
        for index, extent in zip(load.indices, load.source.shape, strict=True):
            plain = index.value if isinstance(index, prim.Cast) else index
            inner: list[Any] = []
            structural_walk(index, [(tvm.ir.expr.TensorLoad, inner.append)])
            for one in inner:
                limit = int(extent) if one.same_as(plain) else 1
                limits[one.source] = min(limit, limits.get(one.source, limit))

    structural_walk(func.body, [(tvm.ir.expr.TensorLoad, note)])
    return limits


def _reduction_length(blocks: list[Any]) -> int:
    """Terms that go into one element: the blocks' reductions, chained; at least 1."""
    lengths = [
        prod(int(it.dom.extent) for it in block.iter_vars if int(it.iter_type) == _REDUCTION)
        for block in blocks
        if any(int(it.iter_type) == _REDUCTION for it in block.iter_vars)
    ]
    return max(1, sum(lengths))


def _coarsest(written: list[Any]) -> str | None:
    used = {_DTYPES.get(str(buffer.dtype)) for buffer in written}
    return next((dtype for dtype in _COARSEST if dtype in used), None)
