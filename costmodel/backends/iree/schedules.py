"""Schedules of the IREE backend as JSON: flags of the compiler, tilings, and cuts.

``{"kind": "default"}`` is IREE as it comes. ``{"kind": "iree", "flags": {...}, "roots": {...},
"matched": {...}, "cuts": [...]}`` names flags by what follows ``--`` and operations by their
positions in the canonical text: roots are tiled as said, and behind a cut another kernel begins.
``matched`` are tilings of what IREE has made of other operations, by matcher (``matching.py``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from costmodel.errors import UsageError
from costmodel.records import Schedule

__all__ = ["LEVELS", "PIPELINES", "Settings", "Tiling", "default_schedule", "parse_schedule"]

NAME = "iree"
#: Digits of a position or a size; MLIR's numbers have 64 bits.
_DIGITS = 12
#: Levels of ``#iree_cpu.lowering_config``, outermost first.
LEVELS = (
    "distribution",
    "cache_parallel",
    "cache_reduction",
    "vector_common_parallel",
    "vector_reduction",
    "vector_inner_parallel",
)
#: Pipelines of IREE's CPU backend that take these levels.
PIPELINES = (
    "DoubleTilingExpert",
    "ConvTileAndDecomposeExpert",
    "BufferOpsTileAndVectorize",
    "LinalgExtTileAndVectorize",
    "Mmt4dTilingExpert",
)


@dataclass(frozen=True)
class Tiling:
    """Tile sizes by level, one a loop (0: the loop is not tiled), and the pipeline they go to."""

    pipeline: str
    levels: Mapping[str, tuple[int, ...]]

    def to_json(self) -> dict[str, Any]:
        levels = {name: list(self.levels[name]) for name in LEVELS if name in self.levels}
        return {"pipeline": self.pipeline, **levels}

    def attribute(self) -> str:
        """The ``compilation_info`` that says this."""
        levels = ", ".join(f"{name} = {list(sizes)}" for name, sizes in self.levels.items())
        return (
            f"#iree_codegen.compilation_info<lowering_config = #iree_cpu.lowering_config<{levels}>,"
            f" translation_info = #iree_codegen.translation_info<pipeline ="
            f" #iree_cpu.pipeline<{self.pipeline}>>>"
        )


@dataclass(frozen=True)
class Settings:
    """All that a schedule decides."""

    flags: Mapping[str, str] = field(default_factory=dict)
    roots: Mapping[int, Tiling] = field(default_factory=dict)
    cuts: frozenset[int] = frozenset()
    matched: Mapping[str, Tiling] = field(default_factory=dict)

    @property
    def tilings(self) -> dict[int | str, Tiling]:
        """All tilings, by position or by matcher."""
        found: dict[int | str, Tiling] = dict(self.roots.items())
        return found | dict(self.matched.items())

    def tiled(self, tilings: Mapping[int | str, Tiling]) -> Settings:
        """The same with these tilings and no others."""
        roots = {key: tiling for key, tiling in tilings.items() if isinstance(key, int)}
        matched = {key: tiling for key, tiling in tilings.items() if isinstance(key, str)}
        return replace(self, roots=roots, matched=matched)

    @property
    def arguments(self) -> list[str]:
        """The flags as they are passed to the compiler."""
        return [f"--{name}={value}" for name, value in sorted(self.flags.items())]

    def schedule(self) -> Schedule:
        """Equal settings make equal texts."""
        if not self.flags and not self.tilings and not self.cuts:
            return default_schedule()
        settings = {
            "kind": "iree",
            "flags": dict(sorted(self.flags.items())),
            "roots": {str(place): one.to_json() for place, one in sorted(self.roots.items())},
            "matched": {matcher: one.to_json() for matcher, one in sorted(self.matched.items())},
            "cuts": sorted(self.cuts),
        }
        return Schedule(NAME, json.dumps(settings))


def default_schedule() -> Schedule:
    """IREE's own choices."""
    return Schedule(NAME, json.dumps({"kind": "default"}))


def parse_schedule(schedule: Schedule) -> Settings:
    """Read a schedule without trust: stores are shared, and flags reach a compiler.

    Raises UsageError for what is no schedule of this backend. Which flags and operations there
    are is the space's to say.
    """
    if schedule.backend != NAME:
        raise _refused(f"is one of the backend {schedule.backend!r}")
    try:
        data = json.loads(schedule.text)
    except (ValueError, RecursionError) as error:
        raise _refused(f"is not JSON: {error}") from None
    if data == {"kind": "default"}:
        return Settings()
    if not isinstance(data, dict) or set(data) != {"kind", "flags", "roots", "matched", "cuts"}:
        raise _refused("has not the fields kind, flags, roots, matched and cuts")
    flags, roots, matched, cuts = (data[key] for key in ("flags", "roots", "matched", "cuts"))
    if data["kind"] != "iree" or not all(isinstance(m, dict) for m in (flags, roots, matched)):
        raise _refused("is of another kind")
    if not all(isinstance(value, str) for value in flags.values()):
        raise _refused("has a flag whose value is no text")
    if not isinstance(cuts, list) or not all(_is_size(cut) for cut in cuts):
        raise _refused("has cuts that are no list of positions")
    tilings = {_place(key): _tiling(value) for key, value in roots.items()}
    return Settings(
        flags, tilings, frozenset(cuts), {key: _tiling(value) for key, value in matched.items()}
    )


def _place(key: str) -> int:
    if not key.isdecimal() or len(key) > _DIGITS:
        raise _refused(f"names an operation {key!r}")
    return int(key)


def _tiling(value: Any) -> Tiling:
    if not isinstance(value, dict) or value.get("pipeline") not in PIPELINES:
        raise _refused("tiles an operation by an unknown pipeline")
    levels = {name: sizes for name, sizes in value.items() if name != "pipeline"}
    for name, sizes in levels.items():
        if name not in LEVELS:
            raise _refused(f"has tile sizes of a level {name!r}")
        if not isinstance(sizes, list) or not all(_is_size(n) for n in sizes):
            raise _refused(f"has tile sizes that are no list of numbers: {name}")
    ordered = {name: tuple(levels[name]) for name in LEVELS if name in levels}
    return Tiling(value["pipeline"], ordered)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 10**_DIGITS


def _refused(what: str) -> UsageError:
    return UsageError(f"the schedule {what}")
