"""Op bodies as expressions: each SSA value of a region is an expression of its arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tvm import tirx

from costmodel.backends.tvm.lowering.affine import apply_map, narrow
from costmodel.backends.tvm.lowering.scalars import is_scalar_op, scalar
from costmodel.backends.tvm.lowering.types import (
    Expr,
    element_dtype,
    immediate,
    splat_value,
    unsupported,
)
from costmodel.backends.tvm.lowering.values import Tensor
from costmodel.backends.tvm.trees import named

__all__ = ["Region", "scalar_constant"]

#: A value used more than once whose tree has more nodes than this is bound by a Let: a tree that
#: is copied at every use grows exponentially with the depth of the body.
_SHARED_NODES = 48
#: An expression that compilers get through in seconds.
_MOST_NODES = 4096


def scalar_constant(op: Any) -> Expr:
    """The literal of an ``arith.constant`` of scalar type."""
    value = splat_value(op.operation.attributes["value"])
    if value is None:
        raise unsupported(op, f"value {op.operation.attributes['value']}")
    return immediate(element_dtype(op.operation.results[0].type, op), value)


class Region:
    """Evaluates the ops of one block. ``dims`` are what ``linalg.index`` counts.

    ``scalars`` holds what is known of the enclosing scope and ``tensors`` what
    ``tensor.extract`` reads.
    """

    def __init__(
        self,
        block: Any,
        arguments: Sequence[Expr],
        dims: Sequence[Expr],
        scalars: Mapping[Any, Expr],
        tensors: Mapping[Any, Tensor],
    ) -> None:
        self._block = block
        self._dims = dims
        self._tensors = tensors
        self._outer = scalars
        self._values: dict[Any, Expr] = dict(zip(block.arguments, arguments, strict=True))
        self._sizes: dict[Any, int] = {}
        self._bindings: list[tuple[Any, Expr]] = []
        for op in block.operations:
            if op.operation.name in _TERMINATORS:
                self._yielded = list(op.operation.operands)
            elif op.operation.name not in _IGNORED:
                self._evaluate(op)

    @property
    def yielded(self) -> list[Any]:
        """The SSA values that the terminator passes on."""
        return self._yielded

    def raw(self, value: Any) -> Expr:
        """A value's expression, which may use variables that only ``value`` binds."""
        found = self._values.get(value)
        return self._outer[value] if found is None else found

    def value(self, value: Any) -> Expr:
        """A value's expression, complete."""
        return self.bound(self.raw(value))

    def bound(self, expression: Expr) -> Expr:
        """An expression within those Lets whose variables it uses."""
        free = _variables(expression)
        for variable, bound in reversed(self._bindings):
            if variable in free:
                expression = tirx.Let(variable, bound, expression)
                free |= _variables(bound)
        return expression

    def _evaluate(self, op: Any) -> None:
        operands = list(op.operation.operands)
        expression = self._expression(op, operands)
        if len(op.operation.results) != 1:
            raise unsupported(op, "it has not exactly one result")
        result = op.operation.results[0]
        size = 1 + sum(self._sizes.get(operand, 1) for operand in operands)
        if size > _SHARED_NODES and len(list(result.uses)) > 1:
            expression, bindings = named(expression, f"t{len(self._bindings)}")
            self._bindings += bindings
            size = 1 if bindings else size
        if size > _MOST_NODES:
            raise unsupported(op, "as an expression its body has too many nodes")
        self._values[result], self._sizes[result] = expression, size

    def _expression(self, op: Any, operands: list[Any]) -> Expr:
        name = op.operation.name
        if name == "arith.constant":
            return scalar_constant(op)
        if name == "linalg.index":
            return tirx.Cast("int64", self._dims[int(op.operation.attributes["dim"])])
        if name == "tensor.extract":
            return self._extract(op, operands)
        if name == "affine.apply":
            return self._affine(op, operands)
        if name == "scf.if":
            return self._conditional(op, operands)
        if is_scalar_op(name):
            return scalar(op, [self.raw(operand) for operand in operands])
        raise unsupported(op, "it is not known inside the body of another op")

    def _extract(self, op: Any, operands: list[Any]) -> Expr:
        source = self._tensors.get(operands[0])
        if source is None:
            raise unsupported(op, "its tensor is made inside the body")
        return source.load([narrow(self.raw(index)) for index in operands[1:]])

    def _affine(self, op: Any, operands: list[Any]) -> Expr:
        map_ = op.operation.attributes["map"].value
        values = [self.raw(operand) for operand in operands]
        return apply_map(map_, values[: map_.n_dims], values[map_.n_dims :], "int64")[0]

    def _conditional(self, op: Any, operands: list[Any]) -> Expr:
        scope = {**self._outer, **self._values}
        branches = []
        for region in op.operation.regions:
            if len(region.blocks) != 1:
                raise unsupported(op, "it has no else branch")
            inner = Region(region.blocks[0], [], self._dims, scope, self._tensors)
            branches.append(inner.value(inner.yielded[0]))
        return tirx.if_then_else(self.raw(operands[0]), *branches)


_TERMINATORS = ("linalg.yield", "tensor.yield", "scf.yield")

#: Assertions check what the caller promises: that gathered indices are in range.
_IGNORED = ("cf.assert",)


def _variables(expression: Expr) -> set[Any]:
    return set(tirx.analysis.undefined_vars(expression))
