"""Which operations of a workload decide how IREE compiles it, and what it chooses for them.

IREE forms dispatches and gives the tiling of each to one operation, its root. Its choice is read
from the configured program; operations carry their positions through all passes as locations. An
operation counts only if a tiling set on it is obeyed: some are rewritten on the way and lose it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from iree.compiler import ir

from costmodel.backends.iree.compiler import configured_text
from costmodel.backends.iree.pointwise import as_matmul, is_pointwise, matmul_loops
from costmodel.backends.iree.schedules import LEVELS, PIPELINES, Settings, Tiling
from costmodel.errors import BackendError
from costmodel.ir import parse, walk
from costmodel.ir.analysis import Loop
from costmodel.ir.structured import is_structured, iteration_space

__all__ = [
    "Root",
    "annotate",
    "annotated",
    "configured_tilings",
    "find_cuts",
    "find_roots",
    "tagged",
]

_PLACE = re.compile(r'"costmodel:(\d+)"')
_LEVEL = re.compile(r"(\w+) = \[([^\]]*)\]")
_PIPELINE = re.compile(r"#iree_cpu\.pipeline<(\w+)>")


@dataclass(frozen=True)
class Root:
    """A root operation: its position in the canonical text, its loops, and IREE's own tiling."""

    place: int
    name: str
    loops: tuple[Loop, ...]
    tiling: Tiling
    #: Bytes of an element of its result.
    element_bytes: int


def find_roots(text: str) -> tuple[Root, ...]:
    """The root operations on which a tiling is obeyed, in textual order.

    Runs the compiler's first phases twice. Raises BackendError where they refuse the program.
    """
    chosen = _configured(tagged(text, Settings()))
    found = [root for root in _structured(text, chosen) if _fits(root)]
    if not found:
        return ()
    changed = {root.place: _halved(root.tiling) for root in found}
    try:
        obeyed = _configured(tagged(text, Settings(roots=changed)))
    except BackendError:
        return tuple(root for root in found if _is_obeyed(text, root))
    return tuple(root for root in found if obeyed.get(root.place) == changed[root.place])


def annotated(text: str, settings: Settings, *, function: str = "main") -> str:
    """The program with ``compilation_info`` on the operations that the settings tile, and cut.

    A convolution of one point becomes the matrix product that it is, which keeps what is said of
    it. A cut is a barrier behind an operation: IREE forms no dispatch across it. The function,
    called ``main`` in canonical text, is given the name ``function``. Raises BackendError for a
    position where no structured operation stands.
    """
    module = parse.parse_trusted(text)
    annotate(module, settings)
    with module.context:
        parse.main_function(module).attributes["sym_name"] = ir.StringAttr.get(function)
    return str(module.operation.get_asm(use_local_scope=True, large_elements_limit=None))


def annotate(module: ir.Module, settings: Settings) -> None:
    """As ``annotated``, for a parsed module."""
    ops = list(walk.operations(module.operation)) if settings.roots or settings.cuts else []
    with module.context, ir.Location.unknown():
        for place, tiling in settings.roots.items():
            if place >= len(ops) or not is_structured(ops[place]):
                raise BackendError(f"operation {place} is none that can be tiled")
            tiled = as_matmul(ops[place]) if is_pointwise(ops[place]) else ops[place]
            tiled.attributes["compilation_info"] = ir.Attribute.parse(tiling.attribute())
            ops[place] = tiled
        for place in settings.cuts:
            if place >= len(ops) or not is_structured(ops[place]):
                raise BackendError(f"operation {place} is none that a kernel can end with")
            _put_barrier(ops[place])


def configured_tilings(
    text: str, settings: Settings, *, timeout_s: float = 60.0
) -> dict[int, Tiling]:
    """The tiling of each dispatch's root, by position, in a program under the settings.

    Runs the compiler's first phases, with the settings' flags. Raises BackendError where they
    refuse the program.
    """
    return _configured(tagged(text, settings), settings.arguments, timeout_s)


