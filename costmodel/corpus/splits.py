"""Which functions a model may learn from, and which it is judged by: never the same ones.

Functions are held out whole, by family and by shape, and never row by row: schedules of one
function are alike.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from costmodel.corpus.read import Corpus, Function
from costmodel.errors import UsageError
from costmodel.ir import analyze
from costmodel.records import digest

__all__ = ["SPLITS", "Rules", "Split", "read_rules", "split"]

SPLITS = "splits.json"
_SHARES = ("shapes", "validation_shapes")
_EXAMPLE = '{"test": ["norm", "attention"], "validation": ["softmax", "rope"]}'


@dataclass(frozen=True)
class Rules:
    """How a data set is split; ``splits.json`` in its folder.

    Functions of the families ``test`` are held out for the judgement, those of ``validation`` for
    choosing options and calibrating. Of the other families the share ``shapes`` of the shapes
    (extents of the heaviest operation's loops) is held out for the judgement, and
    ``validation_shapes`` for choosing. ``held_out_sources`` are never learned from, and shapes
    that they have are held out for the judgement, too.
    """

    test: tuple[str, ...]
    validation: tuple[str, ...]
    shapes: float = 0.08
    validation_shapes: float = 0.04
    held_out_sources: tuple[str, ...] = ("kernels",)

    def __post_init__(self) -> None:
        if set(self.test) & set(self.validation):
            raise UsageError("a family is held out for the test and for validation")
        for name in _SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is a share from 0 to 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class Split:
    """Hashes of functions by what they are for; no hash is in two parts."""

    train: frozenset[str]
    validation: frozenset[str]
    families: frozenset[str]
    shapes: frozenset[str]
    kernels: frozenset[str]

    @property
    def tests(self) -> Mapping[str, frozenset[str]]:
        """The parts that models are judged by."""
        return {"families": self.families, "shapes": self.shapes, "kernels": self.kernels}


def read_rules(folder: Path) -> Rules:
    """The rules of a data set. Raises UsageError where they are absent or cannot be read."""
    path = folder / SPLITS
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        known = {field.name for field in fields(Rules)}
        if not isinstance(given, dict):
            raise ValueError("it is no object")
        if odd := sorted(set(given) - known):
            raise ValueError(f"{odd[0]!r} is none of {', '.join(sorted(known))}")
        read: dict[str, Any] = {}
        for name, value in given.items():
            if name in _SHARES:
                read[name] = value
            elif isinstance(value, list) and all(isinstance(each, str) for each in value):
                read[name] = tuple(value)
            else:
                raise ValueError(f"{name!r} is a list of names, as in {_EXAMPLE}")
        return Rules(**read)
    except FileNotFoundError:
        raise UsageError(
            f"{folder} has no {SPLITS}, which says what is held out",
            hint=f"write one that names families of {folder}/workloads.parquet: {_EXAMPLE}",
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path} cannot be read as the rules of a split: {error}") from error


def split(corpus: Corpus, rules: Rules) -> Split:
    """Split a corpus; depends on the functions alone, not on their order.

    Raises UsageError where a part that models are trained on, chosen by or judged by is empty.
    """
    parts: dict[str, set[str]] = {
        name: set() for name in ("train", "validation", "families", "shapes", "kernels")
    }
    reserved = {
        _shape(function)
        for function in corpus.functions.values()
        if function.source in rules.held_out_sources
    }
    for key, function in corpus.functions.items():
        parts[_part(function, reserved, rules)].add(key)
    known = {function.family for function in corpus.functions.values()}
    if odd := sorted({*rules.test, *rules.validation} - known):
        raise UsageError(
            f"the data set has no function of the family {odd[0]!r}, which {SPLITS} holds out: its "
            f"families are {', '.join(sorted(known))}"
        )
    # Of the part for validation it is the families that calibrate.
    held = [key for key in parts["validation"] if corpus.functions[key].family in rules.validation]
    for name, members in (
        ("train", parts["train"]), ("validation", held), ("test", parts["families"]),
    ):  # fmt: skip
        if not members:
            raise UsageError(
                f"the part {name!r} of the split is empty: the data set has the families "
                f"{', '.join(sorted(known))}",
                hint=f"name others in {SPLITS}, or collect more: {json.dumps(asdict(rules))}",
            )
    return Split(**{name: frozenset(members) for name, members in parts.items()})


def _part(function: Function, reserved: Container[tuple[int, ...]], rules: Rules) -> str:
    if function.source in rules.held_out_sources:
        return "kernels"
    if function.family in rules.test:
        return "families"
    if function.family in rules.validation:
        return "validation"
    shape = _shape(function)
    drawn = _drawn(shape)
    if drawn < rules.shapes or shape in reserved:
        return "shapes"
    return "validation" if drawn < rules.shapes + rules.validation_shapes else "train"


def _shape(function: Function) -> tuple[int, ...]:
    """Extents of the loops of the heaviest operation, smallest first.

    The same loops with another type or another epilogue are no unseen shape.
    """
    ops = analyze(function.workload).ops
    heaviest = max(ops, key=lambda op: (op.flops, op.bytes), default=None)
    return tuple(sorted(loop.extent for loop in heaviest.loops)) if heaviest is not None else ()


def _drawn(shape: tuple[int, ...]) -> float:
    """A number from 0 to 1 that depends on the shape alone."""
    return int(digest(f"shapes {list(shape)}")[:8], 16) / 0x1_0000_0000
