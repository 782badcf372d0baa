"""The state of lowering one function: values, buffers, blocks and their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tvm import tirx

from costmodel.backends.tvm.lowering.blocks import Axis, Store, nest
from costmodel.backends.tvm.lowering.types import Expr, shape_of, tensor_dtype, unsupported
from costmodel.backends.tvm.lowering.values import InBuffer, Tensor

__all__ = ["Environment"]


class Environment:
    """Maps SSA values to tensors and scalars, and collects the blocks that make them.

    ``returned`` gives the output buffer of each value that the function returns, so that it is
    written in place and never copied.
    """

    def __init__(self, returned: dict[Any, Any]) -> None:
        self.statements: list[Any] = []
        self.allocated: list[Any] = []
        self._returned = returned
        self._tensors: dict[Any, Tensor] = {}
        self._scalars: dict[Any, Expr] = {}
        self._names: dict[str, int] = {}

    def set_tensor(self, value: Any, tensor: Tensor) -> None:
        """Say what an SSA value of tensor type is."""
        self._tensors[value] = tensor

    def set_scalar(self, value: Any, expression: Expr) -> None:
        """Say what an SSA value of scalar type is."""
        self._scalars[value] = expression

    def tensor(self, value: Any) -> Tensor:
        """The tensor that an SSA value is."""
        return self._tensors[value]

    def scalar(self, value: Any) -> Expr:
        """The expression that an SSA value of scalar type is."""
        return self._scalars[value]

    def is_tensor(self, value: Any) -> bool:
        """Whether an SSA value is a known tensor."""
        return value in self._tensors

    def is_scalar(self, value: Any) -> bool:
        """Whether an SSA value is a known scalar."""
        return value in self._scalars

    def tensors(self) -> dict[Any, Tensor]:
        """A copy of all tensors, as what a region may extract from."""
        return dict(self._tensors)

    def scalars(self) -> dict[Any, Expr]:
        """A copy of all scalars, as the outer scope of a region."""
        return dict(self._scalars)

    def name(self, base: str) -> str:
        """A block or buffer name that no other has: ``add``, ``add_1``, ``add_2``."""
        count = self._names.get(base, 0)
        self._names[base] = count + 1
        return base if count == 0 else self.name(f"{base}_{count}")

    def result(self, value: Any, name: str, op: Any) -> InBuffer:
        """The buffer that an op's result is written to: the output's own, or a new one."""
        shape, dtype = shape_of(value.type, op), tensor_dtype(value.type, op)
        buffer = self._returned.get(value)
        if buffer is None:
            buffer = tirx.decl_buffer(shape, dtype, name=name)
            self.allocated.append(buffer)
        tensor = InBuffer(buffer, shape, dtype)
        self.set_tensor(value, tensor)
        return tensor

    def compute(
        self, op: Any, name: str, element: Callable[[list[Expr]], Expr], result: int = 0
    ) -> None:
        """Emit a spatial block that makes an op's result, element by element."""
        name = self.name(name)
        target = self.result(op.operation.results[result], name, op)
        self.statements.append(fill_block(name, target, element))

    def operands(self, op: Any) -> list[Any]:
        """An op's operands, each with something known of it. Raises UnsupportedError."""
        operands = list(op.operation.operands)
        for operand in operands:
            if operand not in self._tensors and operand not in self._scalars:
                raise unsupported(op, f"operand type {operand.type}")
        return operands


def fill_block(name: str, target: InBuffer, element: Callable[[list[Expr]], Expr]) -> Any:
    """A block that writes every element of ``target``."""

    def body(indices: list[Expr]) -> Any:
        return Store(target.buffer, indices, element(indices)).statement()

    return nest(name, spatial_axes(target.shape), body)


def spatial_axes(shape: Sequence[int]) -> list[Axis]:
    """One parallel loop for each dimension of a shape."""
    return [Axis(f"i{position}", extent) for position, extent in enumerate(shape)]
