"""How well the cost models rank: a table from recordings or from a measurement store.

    python tests/bench/ranking.py tests/data/replay/*.npz
    python tests/bench/ranking.py --store store.sqlite

Each cell is the latency of a model's first choice among 64 held-out candidates over the best of
them (geometric mean over repeats), for each task, with the best of its first five choices in
brackets. ``costmodel/models/evaluation.py`` has the protocol.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from costmodel.backends.replay import Recording
from costmodel.errors import UnsupportedError
from costmodel.models.base import CostModel, Example, Query
from costmodel.models.boosted import Boosted
from costmodel.models.evaluation import Protocol, RankingScore, geometric_mean, ranking_scores
from costmodel.models.roofline import Roofline
from costmodel.records import Candidate, Prediction


class Shuffle:
    """Ranks at random: what any model has to beat."""

    name = "random"

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        return [Prediction(float(v), 1.0) for v in 1 + self._rng.random(len(queries))]

    def update(self, examples: Sequence[Example]) -> None:
        """Nothing is learned."""


def make_boosted(warm: Sequence[Example], seed: int) -> CostModel:
    return Boosted(warm, seed=seed)


MODELS = {
    "random": (lambda warm, seed: Shuffle(seed), {"own": 0}),
    "roofline": (lambda warm, seed: Roofline(), {"own": 0}),
    "warm, none own": (make_boosted, {"own": 0, "warm": 64}),
    "cold, 64 own": (make_boosted, {"own": 64}),
    "warm, 64 own": (make_boosted, {"own": 64, "warm": 64}),
    "cold, 128 own": (make_boosted, {"own": 128}),
    "warm, 128 own": (make_boosted, {"own": 128, "warm": 64}),
}


def from_store(path: Path) -> Iterator[Recording]:
    """The TVM measurements of a store whose features this toolchain extracted."""
    from costmodel.backends.tvm.features import feature_set
    from costmodel.store import open_store

    with open_store(path, read_only=True) as store:
        for workload in store.workloads():
            targets = {m.target for m in store.measurements(workload=workload.hash)}
            for target in filter(None, map(store.target, sorted(targets))):
                try:
                    yield Recording.of_store(store, workload, target, feature_set(target))
                except UnsupportedError as error:
                    print(f"left out: {error}")


def examples_of(recording: Recording) -> list[Example]:
    return [
        Example(Query(Candidate(recording.workload, schedule, recording.target), rows), latency)
        for schedule, rows, latency in zip(
            recording.schedules, recording.features, recording.latency_us.tolist(), strict=True
        )
    ]


def cell(score: RankingScore) -> str:
    return f"{score.first:.2f} ({score.first_five:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", nargs="*", type=Path)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--repeats", type=int, default=8)
    args = parser.parse_args()
    recordings = [Recording.load(path) for path in args.recordings]
    if args.store:
        recordings += from_store(args.store)
    tasks = {r.workload.function: examples_of(r) for r in recordings}
    table = {
        name: ranking_scores(make, tasks, Protocol(repeats=args.repeats, **options))
        for name, (make, options) in MODELS.items()
    }
    print("| task | " + " | ".join(table) + " |\n|" + " --- |" * (len(table) + 1))
    for scores in zip(*table.values(), strict=True):
        print(f"| {scores[0].task} | " + " | ".join(map(cell, scores)) + " |")
    means = [
        RankingScore(
            "",
            geometric_mean([s.first for s in scores]),
            geometric_mean([s.first_five for s in scores]),
            float(np.mean([s.tau for s in scores])),
        )
        for scores in table.values()
    ]
    print("| geometric mean | " + " | ".join(map(cell, means)) + " |")
    print("| Kendall's tau | " + " | ".join(f"{m.tau:.2f}" for m in means) + " |")


if __name__ == "__main__":
    main()
