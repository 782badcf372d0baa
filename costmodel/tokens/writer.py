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
from costmodel.ir.structured import (
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
            within = times * self._structured(op, number)
        else:
            within = times * self._plain(op, operands, number)
            flops = 0 if counted else scalar_flops(op).total()
            if flops:
                self.tokens.append(Token(Kind.COST, "flops", number, times * flops))
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

    def _structured(self, op: ir.OpView, number: int) -> int:
        """Loops, accesses and costs; how often the body runs."""
        loops = iteration_space(op)
        self._loops(loops, number)
        for group, access in enumerate(walk.indexing_maps(op) or ()):
            self.tokens += index_tokens(access, number, group)
        flops = float(structured_flops(op, loops).total())
        self.tokens.append(Token(Kind.COST, "flops", number, flops))
        self.tokens.append(Token(Kind.COST, "bytes", number, float(traffic.op_bytes(op))))
        return math.prod(loop.extent for loop in loops)

    def _plain(self, op: ir.OpView, operands: Sequence[ir.Value], number: int) -> int:
        """Loops or bytes; how often that which is inside runs."""
        if op.operation.name in trips.LOOPS:
            extents = _extents(op)
            self._loops([Loop(extent, "parallel") for extent in extents], number)
            return math.prod(extents)
        moved = sum(_bytes(value.type) for value in (*operands, *op.results))
        if moved:
            self.tokens.append(Token(Kind.COST, "bytes", number, float(moved)))
        return 1

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


def _extents(loop: ir.OpView) -> list[int]:
    """Trip counts; 1 of a loop whose bounds depend on others, which the bounds' operands tell."""
    try:
        return [max(1, len(taken)) for _, taken in trips.trip_ranges(loop, {})]
    except UnsupportedError:
        return [1]
