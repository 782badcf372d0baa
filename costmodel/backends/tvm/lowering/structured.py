"""``linalg.generic`` as one structured block, from nothing but its maps, iterators and body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from iree.compiler import ir
from tvm import tirx

from costmodel.backends.tvm.lowering.affine import apply_map, dims_of, plain_dims
from costmodel.backends.tvm.lowering.blocks import Axis, Store, nest, store_all
from costmodel.backends.tvm.lowering.environment import Environment, fill_block
from costmodel.backends.tvm.lowering.naming import generic_name
from costmodel.backends.tvm.lowering.reducers import COMBINERS, NEEDS_NUMBER, identity_of
from costmodel.backends.tvm.lowering.regions import Region
from costmodel.backends.tvm.lowering.types import Expr, shape_of, tensor_dtype, unsupported
from costmodel.backends.tvm.lowering.values import InBuffer, Splat, Tensor

__all__ = ["lower_generic"]


@dataclass(frozen=True)
class _Generic:
    """A generic op taken apart."""

    op: Any
    block: Any
    inputs: list[Any]
    outputs: list[Any]
    maps: list[Any]
    extents: list[int]
    reductions: frozenset[int]

    @property
    def output_maps(self) -> list[Any]:
        return self.maps[len(self.inputs) :]

    def accumulator(self, position: int) -> Any:
        """The block argument that stands for the old element of an output."""
        return self.block.arguments[len(self.inputs) + position]


def lower_generic(op: Any, environment: Environment) -> None:
    """Emit the block of a ``linalg.generic`` on tensors. Raises UnsupportedError.

    Loops are in the order of the first output's dimensions, so that writes are contiguous, then
    the reductions. An element-wise op with several results becomes one block for each, since a
    block that writes one buffer can be inlined and one that writes two cannot.
    """
    generic = _take_apart(op, environment)
    filled = _fills(generic, environment)
    if filled is not None:
        for result, value in zip(op.operation.results, filled, strict=True):
            shape, dtype = shape_of(result.type, op), tensor_dtype(result.type, op)
            environment.set_tensor(result, Splat(value, shape, dtype))
        return
    name = generic_name(op, generic.reductions)
    if all(_is_projection(map_, generic) for map_ in generic.output_maps):
        if generic.reductions:
            _emit(generic, environment, name, range(len(generic.outputs)))
        else:
            for position in range(len(generic.outputs)):
                _emit(generic, environment, name, [position])
    else:
        _emit_scatter(generic, environment, name)


def _fills(generic: _Generic, environment: Environment) -> list[Expr] | None:
    """The scalars that the op does nothing but spread, one for each result, or None."""
    first = generic.block.operations[0].operation
    if first.name != "linalg.yield":
        return None
    values = []
    for yielded in first.operands:
        source = yielded
        if isinstance(yielded, ir.BlockArgument) and yielded.owner == generic.block:
            if yielded.arg_number >= len(generic.inputs):
                return None
            source = generic.inputs[yielded.arg_number]
        if environment.is_tensor(source):
            tensor = environment.tensor(source)
            if not isinstance(tensor, Splat):
                return None
            values.append(tensor.value)
        elif environment.is_scalar(source):
            values.append(environment.scalar(source))
        else:
            return None
    return values


def _take_apart(op: Any, environment: Environment) -> _Generic:
    maps = [attribute.value for attribute in op.operation.attributes["indexing_maps"]]
    operands = environment.operands(op)
    count = len(list(op.operation.results))
    inputs, outputs = operands[: len(operands) - count], operands[len(operands) - count :]
    if count == 0 or not isinstance(outputs[0].type, ir.RankedTensorType):
        raise unsupported(op, "it does not work on tensors")
    kinds = [str(kind) for kind in op.operation.attributes["iterator_types"]]
    reductions = {position for position, kind in enumerate(kinds) if "parallel" not in kind}
    for map_ in maps[len(inputs) :]:
        # A parallel loop that the output does not follow writes the same element many times.
        followed = {dim for dim in plain_dims(map_) if dim is not None}
        reductions |= set(range(len(kinds))) - followed
    return _Generic(
        op=op,
        block=op.operation.regions[0].blocks[0],
        inputs=inputs,
        outputs=outputs,
        maps=maps,
        extents=_extents(op, operands, maps, len(kinds)),
        reductions=frozenset(reductions),
    )


def _extents(op: Any, operands: Sequence[Any], maps: Sequence[Any], count: int) -> list[int]:
    found: dict[int, int] = {}
    for operand, map_ in zip(operands, maps, strict=True):
        for position, dim in enumerate(plain_dims(map_)):
            if dim is not None:
                found[dim] = operand.type.shape[position]
    if len(found) != count:
        raise unsupported(op, "the extent of a loop cannot be read from the operands' shapes")
    return [found[dim] for dim in range(count)]


def _is_projection(map_: Any, generic: _Generic) -> bool:
    """Whether each element of the output is written by one iteration of the parallel loops."""
    plain = plain_dims(map_)
    used = [dim for dim in plain if dim is not None]
    constant = all(not dims_of(result) for result, dim in zip(map_.results, plain, strict=True)
                   if dim is None)  # fmt: skip
    return constant and len(used) == len(set(used)) and not generic.reductions & set(used)


def _repeated(map_: Any) -> set[int]:
    plain = [dim for dim in plain_dims(map_) if dim is not None]
    return {dim for dim in plain if plain.count(dim) > 1}


def _order(generic: _Generic) -> list[int]:
    first = [dim for dim in plain_dims(generic.output_maps[0]) if dim is not None]
    spatial = [dim for dim in dict.fromkeys(first) if dim not in generic.reductions]
    rest = [d for d in range(len(generic.extents)) if d not in generic.reductions | set(spatial)]
    return [*spatial, *rest, *sorted(generic.reductions)]


def _axes(generic: _Generic, order: Sequence[int]) -> list[Axis]:
    return [
        Axis(
            f"{'k' if dim in generic.reductions else 'i'}{dim}",
            generic.extents[dim],
            dim in generic.reductions,
        )
        for dim in order
    ]


def _dims(order: Sequence[int], variables: Sequence[Expr]) -> list[Expr]:
    """The block's variables in the order of the op's own dimensions."""
    return [variable for _, variable in sorted(zip(order, variables, strict=True), key=_first)]


def _first(pair: tuple[int, Expr]) -> int:
    return pair[0]


@dataclass(frozen=True)
class _Output:
    """One result of the op: where it goes, what it starts from and how it is updated.

    ``combiner`` and ``operand`` are set where the update is a commutative op between the old
    element and ``operand``.
    """

    position: int
    map_: Any
    accumulator: Any
    target: InBuffer
    start: Tensor
    combiner: str | None = None
    operand: Any = None

    def indices(self, dims: Sequence[Expr]) -> list[Expr]:
        return apply_map(self.map_, dims)

    def update(self, region: Region, dims: Sequence[Expr]) -> Store:
        indices = self.indices(dims)
        if self.combiner is None:
            value = region.value(region.yielded[self.position])
        else:
            value = COMBINERS[self.combiner](self.target.load(indices), region.value(self.operand))
        return Store(self.target.buffer, indices, value)

    def begin(self, dims: Sequence[Expr]) -> Any:
        indices = self.indices(dims)
        return Store(self.target.buffer, indices, self.start.load(indices)).statement()


def _output(generic: _Generic, environment: Environment, name: str, position: int) -> _Output:
    start = environment.tensor(generic.outputs[position])
    combiner, operand = _combination(generic, position) if generic.reductions else (None, None)
    if combiner is not None:
        identity = identity_of(combiner, start.value if isinstance(start, Splat) else None)
        if identity is not None:
            start = Splat(identity, start.shape, start.dtype)
        elif combiner in NEEDS_NUMBER:
            combiner = operand = None
    return _Output(
        position=position,
        map_=generic.output_maps[position],
        accumulator=generic.accumulator(position),
        target=environment.result(generic.op.operation.results[position], name, generic.op),
        start=start,
        combiner=combiner,
        operand=operand,
    )


def _combination(generic: _Generic, position: int) -> tuple[str | None, Any]:
    """The commutative op that joins the old element with a value that does not use it."""
    yielded = list(generic.block.operations)[-1].operation.operands[position]
    accumulator = generic.accumulator(position)
    if isinstance(yielded, ir.BlockArgument) or len(list(accumulator.uses)) != 1:
        return None, None
    op = yielded.owner
    operands = list(op.operation.operands)
    if op.operation.name not in COMBINERS or accumulator not in operands:
        return None, None
    return op.operation.name, operands[1 - operands.index(accumulator)]


def _emit(generic: _Generic, environment: Environment, base: str, positions: Sequence[int]) -> None:
    order = _order(generic)
    name = environment.name(base)
    outputs = [_output(generic, environment, name, position) for position in positions]

    def body(variables: list[Expr]) -> Any:
        dims = _dims(order, variables)
        old = {
            output.position: output.target if generic.reductions else output.start
            for output in outputs
        }
        region = _region(generic, environment, dims, old)
        return store_all([output.update(region, dims) for output in outputs])

    def init(variables: list[Expr]) -> Any:
        dims = _dims(order, variables)
        statements = [output.begin(dims) for output in outputs]
        return statements[0] if len(statements) == 1 else tirx.SeqStmt(statements)

    statement = nest(name, _axes(generic, order), body, init if generic.reductions else None)
    environment.statements.append(statement)


def _emit_scatter(generic: _Generic, environment: Environment, base: str) -> None:
    """Outputs indexed by more than single loops: copy what they start from, then update in place.

    The loops in a compound subscript may meet on one element, so they run as reductions.
    """
    compound = {
        dim
        for map_ in generic.output_maps
        for result in map_.results
        if not isinstance(result, ir.AffineDimExpr)
        for dim in dims_of(result)
    }
    repeated = {
        dim for map_ in generic.output_maps for dim in _repeated(map_)
    }  # fmt: skip
    generic = replace(generic, reductions=generic.reductions | compound | repeated)
    order = _order(generic)
    name = environment.name(base)
    outputs = [
        _output(generic, environment, name, position) for position in range(len(generic.outputs))
    ]
    for output in outputs:
        block = fill_block(environment.name(f"{name}_start"), output.target, output.start.load)
        environment.statements.append(block)

    def body(variables: list[Expr]) -> Any:
        dims = _dims(order, variables)
        old = {output.position: output.target for output in outputs}
        region = _region(generic, environment, dims, old)
        return store_all([output.update(region, dims) for output in outputs])

    environment.statements.append(nest(name, _axes(generic, order), body))


def _region(
    generic: _Generic, environment: Environment, dims: Sequence[Expr], old: Mapping[int, Tensor]
) -> Region:
    """The op's body at one point; ``old`` gives the outputs' elements before it."""
    arguments = [
        environment.tensor(operand).load(apply_map(map_, dims))
        if environment.is_tensor(operand)
        else environment.scalar(operand)
        for operand, map_ in zip(generic.inputs, generic.maps[: len(generic.inputs)], strict=True)
    ]
    for position, operand in enumerate(generic.outputs):
        tensor = old.get(position) or environment.tensor(operand)
        arguments.append(tensor.load(apply_map(generic.output_maps[position], dims)))
    return Region(generic.block, arguments, dims, environment.scalars(), environment.tensors())
