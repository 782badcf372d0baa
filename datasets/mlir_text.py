"""Writing linalg on tensors: one function, operation by operation, as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from costmodel.records import TensorType

__all__ = ["Function", "Value"]

Scalar = Callable[["Body", list[str]], str]


@dataclass(frozen=True)
class Value:
    """A tensor: its SSA name, shape and element type."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def type(self) -> str:
        return f"tensor<{TensorType(self.shape, self.dtype)}>"

    @property
    def rank(self) -> int:
        return len(self.shape)


@dataclass
class Body:
    """The scalar computation of a linalg.generic."""

    dtype: str
    lines: list[str] = field(default_factory=list)
    count: int = 0

    def op(self, name: str, *operands: str, suffix: str | None = None) -> str:
        """``%r = name operands : type``; the type is the body's own unless ``suffix`` is given."""
        self.count += 1
        result = f"%v{self.count}"
        self.lines.append(f"{result} = {name} {', '.join(operands)} : {suffix or self.dtype}")
        return result

    def constant(self, value: float) -> str:
        return self.op("arith.constant", _literal(value, self.dtype))

    def select(self, condition: str, then: str, otherwise: str) -> str:
        return self.op("arith.select", condition, then, otherwise)

    def compare(self, predicate: str, left: str, right: str) -> str:
        return self.op("arith.cmpf", predicate, left, right)


def _literal(value: float, dtype: str) -> str:
    return str(int(value)) if dtype[0] == "i" else f"{value:.6e}"


class Function:
    """A function under construction; operations are given in their order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._arguments: list[Value] = []
        self._lines: list[str] = []
        self._count = 0

    def input(self, shape: Sequence[int], dtype: str) -> Value:
        value = Value(f"%arg{len(self._arguments)}", tuple(shape), dtype)
        self._arguments.append(value)
        return value

    def emit(self, text: str, shape: Sequence[int], dtype: str) -> Value:
        """An operation with one result, a tensor."""
        self._count += 1
        value = Value(f"%{self._count}", tuple(shape), dtype)
        self._lines.append(f"{value.name} = {text}")
        return value

    def scalar(self, value: float, dtype: str) -> str:
        self._count += 1
        name = f"%{self._count}"
        self._lines.append(f"{name} = arith.constant {_literal(value, dtype)} : {dtype}")
        return name

    def empty(self, shape: Sequence[int], dtype: str) -> Value:
        value = Value("", tuple(shape), dtype)
        return self.emit(f"tensor.empty() : {value.type}", shape, dtype)

    def filled(self, value: float, shape: Sequence[int], dtype: str) -> Value:
        constant, empty = self.scalar(value, dtype), self.empty(shape, dtype)
        return self.emit(
            f"linalg.fill ins({constant} : {dtype}) outs({empty.name} : {empty.type})"
            f" -> {empty.type}",
            shape,
            dtype,
        )

    def named(
        self, op: str, inputs: Sequence[Value], shape: Sequence[int], dtype: str,
        *, attributes: str = "", init: float = 0.0,
    ) -> Value:  # fmt: skip
        """A named operation of linalg that accumulates into what is filled with ``init``."""
        out = self.filled(init, shape, dtype)
        names = ", ".join(value.name for value in inputs)
        types = ", ".join(value.type for value in inputs)
        braces = f" {{{attributes}}}" if attributes else ""
        return self.emit(
            f"linalg.{op}{braces} ins({names} : {types}) outs({out.name} : {out.type})"
            f" -> {out.type}",
            shape,
            dtype,
        )

    def generic(
        self,
        inputs: Sequence[tuple[Value, Sequence[str]]],
        loops: Sequence[tuple[str, int]],
        scalar: Scalar,
        *,
        out: Sequence[str],
        dtype: str,
        init: float | None = None,
    ) -> Value:
        """A linalg.generic over named ``loops`` with extents.

        Each input comes with the subscripts that it is read by, ``out`` are those of the result;
        loops that are not among them are reductions, which start from ``init``. ``scalar`` gets
        the inputs' elements, and in a reduction last the partial result.
        """
        extents = dict(loops)
        shape = [extents[loop] for loop in out]
        start = self.empty(shape, dtype) if init is None else self.filled(init, shape, dtype)
        names = ", ".join(name for name, _ in loops)
        maps = [f"affine_map<({names}) -> ({', '.join(use)})>" for use in [u for _, u in inputs]]
        maps.append(f"affine_map<({names}) -> ({', '.join(out)})>")
        kinds = ", ".join(f'"{"parallel" if name in out else "reduction"}"' for name, _ in loops)
        body = Body(dtype)
        elements = [f"%e{place}" for place in range(len(inputs))]
        result = scalar(body, elements if init is None else [*elements, "%acc"])
        block = [f"%e{place}: {value.dtype}" for place, (value, _) in enumerate(inputs)]
        block.append(f"%acc: {dtype}")
        ins = ""
        if inputs:
            listed = ", ".join(value.name for value, _ in inputs)
            types = ", ".join(value.type for value, _ in inputs)
            ins = f" ins({listed} : {types})"
        lines = "\n    ".join(body.lines)
        return self.emit(
            f"linalg.generic {{indexing_maps = [{', '.join(maps)}], iterator_types = [{kinds}]}}"
            f"{ins} outs({start.name} : {start.type}) {{\n"
            f"  ^bb0({', '.join(block)}):\n    {lines}\n"
            f"    linalg.yield {result} : {dtype}\n  }} -> {start.type}",
            shape,
            dtype,
        )

    def text(self, *results: Value) -> str:
        arguments = ", ".join(f"{value.name}: {value.type}" for value in self._arguments)
        types = ", ".join(value.type for value in results)
        body = "\n  ".join(self._lines)
        names = ", ".join(value.name for value in results)
        return (
            f"func.func @{self.name}({arguments}) -> ({types}) {{\n  {body}\n"
            f"  return {names} : {types}\n}}\n"
        )
