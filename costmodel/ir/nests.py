"""FLOPs and loop nests of loop-level kernels (affine and scf on memref)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from iree.compiler import ir

from costmodel.errors import UnsupportedError
from costmodel.ir import trips, walk
from costmodel.ir.analysis import Loop
from costmodel.ir.structured import Flops, is_structured, scalar_flops, structured_flops

__all__ = ["LIMIT_STEPS", "block_flops", "loops_of", "op_flops"]

#: Loop iterations walked one by one, where inner bounds depend on outer variables.
LIMIT_STEPS = 50_000


class _Walk:
    """How many more iterations may be walked, and the bodies that are the same in all of them."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.bodies: dict[ir.Operation, Flops] = {}

    def spend(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise UnsupportedError(
                "loop bounds depend on outer loops in too many iterations to count them "
                f"(more than {LIMIT_STEPS})",
                hint="give the loops constant bounds",
            )


def op_flops(op: ir.OpView) -> Flops:
    """FLOPs of an operation and all that it holds, loops multiplied by their trip counts.

    Of a branch the costlier side counts. Raises UnsupportedError for unknown trip counts.
    """
    return _op(op, {}, _Walk(LIMIT_STEPS))


def block_flops(block: ir.Block) -> Flops:
    """As ``op_flops``, for all operations of a block."""
    return _block(block, {}, _Walk(LIMIT_STEPS))


def loops_of(op: ir.OpView) -> tuple[Loop, ...]:
    """The perfect nest that starts at a loop, outermost first.

    A loop is a reduction where some store inside does not depend on its variable. An inner
    extent that depends on outer variables is the one at their first values.
    """
    found: list[Loop] = []
    values: dict[ir.Value, int] = {}
    current: ir.OpView | None = op
    while current is not None:
        stores = list(_stored_indices(current))
        for variable, trip in trips.trip_ranges(current, values):
            parallel = all(any(trips.depends(i, variable) for i in indices) for indices in stores)
            found.append(Loop(len(trip), "parallel" if parallel else "reduction"))
            values[variable] = trip.start
        inner = [
            child
            for child in current.regions[0].blocks[0].operations
            if child.operation.name in trips.LOOPS
        ]
        current = inner[0] if len(inner) == 1 else None
    return tuple(found)


def _stored_indices(loop: ir.OpView) -> Iterator[list[ir.Value]]:
    for op in walk.operations(loop):
        if op.operation.name in ("affine.store", "memref.store"):
            yield list(op.operands)[2:]


def _op(op: ir.OpView, values: trips.Values, state: _Walk) -> Flops:
    name = op.operation.name
    if name in trips.LOOPS:
        return _loop(op, values, state)
    if name in ("affine.if", "scf.if"):
        sides = [_block(block, values, state) for region in op.regions for block in region.blocks]
        return max(sides, key=lambda flops: flops.total(), default=Counter())
    if is_structured(op):
        return structured_flops(op)
    flops = scalar_flops(op)
    for region in op.regions:
        for block in region.blocks:
            flops.update(_block(block, values, state))
    return flops


def _block(block: ir.Block, values: trips.Values, state: _Walk) -> Flops:
    flops: Flops = Counter()
    for op in block.operations:
        flops.update(_op(op, values, state))
    return flops


def _loop(op: ir.OpView, values: trips.Values, state: _Walk) -> Flops:
    ranges = trips.trip_ranges(op, values)
    inner = [
        bound
        for child in walk.operations(op)
        if child.operation.name in trips.LOOPS
        for bound in trips.bound_operands(child)
    ]
    walked = [
        (variable, trip)
        for variable, trip in ranges
        if any(trips.depends(bound, variable) for bound in inner)
    ]
    times = 1
    for variable, trip in ranges:
        if variable not in (known for known, _ in walked):
            times *= len(trip)
    flops: Flops = Counter()
    for point in _points(walked, dict(values)):
        if walked:
            state.spend()
        flops.update(_body(op, bool(inner), point, state))
    return Counter({dtype: times * count for dtype, count in flops.items()})


def _body(op: ir.OpView, has_loops: bool, values: trips.Values, state: _Walk) -> Flops:
    """FLOPs of one iteration; computed once where nothing in it can depend on the iteration."""
    block = op.regions[0].blocks[0]
    if has_loops:
        return _block(block, values, state)
    if op.operation not in state.bodies:
        state.bodies[op.operation] = _block(block, values, state)
    return state.bodies[op.operation]


def _points(
    ranges: list[tuple[ir.Value, range]], values: dict[ir.Value, int]
) -> Iterator[trips.Values]:
    if not ranges:
        yield values
        return
    (variable, trip), *others = ranges
    for value in trip:
        yield from _points(others, {**values, variable: value})
