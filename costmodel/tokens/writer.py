"""From canonical MLIR to tokens, by the bindings' own view of it.

Names of values, locations and the order of attributes leave no trace, so that two texts of one
canonical form give the same tokens to the last digit. Of a structured operation, named or
generic, the loops and the accesses are written out alike; the body that a named one implies is
not. An operation that nobody has described in ``dialects/`` is written in the same way, by its
operands, types and attributes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from iree.compiler import ir

from costmodel.errors import UnsupportedError
from costmodel.ir import parse, traffic, trips, walk
from costmodel.ir.analysis import Loop
from costmodel.ir.costs import op_cost
from costmodel.ir.structured import (
    Flops,
    is_structured,
    iteration_space,
    scalar_flops,
    structured_flops,
)
from costmodel.records import DTYPE_BYTES, Workload
from costmodel.tokens.attributes import attribute_tokens, index_tokens, type_tokens
from costmodel.tokens.stream import Kind, Token, TokenStream

__all__ = ["tokenize"]

#: Said by the loops, the accesses and the operands, or mere names.
_WRITTEN_ELSEWHERE = frozenset({
    "function_type", "indexing_maps", "iterator_types", "linalg.memoized_indexing_maps",
    "operandSegmentSizes", "sym_name", "sym_visibility",
})  # fmt: skip
#: Kinds of operations, as ``dialects/*.toml`` have them, that move one element.
_ELEMENTS = frozenset({"load", "store", "gather"})
#: Structured operations whose body is written by hand.
_GENERIC = frozenset({"linalg.generic", "linalg.map", "linalg.reduce"})


def tokenize(workload: Workload) -> TokenStream:
    """The tokens of a workload's function, operations in textual order, the function first."""
    module = parse.parse_trusted(workload.text)
    writer = _Writer()
    writer.write(parse.main_function(module), times=1.0)
    return TokenStream(tuple(writer.tokens), writer.ops)


