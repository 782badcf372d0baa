"""A loop-level kernel (affine and scf on memrefs) as TensorIR: the same loops, nothing scheduled.

Every load is bound to a variable where it stands, so that a later store does not change what was
read. Values that a loop carries live in buffers of one element.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iree.compiler import ir
from tvm import s_tir, tirx

from costmodel.backends.tvm.lowering.affine import apply_map
from costmodel.backends.tvm.lowering.scalars import is_scalar_op, scalar
from costmodel.backends.tvm.lowering.types import (
    Expr,
    element_dtype,
    immediate,
    splat_value,
    unsupported,
)
from costmodel.backends.tvm.lowering.views import View, subview
from costmodel.ir.trips import bound_operands

__all__ = ["lower_loops"]

_INDEX = "int64"


def lower_loops(function: Any) -> Any:
    """The ``PrimFunc`` of a loop-level function, its memrefs as parameters in their order.

    Raises UnsupportedError, naming the operation, for what cannot be expressed.
    """
    return _Lowering().function(function)


class _Lowering:
    """Memrefs and scalars by MLIR value, and the statements of the block that is being lowered."""

    def __init__(self) -> None:
        self._views: dict[Any, View] = {}
        self._scalars: dict[Any, Expr] = {}
        self._allocated: list[Any] = []
        self._names = 0

    def function(self, function: Any) -> Any:
        parameters = []
        for number, argument in enumerate(function.arguments):
            if not isinstance(argument.type, ir.MemRefType):
                raise unsupported(function, f"argument {number} is no memref")
            buffer = self._buffer(argument.type, function, f"arg{number}", "global")
            self._views[argument] = View.whole(buffer)
            parameters.append(buffer)
        if len(function.type.results):
            raise unsupported(function, "it returns something", "write results to memrefs")
        body = self._block(function.regions[0].blocks[0])
        root = s_tir.stmt.SBlock([], [], [], "root", body, alloc_buffers=self._allocated)
        realize = s_tir.stmt.SBlockRealize([], True, root)
        made = tirx.PrimFunc(parameters, realize)
        return made.with_attr({"global_symbol": "main", "tirx.noalias": True, "s_tir": True})

    def _block(self, block: Any, before: Sequence[Any] = (), after: Sequence[Any] = ()) -> Any:
        """The statements of a block; ``before`` and ``after`` are put around them."""
        statements = list(before)
        for op in block.operations:
            statements += self._op(op)
        statements += after
        return _sequence(statements)

    def _op(self, op: Any) -> list[Any]:
        name = op.operation.name
        if name in ("affine.for", "scf.for"):
            return self._for(op)
        if name in ("affine.parallel", "scf.parallel"):
            return self._parallel(op)
        if name == "scf.if":
            return self._if(op)
        if name in ("affine.load", "memref.load"):
            return self._bind(op.results[0], self._load(op), always=True)
        if name in ("affine.store", "memref.store"):
            return [self._store(op)]
        if name in ("memref.alloc", "memref.alloca"):
            self._allocate(op)
            return []
        if name == "memref.subview":
            source, *operands = op.operands
            dynamic = [self._scalars[value] for value in operands]
            self._views[op.results[0]] = subview(op, self._views[source], dynamic)
            return []
        if name == "memref.copy":
            return [self._copy(op)]
        if name in ("affine.apply", "affine.min", "affine.max"):
            return self._bind(op.results[0], self._affine(op))
        if name == "arith.constant":
            value = splat_value(op.attributes["value"])
            dtype = element_dtype(op.results[0].type, op)
            self._scalars[op.results[0]] = immediate(dtype, value)
            return []
        if name == "arith.index_cast":
            dtype = element_dtype(op.results[0].type, op)
            return self._bind(op.results[0], tirx.Cast(dtype, self._scalars[op.operands[0]]))
        if is_scalar_op(name):
            return self._bind(op.results[0], scalar(op, [self._scalars[v] for v in op.operands]))
        if name in ("memref.dealloc", "func.return", "affine.yield", "scf.yield", "scf.reduce"):
            return []
        raise unsupported(op, "it is not known in loops")

    def _for(self, op: Any) -> list[Any]:
        lower, upper, step = self._bounds(op)[0]
        block = op.regions[0].blocks[0]
        counter = tirx.Var(self._name("i"), _INDEX)
        self._scalars[block.arguments[0]] = lower + counter * step
        carried = [self._cell(result.type, op) for result in op.results]
        initial = list(op.operands)[len(op.operands) - len(carried) :]
        begin = [_put(cell, self._scalars[v]) for cell, v in zip(carried, initial, strict=True)]
        held = []
        for argument, cell in zip(list(block.arguments)[1:], carried, strict=True):
            held += self._bind(argument, _get(cell), always=True)
        body = self._carry(block, held, carried)
        extent = tirx.ceildiv(upper - lower, step)
        loop = tirx.For(counter, immediate(_INDEX, 0), extent, tirx.ForKind.SERIAL, body)
        end = []
        for result, cell in zip(op.results, carried, strict=True):
            end += self._bind(result, _get(cell), always=True)
        return [*begin, loop, *end]

    def _carry(self, block: Any, before: Sequence[Any], cells: Sequence[Any]) -> Any:
        """A block whose terminator's operands go into cells, all of them read before any is set."""
        operations = list(block.operations)
        statements = list(before)
        for op in operations[:-1]:
            statements += self._op(op)
        if cells:
            values = []
            for value in operations[-1].operands:
                statements += self._bind(value, self._scalars[value], always=True)
                values.append(self._scalars[value])
            statements += [_put(cell, kept) for cell, kept in zip(cells, values, strict=True)]
        return _sequence(statements)

    def _parallel(self, op: Any) -> list[Any]:
        if len(op.results):
            raise unsupported(op, "it reduces", "use a loop that carries the value")
        block = op.regions[0].blocks[0]
        bounds = self._bounds(op)
        counters = [tirx.Var(self._name("p"), _INDEX) for _ in bounds]
        for argument, counter, (lower, _, step) in zip(
            block.arguments, counters, bounds, strict=True
        ):
            self._scalars[argument] = lower + counter * step
        body = self._block(block)
        for place, (counter, (lower, upper, step)) in reversed(
            list(enumerate(zip(counters, bounds, strict=True)))
        ):
            kind = tirx.ForKind.SERIAL if place else tirx.ForKind.PARALLEL
            extent = tirx.ceildiv(upper - lower, step)
            body = tirx.For(counter, immediate(_INDEX, 0), extent, kind, body)
        return [body]

    def _if(self, op: Any) -> list[Any]:
        cells = [self._cell(result.type, op) for result in op.results]
        sides = [
            self._carry(region.blocks[0], [], cells) if len(region.blocks) else None
            for region in op.regions
        ]
        found = [tirx.IfThenElse(self._scalars[op.operands[0]], sides[0], sides[1])]
        for result, cell in zip(op.results, cells, strict=True):
            found += self._bind(result, _get(cell), always=True)
        return found

    def _bounds(self, op: Any) -> list[tuple[Expr, Expr, Expr]]:
        """Lower, upper and step of each loop of an operation."""
        operands = [self._scalars[value] for value in bound_operands(op)]
        if op.operation.name == "scf.for":
            return [(operands[0], operands[1], operands[2])]
        if op.operation.name == "scf.parallel":
            count = len(operands) // 3
            parts = (operands[:count], operands[count : 2 * count], operands[2 * count :])
            return list(zip(*parts, strict=True))
        if op.operation.name == "affine.for":
            lower, upper = (op.attributes[n].value for n in ("lowerBoundMap", "upperBoundMap"))
            low = _most(self._applied(lower, operands[: lower.n_inputs]), tirx.Max)
            high = _most(self._applied(upper, operands[lower.n_inputs :]), tirx.Min)
            return [(low, high, immediate(_INDEX, op.attributes["step"].value))]
        lower, upper = (op.attributes[n].value for n in ("lowerBoundsMap", "upperBoundsMap"))
        lows = iter(self._applied(lower, operands[: lower.n_inputs]))
        highs = iter(self._applied(upper, operands[lower.n_inputs :]))
        groups = zip(
            op.attributes["lowerBoundsGroups"], op.attributes["upperBoundsGroups"],
            op.attributes["steps"], strict=True,
        )  # fmt: skip
        return [
            (
                _most([next(lows) for _ in range(int(few))], tirx.Max),
                _most([next(highs) for _ in range(int(many))], tirx.Min),
                immediate(_INDEX, step.value),
            )
            for few, many, step in groups
        ]

    def _affine(self, op: Any) -> Expr:
        operands = [self._scalars[value] for value in op.operands]
        results = self._applied(op.attributes["map"].value, operands)
        return _most(results, tirx.Max if op.operation.name == "affine.max" else tirx.Min)

    def _applied(self, map_: Any, operands: Sequence[Expr]) -> list[Expr]:
        dims, symbols = operands[: map_.n_dims], operands[map_.n_dims :]
        return apply_map(map_, dims, symbols, _INDEX)

    def _load(self, op: Any) -> Expr:
        memref, *indices = op.operands
        view = self._views[memref]
        return tirx.BufferLoad(view.buffer, view.place(self._indices(op, indices)))

    def _store(self, op: Any) -> Any:
        value, memref, *indices = op.operands
        view = self._views[memref]
        place = view.place(self._indices(op, indices))
        return tirx.BufferStore(view.buffer, self._scalars[value], place)

    def _indices(self, op: Any, operands: Sequence[Any]) -> list[Expr]:
        values = [self._scalars[value] for value in operands]
        if "map" in op.attributes:
            return self._applied(op.attributes["map"].value, values)
        return values

    def _copy(self, op: Any) -> Any:
        source, target = (self._views[value] for value in op.operands)
        counters = [tirx.Var(self._name("c"), _INDEX) for _ in source.shape]
        value = tirx.BufferLoad(source.buffer, source.place(counters))
        body: Any = tirx.BufferStore(target.buffer, value, target.place(counters))
        for counter, extent in reversed(list(zip(counters, source.shape, strict=True))):
            end = immediate(_INDEX, extent)
            body = tirx.For(counter, immediate(_INDEX, 0), end, tirx.ForKind.SERIAL, body)
        return body

    def _allocate(self, op: Any) -> None:
        if op.operation.parent is None or op.operation.parent.name != "func.func":
            raise unsupported(op, "it allocates inside a loop", "allocate in front of the loops")
        buffer = self._buffer(op.results[0].type, op, self._name("buffer"), "global")
        self._views[op.results[0]] = View.whole(buffer)
        self._allocated.append(buffer)

    def _cell(self, kind: Any, op: Any) -> Any:
        return self._local(element_dtype(kind, op))

    def _local(self, dtype: str) -> Any:
        cell = tirx.decl_buffer((1,), dtype, self._name("cell"), scope="local")
        self._allocated.append(cell)
        return cell

    def _buffer(self, kind: Any, op: Any, name: str, scope: str) -> Any:
        if not kind.has_static_shape:
            raise unsupported(op, f"{kind} has a dynamic shape", "give every dimension a size")
        if not isinstance(kind.layout, ir.AffineMapAttr) or not _is_identity(kind.layout.value):
            raise unsupported(op, f"{kind} is not laid out row by row")
        return tirx.decl_buffer(
            tuple(kind.shape), element_dtype(kind.element_type, op), name, scope=scope
        )

    def _bind(self, value: Any, expression: Expr, *, always: bool = False) -> list[Any]:
        """Nothing for a value that is read once at the most, unless it is one of memory."""
        if not always and len(list(value.uses)) < 2:
            self._scalars[value] = expression
            return []
        if expression.ty.dtype == "bfloat16":
            # TVM computes it in f32, and then a variable of it no longer has its value's type.
            cell = self._local("bfloat16")
            self._scalars[value] = _get(cell)
            return [_put(cell, expression)]
        variable = tirx.Var(self._name("v"), expression.ty.dtype)
        self._scalars[value] = variable
        return [tirx.Bind(variable, expression)]

    def _name(self, stem: str) -> str:
        self._names += 1
        return f"{stem}{self._names}"


def _sequence(statements: Sequence[Any]) -> Any:
    if not statements:
        return tirx.Evaluate(immediate("int32", 0))
    return statements[0] if len(statements) == 1 else tirx.SeqStmt(list(statements))


def _put(cell: Any, value: Expr) -> Any:
    return tirx.BufferStore(cell, value, [immediate(_INDEX, 0)])


def _get(cell: Any) -> Expr:
    return tirx.BufferLoad(cell, [immediate(_INDEX, 0)])


def _most(values: Sequence[Expr], node: Any) -> Expr:
    found = values[0]
    for value in values[1:]:
        found = node(found, value)
    return found


def _is_identity(map_: Any) -> bool:
    return bool(map_ == ir.AffineMap.get_identity(map_.n_dims))
