"""What the network reads of a workload and of its schedules, as arrays.

Of a workload: its tokens, which operation reads which, what each operation takes at the least,
and the sites that its backends schedule. Of a schedule: its choices. Nothing is cut: what is more
than the network reads is refused.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from costmodel.backends.choices import Choice, Site
from costmodel.backends.tiles import TILE_WIDTH
from costmodel.errors import UnsupportedError
from costmodel.models.roofline import bandwidth, peak_flops
from costmodel.models.transformer.numbers import WIDTH, log_size, number_features
from costmodel.models.transformer.sites import BACKENDS
from costmodel.records import DTYPE_BYTES, Target, Workload
from costmodel.tokens.stream import Kind, TokenStream, Variant
from costmodel.tokens.vocabulary import Encoded, Vocabulary
from costmodel.tokens.writer import tokenize

__all__ = [
    "AXIS_WIDTH",
    "CHOICE_WIDTH",
    "MOST_CHOICES",
    "MOST_OPS",
    "SHARE",
    "SITE_WIDTH",
    "TARGET_WIDTH",
    "TILE",
    "ScheduleInput",
    "WorkloadInput",
    "check_choices",
    "read_schedule",
    "read_schedules",
    "read_workload_input",
]

MOST_OPS = 4096
MOST_CHOICES = 512
AXIS_WIDTH, SITE_WIDTH, CHOICE_WIDTH, TARGET_WIDTH = 12, 9, 42, 8
#: Column of a choice's numbers that has how much of its axis it is.
SHARE = 29
#: Where the numbers about a tile begin.
TILE = CHOICE_WIDTH - TILE_WIDTH

#: Column of an axis's numbers that says whether it reduces.
_REDUCES = 2
#: Column of a site's numbers that has the lanes of a vector, and what its logarithm is divided by.
_LANES, _LANES_SCALE = 2, 6.0

#: How a word begins that tells FLOP of a type.
_FLOPS = "flops:"

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]


@dataclass(frozen=True)
class WorkloadInput:
    """A workload for the network; arrays are numbered by token, edge, operation, site, axis.

    ``edges`` has the rows (reader, what it reads). ``compute_us`` and ``memory_us`` are what each
    operation takes at the least to compute and to move, by the machine's rates, 0 for one that
    does neither; ``site_us`` has both of each site. ``site_backend`` are places in BACKENDS;
    ``first_site`` is where the sites of a backend begin.
    """

    tokens: Encoded
    token_values: F32
    edges: I64
    compute_us: F32
    memory_us: F32
    axes: F32
    axis_site: I64
    axis_extents: I64
    sites: F32
    site_us: F32
    first_axis: I64
    site_backend: I64
    first_site: Mapping[str, int]
    target: F32
    flops: float

    @property
    def ops(self) -> int:
        """Number of operations."""
        return len(self.compute_us)

    @property
    def peak_us(self) -> float:
        """Microseconds of its FLOP at the machine's peak."""
        return float(self.compute_us.sum(dtype=np.float64))

    @property
    def bound_us(self) -> float:
        """The sum of what the operations take at the least, one after the other."""
        return float(np.maximum(self.compute_us, self.memory_us).sum(dtype=np.float64))

    def without_sites(self) -> WorkloadInput:
        """For what is asked of the workload as a whole, whatever backends can do with it."""
        return replace(
            self, axes=self.axes[:0], axis_site=self.axis_site[:0], sites=self.sites[:0],
            site_us=self.site_us[:0],
            axis_extents=self.axis_extents[:0], first_axis=self.first_axis[:1],
            site_backend=self.site_backend[:0], first_site={},
        )  # fmt: skip


@dataclass(frozen=True)
class ScheduleInput:
    """A schedule for the network: the words of its choices, their numbers, and their sites.

    ``sites`` are places among all sites of the workload, -1 for none.
    """

    words: tuple[str, ...]
    numbers: F32
    sites: I64

    @property
    def whole(self) -> bool:
        """Whether it says nothing of any site: a default, or what tuning finds."""
        return len(self.words) == 1 and bool(self.sites[0] < 0)