class _Writer:
    """The tokens so far, and which operation made each value."""

    def __init__(self) -> None:
        self.tokens: list[Token] = []
        self.ops = 0
        #: The operation and the number of the result or, of a block's argument, of the argument.
        self._made: dict[ir.Value, tuple[int, int]] = {}
        #: First values of the variables of the loops around.
        self._first: dict[ir.Value, int] = {}
        self._reads: dict[ir.Type, tuple[str, float] | None] = {}

    def write(self, op: ir.OpView, *, times: float, counted: bool = False) -> None:
        """``times`` is how often the operation runs; ``counted``: another one's costs say so."""
        number = self.ops
        self.ops += 1
        operation = op.operation
        name = operation.name
        self.tokens.append(Token(Kind.OP, name, number))
        results = list(op.results)
        for group, result in enumerate(results):
            self._made[result] = (number, group)
            self.tokens += type_tokens(result.type, number, group)
        operands = list(op.operands)
        self._operands(operands, number)
        for attribute in sorted(op.attributes):
            if attribute not in _WRITTEN_ELSEWHERE:
                self.tokens += attribute_tokens(attribute, op.attributes[attribute], number)
        structured = name.startswith("linalg.") and is_structured(op)
        if structured:
            within = times * self._structured(op, number, times)
        else:
            within = times * self._plain(op, number, times)
            if not counted:
                self._flops(scalar_flops(op), number, times)
        if times != 1:
            self.tokens.append(Token(Kind.COST, "times", number, times))
        if not structured or name in _GENERIC:
            for region in op.regions:
                self._region(region, number, within, structured=structured or counted)

    def _operands(self, operands: Sequence[ir.Value], number: int) -> None:
        for group, value in enumerate(operands):
            made = self._made.get(value)
            if made is None:  # a cycle, as graph regions may have it
                self.tokens.append(Token(Kind.OPERAND, "%?", number, group=group))
                continue
            word = "%arg" if isinstance(value, ir.BlockArgument) else "%"
            self.tokens.append(
                Token(Kind.OPERAND, word, number, float(number - made[0]), group, made[1])
            )
            read = self._read(value.type)
            if read is not None:
                self.tokens.append(Token(Kind.READ, read[0], number, read[1], group))

    def _read(self, kind: ir.Type) -> tuple[str, float] | None:
        """Element type and bytes; None of what has no shape."""
        if kind not in self._reads:
            element = getattr(kind, "element_type", None)
            self._reads[kind] = None if element is None else (str(element), float(_bytes(kind)))
        return self._reads[kind]

    def _structured(self, op: ir.OpView, number: int, times: float) -> int:
        """Loops, accesses and costs; how often the body runs."""
        loops = iteration_space(op)
        self._loops(loops, number)
        for group, access in enumerate(walk.indexing_maps(op) or ()):
            self.tokens += index_tokens(access, number, group)
        self._flops(structured_flops(op, loops), number, times)
        self.tokens.append(Token(Kind.COST, "bytes", number, times * traffic.op_bytes(op)))
        return math.prod(loop.extent for loop in loops)

    def _plain(self, op: ir.OpView, number: int, times: float) -> int:
        """Loops or bytes; how often that which is inside runs."""
        if op.operation.name in trips.LOOPS:
            extents = self._extents(op)
            self._loops([Loop(extent, "parallel") for extent in extents], number)
            return math.prod(extents)
        moved = _moved(op)
        if moved:
            self.tokens.append(Token(Kind.COST, "bytes", number, times * moved))
        return 1

    def _flops(self, flops: Flops, number: int, times: float) -> None:
        """By the type that they are done in."""
        for dtype, count in sorted(flops.items()):
            if count:
                self.tokens.append(Token(Kind.COST, f"flops:{dtype}", number, times * count))

    def _extents(self, loop: ir.OpView) -> list[int]:
        """Trip counts, of bounds that depend on loops around at the first values of these.

        1 where that cannot be told either.
        """
        try:
            ranges = trips.trip_ranges(loop, self._first)
        except UnsupportedError:
            return [1]
        self._first |= {variable: taken.start for variable, taken in ranges}
        return [max(1, len(taken)) for _, taken in ranges]

    def _loops(self, loops: Sequence[Loop], number: int) -> None:
        for slot, loop in enumerate(reversed(loops)):
            self.tokens.append(Token(Kind.LOOP, loop.kind, number, float(loop.extent), slot=slot))

    def _region(self, region: ir.Region, owner: int, times: float, *, structured: bool) -> None:
        self.tokens.append(Token(Kind.STRUCTURE, "{", owner))
        for place, block in enumerate(region.blocks):
            if place:
                self.tokens.append(Token(Kind.STRUCTURE, "^", owner))
            for group, argument in enumerate(block.arguments):
                self._made[argument] = (owner, group)
                if not structured:
                    self.tokens += type_tokens(argument.type, owner, group)
            for op in block.operations:
                self.write(op, times=times, counted=structured)
        self.tokens.append(Token(Kind.STRUCTURE, "}", owner))


def _bytes(kind: ir.Type) -> int:
    """Of a tensor, a memref or a vector whose elements' size is known; else 0."""
    element = getattr(kind, "element_type", None)
    return traffic.type_bytes(kind) if str(element) in DTYPE_BYTES else 0


def _moved(op: ir.OpView) -> int:
    """Bytes that an operation which is not structured moves each time: views and such, none."""
    cost = op_cost(op.operation.name)
    values = (*op.operands, *op.results)
    if cost is None:  # nobody has described it: all that it touches
        return sum(_bytes(value.type) for value in values)
    if cost.kind in _ELEMENTS:
        elements = (getattr(value.type, "element_type", None) for value in values)
        return max(DTYPE_BYTES.get(str(element), 0) for element in elements)
    if cost.kind != "data_movement":
        return 0
    if op.operation.name == "tensor.extract_slice":
        return 2 * _bytes(op.results[0].type)
    return sum(_bytes(value.type) for value in values)
