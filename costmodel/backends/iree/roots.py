"""Which operations of a workload decide how IREE compiles it, and what it chooses for them.

IREE forms dispatches and gives the tiling of each to one operation, its root. Its choice is read
from the configured program; operations carry their positions through all passes as locations. A
tiling is set on the operation in the program where it is obeyed there; operations that are
rewritten on the way lose it, and what they have become is tiled by a tuning spec instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from iree.compiler import ir

from costmodel.backends.iree.compiler import configured_text
from costmodel.backends.iree.matching import matcher_of, tuning_spec
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
    "places_of",
    "tagged",
]

_PLACES = re.compile(r'"costmodel:(\d+)"')
_LEVEL = re.compile(r"(\w+) = \[([^\]]*)\]")
_PIPELINE = re.compile(r"#iree_cpu\.pipeline<(\w+)>")


@dataclass(frozen=True)
class Root:
    """A root operation: how a tiling reaches it, its loops, and IREE's own tiling.

    ``key`` is its position in the canonical text, or the matcher of what IREE has made of it.
    """

    key: int | str
    name: str
    loops: tuple[Loop, ...]
    tiling: Tiling
    #: Bytes of an element of its result.
    element_bytes: int


@dataclass(frozen=True)
class _Dispatched:
    """The root of a dispatch in the configured program, and the position that it came from."""

    place: int | None
    tiling: Tiling
    #: The same as a root with a matcher for its key, where a matcher can be written.
    matched: Root | None


def find_roots(text: str) -> tuple[Root, ...]:
    """The root operations whose tiling is obeyed: those tiled where they stand, then the others.

    Runs the compiler's first phases a few times. Raises BackendError where they refuse the
    program.
    """
    dispatched = _configured(text, Settings())
    chosen = {one.place: one.tiling for one in dispatched if one.place is not None}
    standing = _obeyed(text, [root for root in _structured(text, chosen) if _fits(root)])
    places = {root.key for root in standing}
    others = {
        one.matched.key: one.matched
        for one in dispatched
        if one.matched is not None and one.place not in places and _fits(one.matched)
    }
    return (*standing, *_obeyed(text, list(others.values())))


def _obeyed(text: str, roots: Sequence[Root]) -> tuple[Root, ...]:
    """Those on which another tiling than IREE's own shows in the configured program."""
    changed = {root.key: _halved(root.tiling) for root in roots}
    try:
        found = configured_tilings(text, Settings().tiled(changed)) if roots else {}
    except BackendError:
        return tuple(root for root in roots if len(roots) > 1 and _obeyed(text, [root]))
    return tuple(root for root in roots if found.get(root.key) == changed[root.key])


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
            try:
                tiled.attributes["compilation_info"] = ir.Attribute.parse(tiling.attribute())
            except ir.MLIRError as error:
                raise BackendError(f"operation {place} cannot be tiled so: {error}") from error
            ops[place] = tiled
        for place in settings.cuts:
            if place >= len(ops) or not is_structured(ops[place]):
                raise BackendError(f"operation {place} is none that a kernel can end with")
            _put_barrier(ops[place])


def configured_tilings(text: str, settings: Settings) -> dict[int | str, Tiling]:
    """The tiling of each dispatch's root in a program under the settings, flags included.

    Each is listed by its position and by its matcher, where it has them. Runs the compiler's
    first phases. Raises BackendError where they refuse the program.
    """
    found: dict[int | str, Tiling] = {}
    for one in _configured(text, settings):
        if one.place is not None:
            found[one.place] = one.tiling
        if one.matched is not None:
            found[one.matched.key] = one.tiling
    return found


def tagged(text: str, settings: Settings) -> str:
    """As ``annotated``, every operation at a location that names its position."""
    module = parse.parse_trusted(text)
    with module.context:
        for place, op in enumerate(walk.operations(module.operation)):
            op.operation.location = ir.Location.name(f"costmodel:{place}")
    annotate(module, settings)
    return str(module.operation.get_asm(enable_debug_info=True, large_elements_limit=None))


def places_of(op: ir.OpView) -> list[int]:
    """Positions of the operations of a tagged program that the compiler made ``op`` of."""
    return [int(place) for place in _PLACES.findall(str(op.operation.location))]


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


def _configured(text: str, settings: Settings) -> list[_Dispatched]:
    """Each dispatch's root, as the program is configured under the settings."""
    configured = configured_text(
        tagged(text, settings),
        flags=settings.arguments,
        spec=tuning_spec(settings.matched),
    )
    module = parse.parse_trusted(configured)
    found: list[_Dispatched] = []
    pipeline = ""
    for op in walk.operations(module.operation):
        if "translation_info" in op.attributes:
            named = _PIPELINE.search(str(op.attributes["translation_info"]))
            pipeline = named[1] if named else ""
        if "lowering_config" not in op.attributes:
            continue
        levels = dict(_levels(str(op.attributes["lowering_config"])))
        if "distribution" in levels:
            places = places_of(op)
            tiling = Tiling(pipeline, levels)
            place = places[0] if places else None
            found.append(_Dispatched(place, tiling, _matched(op, tiling)))
    return found


def _matched(op: ir.OpView, tiling: Tiling) -> Root | None:
    if not is_structured(op) or len(op.results) != 1:
        return None
    matcher = matcher_of(op)
    if matcher is None:
        return None
    size = _element_bytes(op.results[0].type)
    return Root(matcher, op.operation.name, iteration_space(op), tiling, size)


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