def read_workload_input(
    workload: Workload,
    target: Target,
    sites: Mapping[str, Sequence[Site]],
    vocabulary: Vocabulary,
    *,
    variant: Variant = Variant.VALUES,
    stream: TokenStream | None = None,
) -> WorkloadInput:
    """Tokens, graph and bounds of a workload, and the sites of each backend by its name.

    Raises UnsupportedError for more operations than the network reads.
    """
    full = tokenize(workload) if stream is None else stream
    if full.ops > MOST_OPS:
        raise UnsupportedError(
            f"this function has {full.ops} operations, and the model reads {MOST_OPS} at the most",
            hint="split it into the functions that a compiler would make of it",
        )
    encoded = vocabulary.encode(full.shown(variant))
    compute, memory, flops = _bounds(full, target)
    listed = [(name, site) for name, those in sites.items() for site in those]
    first: dict[str, int] = {}
    for place, (name, _) in enumerate(listed):
        first.setdefault(name, place)
    counts = np.array([len(site.axes) for _, site in listed], np.int64)
    lanes = target.vector_bytes or 16
    return WorkloadInput(
        tokens=encoded,
        token_values=number_features(encoded.values),
        edges=_edges(full, variant),
        compute_us=compute,
        memory_us=memory,
        axes=_table([row for _, site in listed for row in _axes(site)], AXIS_WIDTH),
        axis_site=np.repeat(np.arange(len(listed)), counts),
        axis_extents=np.array([a.extent for _, site in listed for a in site.axes], np.int64),
        sites=_table([_site(site, lanes) for _, site in listed], SITE_WIDTH),
        site_us=_table([_site_us(site, target) for _, site in listed], 2),
        first_axis=np.concatenate([[0], np.cumsum(counts)]),
        site_backend=np.array([BACKENDS.index(name) for name, _ in listed], np.int64),
        first_site={name: first.get(name, len(listed)) for name in sites},
        target=_target(target),
        flops=flops,
    )


def read_schedule(
    backend: str, choices: Sequence[Choice], workload: WorkloadInput
) -> ScheduleInput:
    """A schedule's choices. Raises UnsupportedError for more than the network reads."""
    (read,) = read_schedules([(backend, choices)], workload)
    return read


def check_choices(choices: Sequence[Choice]) -> None:
    """Raise UnsupportedError for more choices of a schedule than the network reads."""
    if len(choices) > MOST_CHOICES:
        raise UnsupportedError(
            f"this schedule makes {len(choices)} choices, and the model reads {MOST_CHOICES} at "
            "the most"
        )


def read_schedules(
    listed: Sequence[tuple[str, Sequence[Choice]]], workload: WorkloadInput
) -> list[ScheduleInput]:
    """The choices of schedules, each with its backend, all at once, which is faster.

    Raises UnsupportedError for a schedule with more than the network reads.
    """
    for _, choices in listed:
        check_choices(choices)
    flat = [(backend, choice) for backend, choices in listed for choice in choices]
    values = np.array([choice.value for _, choice in flat], np.float64)
    sites = np.array([
        choice.site + workload.first_site.get(backend, 0) if choice.site >= 0 else -1
        for backend, choice in flat
    ], np.int64)  # fmt: skip
    axes = np.array([choice.axis for _, choice in flat], np.int64)
    numbers = np.concatenate([number_features(values), _about(values, sites, axes, workload)], 1)
    tiles = [place for place, (_, choice) in enumerate(flat) if choice.about]
    if tiles:
        numbers[tiles, TILE:] = [flat[place][1].about for place in tiles]
    words = [f"{backend}:{choice.word}" for backend, choice in flat]
    ends = list(itertools.accumulate(len(choices) for _, choices in listed))
    return [
        ScheduleInput(tuple(words[start:end]), numbers[start:end], sites[start:end])
        for start, end in zip([0, *ends], ends, strict=False)
    ]


