"""Types, attributes and affine maps as tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from iree.compiler import ir

from costmodel.tokens.stream import NUMBER, Kind, Token

__all__ = ["attribute_tokens", "index_tokens", "type_tokens"]

#: Elements of a constant that are written out; of a longer one, their number is.
_ELEMENTS = 8
#: Constants up to this are written out in expressions.
_SMALL = 4
#: What these attributes say by default is nothing.
_SILENT = frozenset({"#arith.fastmath<none>", "#arith.overflow<none>"})


def type_tokens(kind: ir.Type, op: int, group: int) -> Iterator[Token]:
    """``tensor f32 # #``, the innermost size in slot 0; of a scalar, its name."""
    shape = getattr(kind, "shape", None)
    if shape is None or not hasattr(kind, "element_type"):
        yield Token(Kind.TYPE, _word(str(kind)), op, group=group)
        return
    name = type(kind).__name__.removesuffix("Type").removeprefix("Ranked").lower()
    yield Token(Kind.TYPE, name, op, group=group)
    yield Token(Kind.TYPE, _word(str(kind.element_type)), op, group=group)
    dynamic = ir.ShapedType.get_dynamic_size()
    for slot, size in enumerate(reversed(shape)):
        if size == dynamic:
            yield Token(Kind.TYPE, "?x", op, group=group, slot=slot)
        else:
            yield Token(Kind.TYPE, NUMBER, op, float(size), group, slot)


def attribute_tokens(name: str, attribute: ir.Attribute, op: int) -> Iterator[Token]:
    """The name and what it is set to; nothing where that is what it means unset."""
    if type(attribute) is ir.Attribute and str(attribute) in _SILENT:
        return
    yield Token(Kind.ATTRIBUTE, f"{name}=", op)
    for slot, value in enumerate(_values(attribute)):
        if isinstance(value, str):
            yield Token(Kind.ATTRIBUTE, _word(value), op, slot=slot)
        else:
            yield Token(Kind.ATTRIBUTE, NUMBER, op, float(value), slot=slot)


def index_tokens(access: ir.AffineMap, op: int, group: int) -> Iterator[Token]:
    """One token a dimension of the operand: the loop that moves it, counted from the innermost."""
    dims = int(access.n_dims)
    for slot, expression in enumerate(reversed(list(access.results))):
        yield Token(Kind.ACCESS, _expression(expression, dims), op, group=group, slot=slot)


def _expression(expression: ir.AffineExpr, dims: int) -> str:
    """``d0`` is the innermost loop. Of constants the small ones, as strides and dilations are."""
    if isinstance(expression, ir.AffineDimExpr):
        return f"d{dims - 1 - expression.position}"
    if isinstance(expression, ir.AffineConstantExpr):
        return str(expression.value) if 0 <= expression.value <= _SMALL else "c"
    if isinstance(expression, ir.AffineSymbolExpr):
        return "s"
    left, right = (_expression(side, dims) for side in (expression.lhs, expression.rhs))
    for kind, sign in _SIGNS.items():
        if isinstance(expression, kind):
            return f"({left}{sign}{right})"
    return "?"


_SIGNS: Mapping[type, str] = {
    ir.AffineAddExpr: "+",
    ir.AffineMulExpr: "*",
    ir.AffineModExpr: "%",
    ir.AffineFloorDivExpr: "/",
    ir.AffineCeilDivExpr: "//",
}


def _values(attribute: ir.Attribute) -> Iterator[str | float]:
    read = _READERS.get(type(attribute))
    if read is None:
        yield str(attribute)
    else:
        yield from read(attribute)


def _elements(attribute: Any) -> Iterator[str | float]:
    kind = attribute.type
    count = 1
    for size in kind.shape:
        count *= size
    if attribute.is_splat:
        value = attribute.get_splat_value()
        yield "dense"
        yield from _values(value)
    elif count > _ELEMENTS or isinstance(attribute, ir.DenseFPElementsAttr):
        yield "data"
        yield count
    else:
        yield "dense"
        yield from list(attribute)


def _map(attribute: Any) -> Iterator[str | float]:
    for expression in attribute.value.results:
        if isinstance(expression, ir.AffineConstantExpr):
            yield expression.value
        else:
            yield _expression(expression, attribute.value.n_dims)


def _nested(attribute: Any) -> Iterator[str | float]:
    yield "["
    for each in attribute:
        yield from _values(each)
    yield "]"


def _one(attribute: Any) -> Iterator[str | float]:
    yield attribute.value


def _all(attribute: Any) -> Iterator[str | float]:
    yield from list(attribute)


_READERS: Mapping[type, Callable[[Any], Iterator[str | float]]] = {
    ir.IntegerAttr: _one,
    ir.FloatAttr: _one,
    ir.ArrayAttr: _nested,
    ir.AffineMapAttr: _map,
    ir.DenseElementsAttr: _elements,
    ir.DenseIntElementsAttr: _elements,
    ir.DenseFPElementsAttr: _elements,
    ir.DenseBoolArrayAttr: _all,
    ir.DenseI8ArrayAttr: _all,
    ir.DenseI16ArrayAttr: _all,
    ir.DenseI32ArrayAttr: _all,
    ir.DenseI64ArrayAttr: _all,
    ir.DenseF32ArrayAttr: _all,
    ir.DenseF64ArrayAttr: _all,
}


def _word(text: str) -> str:
    """Without white space, which separates words."""
    return "".join(text.split()) or '""'
