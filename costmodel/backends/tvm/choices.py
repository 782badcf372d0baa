"""TVM's schedules as choices: knobs of the templates, instructions of MetaSchedule's traces."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from math import nan, prod
from typing import Any

import tvm

from costmodel.backends.choices import Axis, Choice, Operand, Site
from costmodel.backends.tiles import Tiles
from costmodel.backends.tvm.access import Access, access_of, accesses
from costmodel.backends.tvm.axes import bits_of
from costmodel.backends.tvm.dots import Dot
from costmodel.backends.tvm.knobs import Knobs, Option, inlined, knobs_of
from costmodel.backends.tvm.program import Block, Program, children
from costmodel.backends.tvm.register_tiles import (
    block_factors,
    chosen_dot,
    dot_tile,
    is_parallel,
    is_tiled,
    lane_count,
    packed,
    register_tile,
    unroll_factor,
    vector_axis,
)
from costmodel.backends.tvm.replay import lowered, machine_of
from costmodel.backends.tvm.texts import check_knobs, parse
from costmodel.errors import UnsupportedError, UsageError
from costmodel.records import Schedule, Target, Workload

__all__ = ["TVMChoices"]

_MOST_WORK = 1000
#: Numbers of schedules are read up to this.
_MOST = 2**53
_NUMBERS = (int, float)
#: ``rows0_s1`` is a knob ``rows0`` about tiles whose vectors run along the block's axis 1.
_ABOUT = re.compile(r"(?P<what>\w+?)_s(?P<axis>\d+)")
_AXIS = re.compile(r"s(?P<axis>\d+)")
#: Knobs of reductions that are told by what they make: lanes, or tiles.
_OF_LANES = re.compile(r"lanes|vec")
_OF_TILES = re.compile(
    r"(size|rows\d+)_s\d+|block_[ab]|vec|pack\d+|dot_rows|dot_vectors|parallel|unroll"
)
#: Factors of a tile along spatial and along reduction loops: S0 S1 R0 S2 R1 S3.
_SPATIAL, _REDUCED = 4, 2
#: Accumulators in a vector of a dot product.
_DOT_LANES = 16


class TVMChoices:
    """Schedules of a workload as choices at the blocks of its TensorIR; a ``ChoiceReader``.

    There are no sites where TVM cannot express the workload, or its blocks are not all plain.
    """

    def __init__(self, workload: Workload, target: Target) -> None:
        self._machine = machine_of(target)
        self._program: Program | None = None
        with suppress(UnsupportedError):
            self._program = lowered(workload.text)[1]
        blocks = () if self._program is None else self._program.blocks
        self.sites: tuple[Site, ...] = tuple(map(_site, blocks))
        self._places = {site.name: place for place, site in enumerate(self.sites)}
        self._tiles_of = Tiles(
            self.sites, vector_bytes=self._machine.vector_bytes, threads=self._machine.threads
        )

    def choices(self, schedule: Schedule) -> list[Choice]:
        """The choices of a schedule. Raises UsageError for a text that is none."""
        data = parse(schedule.text)
        found = [Choice(data["kind"])]
        if data["kind"] == "template":
            found += self._template(data["knobs"])
        elif data["kind"] == "trace":
            trace = _Trace(self.sites, self._places)
            found += trace.read(*data["trace"])
            for place, factors in trace.factors.items():
                found += self._levels(place, factors)
        return found

    def _template(self, knobs: Knobs) -> list[Choice]:
        told: dict[str, re.Pattern[str]] = {}
        found: list[Choice] = []
        if self._program is not None and self._are_of_this_space(knobs):
            chosen = self._first | dict(knobs)
            for block in inlined(self._program, chosen).blocks:
                if block.reductions and is_tiled(block, self._machine):
                    told[block.name], made = self._tiled(block, chosen)
                    found += made
        for name, value in sorted(knobs.items()):
            block_name, _, what = name.rpartition(".")
            if block_name not in told or not told[block_name].fullmatch(what):
                found.append(_knob(name, value, self._places))
        return found

    @cached_property
    def _options(self) -> dict[str, tuple[Option, ...]]:
        return {} if self._program is None else knobs_of(self._program, self._machine)

    @cached_property
    def _first(self) -> dict[str, Option]:
        return {name: options[0] for name, options in self._options.items()}

    def _are_of_this_space(self, knobs: Knobs) -> bool:
        """Whether this version's template has these knobs: others are read as they stand."""
        try:
            check_knobs(knobs, self._options)
        except UsageError:
            return False
        return True

    def _tiled(self, block: Block, knobs: Knobs) -> tuple[re.Pattern[str], list[Choice]]:
        """What becomes of a reduction, and the knobs that this tells."""
        place = self._places[block.name]
        dot = chosen_dot(block, knobs, self._machine)
        vector = None if dot is not None else vector_axis(block, knobs, self._machine)
        found, sizes = [], {}
        if dot is not None:
            sizes = _dot_sizes(block, dot, knobs)
            vector = dot.vector
        elif vector is not None:
            sizes = register_tile(block, vector, knobs, self._machine)
            found += [
                _panel(block, number, place) for number in sorted(packed(block, vector, knobs))
            ]
        if vector is None:
            count = lane_count(block, knobs, self._machine)
            return _OF_LANES, [Choice("lanes", float(count), place)]
        found += [
            Choice("size" if axis == vector else "rows", float(size), place, axis)
            for axis, size in sizes.items()
        ]
        return _OF_TILES, found + self._tiles(block, place, sizes, knobs)

    def _tiles(
        self, block: Block, place: int, sizes: Mapping[int, int], knobs: Knobs
    ) -> list[Choice]:
        """The tile in registers, what it reads over the whole reduction, and the block of tiles."""
        extents = [it.extent for it in block.iters]
        spatial = [p for p, it in enumerate(block.iters) if not it.reduction]
        counts = [-(-extents[p] // sizes.get(p, 1)) for p in spatial]
        factors = dict(zip(spatial, block_factors(block.name, counts, knobs), strict=True))
        last = max(p for p, it in enumerate(block.iters) if it.reduction)
        unroll = unroll_factor(block.name, extents[last], knobs)
        register = [sizes.get(p, unroll if p == last else 1) for p in range(len(extents))]
        inner = [
            extent if it.reduction else size
            for it, extent, size in zip(block.iters, extents, register, strict=True)
        ]
        outer = [size * factors.get(p, 1) for p, size in enumerate(inner)]
        found = [
            Choice("tiles", float(factor), place, axis)
            for axis, factor in factors.items()
            if factor > 1
        ]
        if unroll > 1:
            found.append(Choice("unroll", float(unroll), place, last))
        return [
            *found,
            self._tiles_of.choice("register", place, register),
            self._tiles_of.choice("inner", place, inner),
            self._tiles_of.choice("task", place, outer, parallel=is_parallel(block.name, knobs)),
        ]

    def _levels(self, place: int, factors: Mapping[int, Sequence[int]]) -> list[Choice]:
        """The levels of a trace that tiles all axes of a site; ``factors`` innermost first."""
        axes = self.sites[place].axes
        wanted = [_REDUCED if axis.reduction else _SPATIAL for axis in axes]
        if any(
            len(factors.get(p, ())) != count or prod(factors[p]) != axis.extent
            for p, (count, axis) in enumerate(zip(wanted, axes, strict=True))
        ):
            return []

        def tile(spatial: int, reduced: int) -> list[int]:
            """Products of so many innermost factors."""
            return [
                prod(factors[p][: reduced if axis.reduction else spatial])
                for p, axis in enumerate(axes)
            ]

        return [
            self._tiles_of.choice("register", place, tile(1, 0)),
            self._tiles_of.choice("inner", place, tile(1, 1)),
            self._tiles_of.choice("block", place, tile(2, 1)),
            self._tiles_of.choice("task", place, tile(3, _REDUCED), parallel=True),
        ]


def _dot_sizes(block: Block, dot: Dot, knobs: Knobs) -> dict[int, int]:
    rows, vectors = dot_tile(block, knobs)
    sizes = {dot.vector: _DOT_LANES * vectors}
    return sizes if dot.rows is None else sizes | {dot.rows: rows}


@lru_cache(maxsize=1024)
def _panel(block: Block, number: int, place: int) -> Choice:
    """A load that is copied: its bytes, and along which axis memory holds its neighbours."""
    access = accesses(block)[number]
    operand = _operand(access)
    along = next((axis for axis, step in operand.dims[-1].items() if step == 1), -1)
    return Choice(
        "pack", float(operand.element_bytes * prod(map(int, access.buffer.shape))), place, along
    )


def _operand(access: Access) -> Operand:
    """Of an index that is not linear it is known only what moves it: by one element, say."""
    moved = dict.fromkeys(access.moved_by, 1)
    return Operand(
        _bytes(access.buffer),
        tuple(
            moved if row is None else {p: step for p, step in enumerate(row) if step}
            for row in access.coefficients
        ),
    )  # fmt: skip


def _bytes(buffer: Any) -> int:
    return max(1, bits_of(str(buffer.dtype)) // 8)


def _site(block: Block) -> Site:
    listed = accesses(block)
    store = access_of(block, block.buffer, block.indices)
    axes = []
    for position, it in enumerate(block.iters):
        strides = [access.stride(position) for access in listed]
        axes.append(
            Axis(
                extent=it.extent,
                reduction=it.reduction,
                contiguous=sum(stride == 1 for stride in strides),
                strided=sum(stride not in (0, 1) for stride in strides),
                invariant=sum(stride == 0 for stride in strides),
                stores=store.stride(position),
            )
        )
    operations, calls = _work(block)
    return Site(
        block.name, tuple(axes), _bytes(block.buffer),
        loads=len(block.loads), operations=operations, calls=calls,
        operands=tuple(map(_operand, (*listed, store))),
    )  # fmt: skip


def _work(block: Block) -> tuple[int, int]:
    """Arithmetic operations and calls of a point; of a huge expression the first part."""
    pending, operations, calls = [block.value], 0, 0
    while pending and operations + calls < _MOST_WORK:
        expr = pending.pop()
        if isinstance(expr, tvm.ir.expr.TensorLoad):
            continue
        parts = children(expr)
        calls += isinstance(expr, tvm.ir.Call)
        operations += len(parts) == 2 and not isinstance(expr, tvm.ir.Call)
        pending += parts
    return operations, calls


def _knob(name: str, value: Any, places: Mapping[str, int]) -> Choice:
    block, _, what = name.rpartition(".")
    site = places.get(block, -1)
    about = _ABOUT.fullmatch(what)
    if about is not None:
        return Choice(about["what"], _number(value), site, int(about["axis"]))
    if isinstance(value, str):
        along = _AXIS.fullmatch(value)
        return (
            Choice(what, nan, site, int(along["axis"]))
            if along
            else Choice(f"{what}={value}", nan, site)
        )
    return Choice(what, _number(value), site)


def _number(value: Any) -> float:
    """Bounded, since texts may hold integers that no float can."""
    return float(max(-_MOST, min(value, _MOST))) if isinstance(value, _NUMBERS) else nan


class _Trace:
    """Follows which block and which axis the variables of a trace stand for."""

    def __init__(self, sites: Sequence[Site], places: Mapping[str, int]) -> None:
        self._sites, self._places = sites, places
        self._blocks: dict[str, int] = {}
        self._loops: dict[str, tuple[int, int]] = {}
        #: Sites with loops that are no longer their axes, one by one.
        self._changed: set[int] = set()
        #: By site and axis the factors of its tiling, innermost first.
        self.factors: dict[int, dict[int, list[int]]] = defaultdict(dict)

    def read(self, instructions: list[Any], decisions: list[Any]) -> Iterator[Choice]:
        decided = dict(decisions)
        for place, (name, inputs, attributes, outputs) in enumerate(instructions):
            site, axis = self._about(name, inputs, attributes, outputs)
            if name in ("GetSBlock", "GetLoops", "EnterPostproc"):
                continue
            word = f"{name} {attributes[0]}" if name == "Annotate" else name
            numbers = [value for value in inputs if isinstance(value, _NUMBERS)]
            given = decided.get(place)
            if isinstance(given, list):
                numbers += [value for value in given if isinstance(value, _NUMBERS)]
            elif isinstance(given, _NUMBERS):
                numbers.append(given)
            word = word.replace(" ", "_")
            if len(numbers) < 2:
                yield Choice(word, _number(numbers[0]) if numbers else nan, site, axis)
            else:  # of several factors, which: the innermost is 0
                if name == "SamplePerfectTile" and isinstance(given, list) and axis >= 0:
                    self.factors[site][axis] = [int(value) for value in reversed(given)]
                for level, value in enumerate(reversed(numbers)):
                    yield Choice(f"{word}/{level}", _number(value), site, axis)

    def _about(
        self, name: str, inputs: list[Any], attributes: list[Any], outputs: list[Any]
    ) -> tuple[int, int]:
        names = [value for value in inputs if isinstance(value, str)]
        if name == "GetSBlock" and attributes and outputs:
            self._blocks[str(outputs[0])] = self._places.get(str(attributes[0]), -1)
            return -1, -1
        if name == "GetChildBlocks" and len(outputs) == len(self._sites):
            self._blocks |= {str(block): site for site, block in enumerate(outputs)}
            return -1, -1
        for variable in names:
            if variable in self._loops:
                about = self._loops[variable]
                self._loops |= {str(output): about for output in outputs}
                self._changed |= {about[0]} if outputs else set()
                return about
            if variable in self._blocks:
                site = self._blocks[variable]
                if name == "GetLoops":
                    axes = self._axes(site, len(outputs))
                    self._loops |= {
                        str(v): (site, axis) for v, axis in zip(outputs, axes, strict=True)
                    }
                else:
                    self._blocks |= {str(output): site for output in outputs}
                return site, -1
        return -1, -1

    def _axes(self, site: int, loops: int) -> Sequence[int]:
        """The axes that so many loops of a site stand for: none once they were split or fused."""
        if site < 0 or site in self._changed or loops != len(self._sites[site].axes):
            return [-1] * loops
        return range(loops)
