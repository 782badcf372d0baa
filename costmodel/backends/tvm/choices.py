"""TVM's schedules as choices: knobs of the templates, instructions of MetaSchedule's traces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import nan
from typing import Any

import tvm

from costmodel.backends.choices import Axis, Choice, Site
from costmodel.backends.tvm.access import access_of, accesses
from costmodel.backends.tvm.program import Block, Program, children
from costmodel.backends.tvm.replay import lowered
from costmodel.backends.tvm.texts import parse
from costmodel.records import Schedule, Workload

__all__ = ["choices_of", "sites_of"]

_MOST_WORK = 1000
#: ``rows0_s1`` is a knob ``rows0`` about the block's axis 1.
_ABOUT = re.compile(r"(?P<what>\w+?)_s(?P<axis>\d+)")
_AXIS = re.compile(r"s(?P<axis>\d+)")


def sites_of(workload: Workload) -> tuple[Site, ...]:
    """The blocks of the workload's TensorIR; none where they are not all plain."""
    program: Program | None = lowered(workload.text)[1]
    return () if program is None else tuple(map(_site, program.blocks))


def choices_of(schedule: Schedule, sites: Sequence[Site]) -> list[Choice]:
    """The choices of a schedule. Raises UsageError for a text that is none."""
    data = parse(schedule.text)
    places = {site.name: place for place, site in enumerate(sites)}
    found = [Choice(data["kind"])]
    if data["kind"] == "template":
        found += [_knob(name, value, places) for name, value in sorted(data["knobs"].items())]
    elif data["kind"] == "trace":
        found += _Trace(sites, places).read(*data["trace"])
    return found


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
    bits = "".join(c for c in str(block.buffer.dtype).removeprefix("bfloat") if c.isdigit()) or "8"
    operations, calls = _work(block)
    return Site(
        block.name, tuple(axes), max(1, int(bits) // 8),
        loads=len(list(block.loads())), operations=operations, calls=calls,
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
    return float(value) if isinstance(value, int | float) else nan


class _Trace:
    """Follows which block and which axis the variables of a trace stand for."""

    def __init__(self, sites: Sequence[Site], places: Mapping[str, int]) -> None:
        self._sites, self._places = sites, places
        self._blocks: dict[str, int] = {}
        self._loops: dict[str, tuple[int, int]] = {}
        #: Sites with loops that are no longer their axes, one by one.
        self._changed: set[int] = set()

    def read(self, instructions: list[Any], decisions: list[Any]) -> Iterator[Choice]:
        decided = dict(decisions)
        for place, (name, inputs, attributes, outputs) in enumerate(instructions):
            site, axis = self._about(name, inputs, attributes, outputs)
            if name in ("GetSBlock", "GetLoops", "EnterPostproc"):
                continue
            word = f"{name} {attributes[0]}" if name == "Annotate" else name
            numbers = [value for value in inputs if isinstance(value, int | float)]
            given = decided.get(place)
            if isinstance(given, list):
                numbers += [value for value in given if isinstance(value, int | float)]
            elif isinstance(given, int | float):
                numbers.append(given)
            word = word.replace(" ", "_")
            if len(numbers) < 2:
                yield Choice(word, float(numbers[0]) if numbers else nan, site, axis)
            else:  # of several factors, which: the innermost is 0
                for level, value in enumerate(reversed(numbers)):
                    yield Choice(f"{word}/{level}", float(value), site, axis)

    def _about(
        self, name: str, inputs: list[Any], attributes: list[Any], outputs: list[Any]
    ) -> tuple[int, int]:
        names = [value for value in inputs if isinstance(value, str)]
        if name == "GetSBlock" and attributes:
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
