"""Trip counts: integers that can be computed without running the program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from iree.compiler import ir

from costmodel.errors import UnsupportedError
from costmodel.ir import walk

__all__ = ["LOOPS", "Values", "bound_operands", "depends", "evaluate", "trip_ranges"]

#: Known values of loop variables.
Values = Mapping[ir.Value, int]

LOOPS = frozenset({"affine.for", "affine.parallel", "scf.for", "scf.parallel"})

_ARITHMETIC: Mapping[str, Callable[[int, int], int]] = {
    "arith.addi": int.__add__,
    "arith.subi": int.__sub__,
    "arith.muli": int.__mul__,
    "arith.minsi": min,
    "arith.maxsi": max,
    "arith.minui": min,
    "arith.maxui": max,
}
_COMBINE: Mapping[str, Callable[[Sequence[int]], int]] = {
    "affine.apply": max,
    "affine.max": max,
    "affine.min": min,
}


def trip_ranges(op: ir.OpView, values: Values) -> list[tuple[ir.Value, range]]:
    """Each induction variable of a loop with the values that it takes.

    Raises UnsupportedError for a bound that is not known before the program runs.
    """
    bounds = (_affine_bounds if walk.dialect_of(op) == "affine" else _scf_bounds)(op, values)
    ranges = []
    for variable, (lower, upper, step) in zip(
        op.regions[0].blocks[0].arguments, bounds, strict=False
    ):
        if lower is None or upper is None or step is None or step <= 0:
            raise UnsupportedError(
                f"the trip count of an {op.operation.name} is not known before the program runs, "
                "so its cost is not either",
                hint="give the loop constant bounds",
            )
        ranges.append((variable, range(lower, upper, step)))
    return ranges


def bound_operands(op: ir.OpView) -> list[ir.Value]:
    """The operands that decide how often a loop runs."""
    operands = list(op.operands)
    if op.operation.name == "scf.for":
        return operands[:3]
    if op.operation.name == "affine.parallel":
        return operands
    sizes = list(op.attributes["operandSegmentSizes"])
    return operands[: sum(sizes[:-1])]


def depends(value: ir.Value, on: ir.Value) -> bool:
    """Whether ``value`` is computed from ``on``, or in a loop whose bounds are."""
    pending, seen = [value], set()
    while pending:
        current = pending.pop()
        if current == on:
            return True
        if current in seen:
            continue
        seen.add(current)
        if not isinstance(current.owner, ir.Block):
            pending += list(current.owner.operands)
        elif current.owner.owner.operation.name in LOOPS:
            pending += bound_operands(current.owner.owner.opview)
    return False


def evaluate(value: ir.Value, values: Values) -> int | None:
    """The integer that ``value`` holds where loop variables hold ``values``; None if unknown."""
    if value in values:
        return values[value]
    if isinstance(value.owner, ir.Block):
        return None
    op = value.owner.opview
    name = op.operation.name
    if name == "arith.constant":
        constant = op.attributes["value"]
        return constant.value if isinstance(constant, ir.IntegerAttr) else None
    if name in ("arith.index_cast", "arith.index_castui"):
        return evaluate(op.operands[0], values)
    operands = [evaluate(operand, values) for operand in op.operands]
    known = [operand for operand in operands if operand is not None]
    if len(known) < len(operands):
        return None
    if name in _ARITHMETIC:
        return _ARITHMETIC[name](*known)
    if name in _COMBINE:
        return _COMBINE[name](_apply(op.attributes["map"].value, known))
    return None


def _affine_bounds(
    op: ir.OpView, values: Values
) -> Iterator[tuple[int | None, int | None, int | None]]:
    parallel = op.operation.name == "affine.parallel"
    names = ("lowerBoundsMap", "upperBoundsMap") if parallel else ("lowerBoundMap", "upperBoundMap")
    lower, upper = (op.attributes[name].value for name in names)
    operands = [evaluate(operand, values) for operand in bound_operands(op)]
    known = [operand for operand in operands if operand is not None]
    if len(known) < len(operands):
        yield None, None, None
        return
    lows = _apply(lower, known[: lower.n_inputs])
    highs = _apply(upper, known[lower.n_inputs :])
    if not parallel:
        yield max(lows), min(highs), op.attributes["step"].value
        return
    low, high = iter(lows), iter(highs)
    groups = zip(_ints(op, "lowerBoundsGroups"), _ints(op, "upperBoundsGroups"), strict=True)
    for (lows_here, highs_here), step in zip(groups, op.attributes["steps"], strict=True):
        yield (
            max(next(low) for _ in range(lows_here)),
            min(next(high) for _ in range(highs_here)),
            step.value,
        )


def _scf_bounds(
    op: ir.OpView, values: Values
) -> Iterator[tuple[int | None, int | None, int | None]]:
    known = [evaluate(operand, values) for operand in bound_operands(op)]
    count = len(known) // 3
    yield from zip(known[:count], known[count : 2 * count], known[2 * count :], strict=True)


def _ints(op: ir.OpView, name: str) -> list[int]:
    return [int(number) for number in op.attributes[name]]


def _apply(map_: ir.AffineMap, operands: Sequence[int]) -> list[int]:
    dims, symbols = operands[: map_.n_dims], operands[map_.n_dims :]
    return [_expression(result, dims, symbols) for result in map_.results]


def _expression(expression: ir.AffineExpr, dims: Sequence[int], symbols: Sequence[int]) -> int:
    if isinstance(expression, ir.AffineConstantExpr):
        return int(expression.value)
    if isinstance(expression, ir.AffineDimExpr):
        return dims[int(expression.position)]
    if isinstance(expression, ir.AffineSymbolExpr):
        return symbols[int(expression.position)]
    left = _expression(expression.lhs, dims, symbols)
    right = _expression(expression.rhs, dims, symbols)
    if isinstance(expression, ir.AffineAddExpr):
        return left + right
    if isinstance(expression, ir.AffineMulExpr):
        return left * right
    if isinstance(expression, ir.AffineModExpr):
        return left % right
    if isinstance(expression, ir.AffineFloorDivExpr):
        return left // right
    return -(-left // right)
