"""A data set, split and read for training: what ``fit`` learns from, chooses and calibrates by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from costmodel.corpus.export import MANIFEST
from costmodel.corpus.read import read_corpus
from costmodel.corpus.splits import SPLITS, read_rules, split
from costmodel.corpus.tables import sha256
from costmodel.errors import UsageError
from costmodel.learning.measures import with_defaults
from costmodel.records import Target, digest
from costmodel.tokens.stream import Variant
from costmodel.tokens.vocabulary import Vocabulary, build_vocabulary

if TYPE_CHECKING:
    from costmodel.models.transformer.examples import Task

__all__ = ["HeldOut", "Prepared", "prepare"]


@dataclass(frozen=True)
class HeldOut:
    """Tasks of the validation families, ``unseen``, and unseen shapes of the others, ``seen``."""

    unseen: Sequence[Task]
    seen: Sequence[Task]


@dataclass(frozen=True)
class Prepared:
    """Tasks by what they are for.

    Of the functions held out for validation one half decides which step's weights are kept, and the
    other half calibrates the intervals. ``keys`` are the hashes of all functions that weights will
    depend on, ``parts`` the numbers of functions in each part, ``data`` the SHA-256 of the
    manifest.
    """

    data: str
    rules: Mapping[str, Any]
    parts: Mapping[str, int]
    variant: Variant
    vocabulary: Vocabulary
    targets: tuple[Target, ...]
    keys: frozenset[str]
    learned: Sequence[Task]
    choosing: HeldOut
    calibrating: HeldOut


def prepare(data: Path, variant: Variant = Variant.VALUES) -> Prepared:
    """Read the parts ``train`` and ``validation`` of a data set.

    Raises UsageError for data or rules that cannot be used.
    """
    from costmodel.models.transformer.examples import Reader

    corpus, rules = read_corpus(data), read_rules(data)
    parts = split(corpus, rules)
    reader = Reader(corpus)
    vocabulary = build_vocabulary(reader.stream(key).shown(variant) for key in sorted(parts.train))
    learned = reader.tasks(sorted(parts.train), vocabulary, variant)
    held_out = reader.tasks(sorted(parts.validation), vocabulary, variant)

    def half(*, drawn: bool) -> HeldOut:
        those = [task for task in held_out if _drawn(task.workload) is drawn]
        return HeldOut(
            unseen=[task for task in those if task.family in rules.validation],
            seen=[task for task in those if task.family not in rules.validation],
        )

    choosing, calibrating = half(drawn=True), half(drawn=False)
    if not with_defaults(learned):
        raise UsageError("there is nothing to learn from: no default of the part 'train' was timed")
    halves = [len(with_defaults(half.unseen)) for half in (choosing, calibrating)]
    if not all(halves):
        raise UsageError(
            f"the validation families ({', '.join(rules.validation)}) have {sum(halves)} functions "
            f"whose default was timed, {halves[0]} to choose the weights by and {halves[1]} to "
            "calibrate by: each needs one at the least",
            hint=f"name more families as validation in {data / SPLITS}, or collect more",
        )
    return Prepared(
        data=sha256(data / MANIFEST),
        rules=asdict(rules),
        parts={name: len(getattr(parts, name)) for name in parts.__dataclass_fields__},
        variant=variant,
        vocabulary=vocabulary,
        targets=tuple(corpus.targets.values()),
        keys=parts.train | parts.validation,
        learned=learned,
        choosing=choosing,
        calibrating=calibrating,
    )


def _drawn(workload: str) -> bool:
    return int(digest(f"choosing {workload}")[:8], 16) % 2 == 0