def tagged(text: str, settings: Settings) -> str:
    """As ``annotated``, every operation at a location that names its position."""
    module = parse.parse_trusted(text)
    with module.context:
        for place, op in enumerate(walk.operations(module.operation)):
            op.operation.location = ir.Location.name(f"costmodel:{place}")
    annotate(module, settings)
    return str(module.operation.get_asm(enable_debug_info=True, large_elements_limit=None))


def find_cuts(text: str) -> dict[int, int]:
    """Where a kernel may end: operations whose result another one reads, and its size in bytes."""
    module = parse.parse_trusted(text)
    found: dict[int, int] = {}
    for place, op in enumerate(walk.operations(module.operation)):
        if not is_structured(op) or op.operation.name == "linalg.fill" or len(op.results) != 1:
            continue
        if any(is_structured(use.owner) for use in op.results[0].uses):
            kind = op.results[0].type
            found[place] = prod(kind.shape) * _element_bytes(kind)
    return found


def _put_barrier(op: ir.OpView) -> None:
    result = op.operation.results[0]
    later = list(op.operation.block.operations)
    following = later[[other.operation == op.operation for other in later].index(True) + 1]
    with ir.InsertionPoint(following):
        barrier = ir.Operation.create(
            "util.optimization_barrier", results=[result.type], operands=[result]
        )
    for use in list(result.uses):
        if use.owner.operation != barrier:
            use.owner.operation.operands[use.operand_number] = barrier.results[0]


def _configured(
    tagged: str, flags: Sequence[str] = (), timeout_s: float = 60.0
) -> dict[int, Tiling]:
    """The tiling of each dispatch's root, by position."""
    found: dict[int, Tiling] = {}
    module = parse.parse_trusted(configured_text(tagged, flags=flags, timeout_s=timeout_s))
    pipeline = ""
    for op in walk.operations(module.operation):
        if "translation_info" in op.attributes:
            named = _PIPELINE.search(str(op.attributes["translation_info"]))
            pipeline = named[1] if named else ""
        if "lowering_config" not in op.attributes:
            continue
        place = _PLACE.search(str(op.operation.location))
        levels = dict(_levels(str(op.attributes["lowering_config"])))
        if place is not None and "distribution" in levels:
            found[int(place[1])] = Tiling(pipeline, levels)
    return found


def _levels(text: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Sizes by level; a scalable size, ``[16]``, is one that this backend leaves alone."""
    written = dict(_LEVEL.findall(text))
    for name in LEVELS:
        sizes = written.get(name)
        if sizes is not None and all(part.strip().isdecimal() for part in sizes.split(",")):
            yield name, tuple(map(int, sizes.split(",")))


def _structured(text: str, chosen: Mapping[int, Tiling]) -> Iterator[Root]:
    module = parse.parse_trusted(text)
    for place, op in enumerate(walk.operations(module.operation)):
        if place in chosen and is_structured(op) and len(op.results) == 1:
            size = _element_bytes(op.results[0].type)
            loops = matmul_loops(op) if is_pointwise(op) else iteration_space(op)
            yield Root(place, op.operation.name, loops, chosen[place], size)


def _element_bytes(kind: ir.Type) -> int:
    return max(1, getattr(kind.element_type, "width", 8) // 8)


def _fits(root: Root) -> bool:
    """Whether IREE tiled the operation's own loops: dimensions may have been folded or swapped."""
    levels = root.tiling.levels
    return root.tiling.pipeline in PIPELINES and all(
        len(sizes) == len(root.loops) for sizes in levels.values()
    )


def _halved(tiling: Tiling) -> Tiling:
    """A legal tiling that differs from IREE's own."""
    sizes = tiling.levels["distribution"]
    halves = tuple(size // 2 if size > 1 and size % 2 == 0 else size for size in sizes)
    if halves == sizes:
        halves = tuple(1 if size > 1 else size for size in sizes)
    return Tiling(tiling.pipeline, {**tiling.levels, "distribution": halves})


def _is_obeyed(text: str, root: Root) -> bool:
    changed = _halved(root.tiling)
    try:
        found = _configured(tagged(text, Settings(roots={root.place: changed})))
    except BackendError:
        return False
    return found.get(root.place) == changed