def _about(values: NDArray[np.float64], sites: I64, axes: I64, workload: WorkloadInput) -> F32:
    """Numbers of choices beside their values: of the site, of the axis, and how they divide."""
    table = np.zeros((len(values), CHOICE_WIDTH - WIDTH), np.float32)
    sized = values > 0  # not for NaN
    at = np.flatnonzero(sites >= 0)
    table[at, 0] = 1.0
    lanes = np.exp2(workload.sites[sites[at], _LANES] * _LANES_SCALE)
    with np.errstate(divide="ignore", invalid="ignore"):
        table[at, 1] = np.where(sized[at], np.log2(values[at] / lanes) / 8, 0.0)
    at = at[axes[at] >= 0]
    places = workload.first_axis[sites[at]] + axes[at]
    inside = places < workload.first_axis[sites[at] + 1]
    at, places = at[inside], places[inside]
    table[at, 2] = 1.0
    table[at, 3 : 3 + AXIS_WIDTH] = workload.axes[places]
    at, places = at[sized[at]], places[sized[at]]
    extents = workload.axis_extents[places]
    table[at, SHARE - WIDTH] = np.log2(extents / values[at]) / 8
    table[at, SHARE - WIDTH + 1] = np.mod(extents, values[at]) != 0
    return table


def _edges(stream: TokenStream, variant: Variant) -> I64:
    """Who reads what; none in the variant that does not show it."""
    if variant is Variant.OPS:
        return np.zeros((0, 2), np.int64)
    pairs = [
        (token.op, token.op - int(token.value))
        for token in stream
        if token.kind is Kind.OPERAND and not math.isnan(token.value)
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _bounds(stream: TokenStream, target: Target) -> tuple[F32, F32, float]:
    """Microseconds of each operation to compute and to move; FLOP in all.

    A reduction of narrow numbers in a wide type is bounded by the rate of the narrow ones, since
    machines have instructions for that.
    """
    compute, memory, total = np.zeros(stream.ops), np.zeros(stream.ops), 0.0
    reads, reduces = [""] * stream.ops, np.zeros(stream.ops, bool)
    for token in stream:
        if token.kind is Kind.READ and token.group == 0:
            reads[token.op] = token.word
        elif token.kind is Kind.LOOP and token.word == "reduction":
            reduces[token.op] = True
        elif token.kind is Kind.COST and token.word == "bytes":
            memory[token.op] = token.value / bandwidth(target)
        elif token.kind is Kind.COST and token.word.startswith(_FLOPS):
            rate = peak_flops(target, token.word.removeprefix(_FLOPS))
            if reduces[token.op] and reads[token.op] in DTYPE_BYTES:
                rate = max(rate, peak_flops(target, reads[token.op]))
            compute[token.op] += token.value / rate
            total += token.value
    return (1e6 * compute).astype(np.float32), (1e6 * memory).astype(np.float32), total


def _axes(site: Site) -> list[list[float]]:
    count = len(site.axes)
    extents = number_features(np.array([axis.extent for axis in site.axes], np.float64))
    return [
        [
            float(extents[place, 1]), float(extents[place, 5]), float(axis.reduction),
            axis.contiguous / 4, axis.strided / 4, axis.invariant / 4,
            float(axis.stores == 1), float(axis.stores == 0), float(axis.stores is None),
            float(place == count - 1), (count - 1 - place) / 8, float(axis.extent == 1),
        ]
        for place, axis in enumerate(site.axes)
    ]  # fmt: skip


def _site(site: Site, lanes_bytes: int) -> list[float]:
    return [
        float(log_size(np.array([site.points], np.float64))[0]) / 16,
        float(np.log2(site.element_bytes)) / 3,
        float(np.log2(lanes_bytes / site.element_bytes)) / _LANES_SCALE,
        float(any(axis.reduction for axis in site.axes)),
        len(site.axes) / 8,
        float(site.place is not None),
        *(np.log1p([site.loads, site.operations, site.calls]) / 3).tolist(),
    ]


def _site_us(site: Site, target: Target) -> list[float]:
    """Microseconds to compute and to move, each at the least."""
    moved = site.bytes
    computed = site.points * (site.operations + site.calls)
    return [1e6 * computed / peak_flops(target), 1e6 * moved / bandwidth(target)]


def _table(rows: Sequence[Sequence[float]], width: int) -> F32:
    return np.array(rows, np.float32).reshape(-1, width)


def _target(target: Target) -> F32:
    cache = [*target.cache_bytes, 0, 0, 0][:3]
    return np.array([
        np.log2(target.threads) / 4, np.log2(max(1, target.vector_bytes)) / 8,
        *(np.log2(1 + size) / 32 for size in cache),
        np.log2(peak_flops(target)) / 40, np.log2(bandwidth(target)) / 40, 1.0,
    ], np.float32)  # fmt: skip
