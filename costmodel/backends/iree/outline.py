"""A dispatch of a program as a function of its own.

What it reads becomes arguments, what is read of it becomes results. Scalars, splats, empty and
filled tensors are made inside, as IREE makes them; larger constants, such as weights, come in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from iree.compiler import ir
from iree.compiler.dialects import func

from costmodel.ir import parse, walk
from costmodel.ir.structured import is_structured

__all__ = ["Outlined", "outline"]

#: Constants of more elements come in as arguments.
_SMALL = 64
#: Always made inside.
_REPEATED = frozenset({"tensor.empty", "linalg.fill", "tensor.splat"})


@dataclass(frozen=True)
class Outlined:
    """A program of one function, and where its operations, by position, stand in the whole one."""

    text: str
    places: Mapping[int, int]


def outline(text: str, groups: Sequence[frozenset[int]]) -> list[Outlined | None]:
    """Each group of operations, given by position, as a program; None where nothing is read of it.

    A group is completed by what lies between its operations; operations of several groups are
    repeated in each.
    """
    module = parse.parse_trusted(text)
    whole = _Whole(module, groups)
    return [whole.outlined(group) for group in groups]


class _Whole:
    """The operations of a function, and who reads what."""

    def __init__(self, module: ir.Module, groups: Sequence[frozenset[int]]) -> None:
        self._module = module
        self._body = parse.main_function(module).regions[0].blocks[0]
        self._ops = {op.operation: op for op in self._body.operations}
        self._order = {op: n for n, op in enumerate(self._ops)}
        everything = [op.operation for op in walk.operations(module.operation)]
        self._place = {op: n for n, op in enumerate(everything)}
        self._groups = [{everything[place] for place in group} & set(self._ops) for group in groups]

    def outlined(self, group: frozenset[int]) -> Outlined | None:
        members = self._completed({op for op in self._ops if self._place[op] in group})
        results = [value for op in self._sorted(members) for value in self._read(op, members)]
        if not results:
            return None
        inside, arguments = self._gathered(members, results)
        return self._function(self._sorted(inside), arguments, results)

    def _gathered(
        self, members: set[ir.Operation], results: list[ir.Value]
    ) -> tuple[set[ir.Operation], list[ir.Value]]:
        """The operations that make the results, and the values that these need from outside."""
        inside: set[ir.Operation] = set()
        arguments: dict[ir.Value, None] = {}
        pending = list(results)
        while pending:
            value = pending.pop(0)
            op = _owner(value)
            if op is None or not (op in members or self._is_repeated(op, value)):
                arguments[value] = None
            elif op not in inside:
                inside.add(op)
                pending += _operands(op)
        return inside, list(arguments)

    def _is_repeated(self, op: ir.Operation, value: ir.Value) -> bool:
        """Whether an operation outside the group is made anew inside it.

        A broadcast of no group at all has no kernel: IREE makes it where it is read.
        """
        if op.name == "arith.constant":
            return _is_small(value.type, op)
        if op.name in _REPEATED or not isinstance(value.type, ir.ShapedType):
            return True
        kernel = any(op in group for group in self._groups)
        return not kernel and is_structured(self._ops[op]) and _is_broadcast(self._ops[op])

    def _sorted(self, ops: set[ir.Operation]) -> list[ir.Operation]:
        return sorted(ops, key=self._order.__getitem__)

    def _completed(self, members: set[ir.Operation]) -> set[ir.Operation]:
        """With every operation that reads one of them and is read, however far, by another.

        What is repeated in other groups is read by those, and says nothing of what lies between.
        """
        own = {op for op in members if sum(op in group for group in self._groups) == 1}
        after: set[ir.Operation] = set()
        for op in self._ops:
            if any(_owner(value) in own | after for value in _operands(op)):
                after.add(op)
        before: set[ir.Operation] = set()
        for op in reversed(self._ops):
            if op in own | before:
                owners = (_owner(value) for value in _operands(op))
                before |= {one for one in owners if one in self._ops}
        return members | {
            op for op in after & before if op.name not in _REPEATED | {"arith.constant"}
        }

    def _read(self, op: ir.Operation, members: set[ir.Operation]) -> list[ir.Value]:
        """The results of ``op`` that others read, who do not make them anew for themselves."""
        repeating = [group for group in self._groups if op in group]

        def elsewhere(reader: ir.Operation) -> bool:
            return reader not in members and not any(reader in group for group in repeating)

        return [
            value
            for value in op.results
            if any(elsewhere(self._outermost(use.owner.operation)) for use in value.uses)
        ]

    def _outermost(self, op: ir.Operation) -> ir.Operation:
        while op not in self._ops:
            op = op.parent.operation
        return op

    def _function(
        self, ops: list[ir.Operation], arguments: list[ir.Value], results: list[ir.Value]
    ) -> Outlined:
        with self._module.context, ir.Location.unknown():
            made = ir.Module.create()
            kinds = ([value.type for value in arguments], [value.type for value in results])
            with ir.InsertionPoint(made.body):
                main = func.FuncOp("main", kinds)
            block = main.add_entry_block()
            known = dict(zip(arguments, block.arguments, strict=True))
            clones = []
            with ir.InsertionPoint(block):
                for op in ops:
                    clones.append(walk.cloned(op, known))
                    known.update(zip(op.results, clones[-1].results, strict=True))
                func.ReturnOp([known[value] for value in results])
        place = {op.operation: n for n, op in enumerate(walk.operations(made.operation))}
        places = {place[copy]: self._place[op] for op, copy in zip(ops, clones, strict=True)}
        text = str(made.operation.get_asm(use_local_scope=True, large_elements_limit=None))
        return Outlined(text, places)


def _operands(op: ir.Operation) -> list[ir.Value]:
    """What an operation and those inside it read from outside of it."""
    return [*op.operands, *walk.read_outside(op)]


def _owner(value: ir.Value) -> ir.Operation | None:
    """The operation that a value is a result of; None for a function's argument."""
    owner = value.owner
    return None if isinstance(owner, ir.Block) else owner.operation


def _is_small(kind: ir.Type, op: ir.Operation) -> bool:
    if not isinstance(kind, ir.RankedTensorType):
        return True
    value = op.attributes["value"]
    splat = isinstance(value, ir.DenseElementsAttr) and value.is_splat
    return bool(splat) or prod(kind.shape) <= _SMALL


def _is_broadcast(op: ir.OpView) -> bool:
    """Whether the result has more elements than anything that is read for it."""
    read = list(op.operands)[: len(op.operands) - walk.init_count(op)]
    shapes = [value.type.shape for value in read if isinstance(value.type, ir.RankedTensorType)]
    return all(prod(shape) < prod(op.results[0].type.shape) for shape in shapes)
