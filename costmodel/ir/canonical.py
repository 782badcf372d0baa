"""The canonical form: one text for one computation, however it was written.

MLIR's own passes fold, deduplicate and drop dead code; what is left of the writer's taste goes
here: names, locations, visibility, attributes that mean nothing, the order of independent
operations and values that an operation receives and ignores. Named linalg operations stay
named, since compilers treat them better than the generic form.
"""

from __future__ import annotations

from dataclasses import replace

from iree.compiler import ir
from iree.compiler.dialects import tensor

from costmodel.ir import attributes, checks, gather, isolate, parse, provenance, walk
from costmodel.records import Workload

__all__ = ["read_module", "read_tagged"]

_PIPELINE = "builtin.module(func.func(convert-elementwise-to-linalg),canonicalize,cse,canonicalize)"
_FAILURE = "MLIR cannot simplify this function"
_TIDY = "builtin.module(cse,canonicalize)"


def read_module(module: ir.Module, function: str | None) -> Workload:
    """The workload of one function of a parsed module, which is left as it was.

    Raises UsageError where ``function`` does not name one, UnsupportedError where there is none
    or it cannot be read; locations are in bytes, in an unnamed file.
    """
    return _read(module, isolate.choose(module, function))[0]


def read_tagged(
    module: ir.Module, function: str | None
) -> tuple[Workload, dict[int, tuple[int, ...]]]:
    """As ``read_module``, and the positions that each operation comes from.

    The module's operations get locations that name their positions.
    """
    chosen = isolate.choose(module, function)
    provenance.tag(module)
    workload, canonical = _read(module, chosen)
    return workload, provenance.find_sources(canonical, provenance.find_twins(module, chosen))


def _read(module: ir.Module, chosen: ir.OpView) -> tuple[Workload, ir.Module]:
    """The workload of a function, and its text as a module."""
    inputs, outputs = checks.signature(chosen)
    checks.check_sizes(chosen)
    checks.check_dialects(chosen)
    isolated = isolate.isolate(module, chosen)
    parse.run_passes(_PIPELINE, isolated, failure=_FAILURE)
    main = parse.main_function(isolated)
    checks.check_operations(main)
    _drop_attributes(main)
    if not checks.is_loop_level(main):
        _drop_unused_inits(main)
        parse.run_passes(_TIDY, isolated, failure=_FAILURE)
        main = parse.main_function(isolated)
        # Bodies first: what they use, in their order, decides the order outside.
        for op in reversed([main, *walk.operations(main)]):
            for region in op.regions:
                _sort(region.blocks[0])
    else:
        _order_constants(main)
    limits = gather.index_limits(main)
    workload = Workload(
        text=isolated.operation.get_asm(use_local_scope=True, large_elements_limit=None),
        function=chosen.name.value,
        inputs=tuple(
            replace(kind, index_limit=limit) for kind, limit in zip(inputs, limits, strict=True)
        ),
        outputs=outputs,
    )
    return workload, isolated


def _drop_attributes(main: ir.OpView) -> None:
    for op in walk.operations(main):
        for name in attributes.idle(op):
            del op.attributes[name]


def _drop_unused_inits(main: ir.OpView) -> None:
    """Give an operation that ignores what is in its ``outs`` an empty tensor there."""
    for op in list(main.regions[0].blocks[0].operations):
        for number in _unused_inits(op):
            kind = op.operands[number].type
            with ir.InsertionPoint(op), ir.Location.unknown(main.context):
                empty = tensor.EmptyOp(list(kind.shape), kind.element_type)
            op.operation.operands[number] = empty.result


def _unused_inits(op: ir.OpView) -> list[int]:
    """The operands that are inits of a structured operation whose body does not read them."""
    if op.operation.name == "linalg.softmax":
        return [1]
    block = walk.body_of(op)
    if block is None or walk.indexing_maps(op) is None:
        return []
    arguments = block.arguments
    inits = range(len(op.operands) - walk.init_count(op), len(op.operands))
    return [n for n in inits if n >= len(arguments) or not list(arguments[n].uses)]


def _sort(block: ir.Block) -> None:
    """Order a block of pure operations by first use, depth first from its terminator."""
    position = {op.operation: n for n, op in enumerate(block.operations)}
    terminator = block.operations[len(block.operations) - 1].operation
    ordered: list[ir.Operation] = []
    seen: set[ir.Operation] = set()
    pending: list[tuple[ir.Operation, bool]] = [(terminator, False)]
    while pending:
        op, ready = pending.pop()
        if ready:
            ordered.append(op)
        elif op not in seen:
            seen.add(op)
            pending.append((op, True))
            pending += [(used, False) for used in reversed(_uses(op)) if used in position]
    for op in ordered[:-1]:
        op.move_before(terminator)


def _order_constants(main: ir.OpView) -> None:
    """Order the constants of a loop-level kernel by first use; its other operations stay."""
    block = main.regions[0].blocks[0]
    ops = [op.operation for op in block.operations]
    constants = [op for op in ops if op.name == "arith.constant"]
    anchor = next(op for op in ops if op.name != "arith.constant")
    first: dict[ir.Operation, int] = {}
    for place, op in enumerate(_uses(main.operation)):
        first.setdefault(op, place)
    for op in sorted(constants, key=lambda op: first.get(op, len(first))):
        op.move_before(anchor)


def _uses(op: ir.Operation) -> list[ir.Operation]:
    """The operations whose results ``op``, or anything inside it, reads; in order."""
    operands = [*op.operands, *(value for inner in walk.operations(op) for value in inner.operands)]
    owners = [value.owner for value in operands]
    return [owner.operation for owner in owners if not isinstance(owner, ir.Block)]
