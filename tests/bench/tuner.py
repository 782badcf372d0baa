"""How many measurements a tuner needs with each cost model, replayed from recorded kernels.

    for kernel in kernels/bert_softmax.mlir kernels/matmul_bias_relu.mlir; do
        costmodel tune $kernel --backend tvm --trials 1000 --store pools.sqlite
    done
    python tests/bench/tuner.py --store pools.sqlite --plot tuner.svg

Each kernel's recorded trials are the space: the search of ``costmodel tune`` asks in batches of 16
and is told what was measured, so that models compete on the same measurements, with several seeds
each; which trials a kernel has was chosen by such a search itself. ``cold`` XGBoost begins with
nothing, ``warm`` with measurements of the other kernels. The ``transformer`` ranks by itself and
learns nothing of the kernel, and so does the ``cascade``, whose network reads a quarter of what is
asked: that which its first stage likes. In ``both`` XGBoost corrects the transformer, as in
``costmodel tune``, but without what an expert would try first. The table has the best latency
after so many trials over the best of all recorded (geometric mean over kernels and seeds), and how
many trials it takes to come within 5% of that (median; those that never do count as one more than
all).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from ranking import Shuffle, examples_of, from_store

from costmodel.backends.replay import Recording, ReplaySpace
from costmodel.models.base import CostModel, Example, Query
from costmodel.models.boosted import Boosted
from costmodel.models.evaluation import geometric_mean
from costmodel.models.shipped import load, shipped_weights
from costmodel.models.transformer.model import Transformer
from costmodel.records import Prediction
from costmodel.search.evolutionary import EvolutionarySearch

Array = NDArray[np.float64]
BATCH, TRIALS = 16, 128
#: What the network of the cascade reads of a search's pool, which has some 220.
READ_ALL = 56
SHOWN = (1, 8, 16, 32, 64, 128)
WITHIN = 1.05
#: Examples of each other kernel that a warm start begins with.
WARM = 48


class Unlearning:
    """A model that ranks and is told nothing."""

    def __init__(self, model: CostModel) -> None:
        self._model = model

    @property
    def name(self) -> str:
        return self._model.name

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        return self._model.predict(queries)

    def knows(self, queries: Sequence[Query]) -> bool:
        return True

    def update(self, examples: Sequence[Example]) -> None:
        """Nothing is learned."""


@dataclass(frozen=True)
class Setting:
    """What a model may be made from."""

    recording: Recording
    others: Sequence[Recording]
    weights: Path
    seed: int


def cold(setting: Setting) -> CostModel:
    return Boosted(seed=setting.seed)


def warm(setting: Setting) -> CostModel:
    rng = np.random.default_rng(setting.seed)
    examples = [
        example
        for other in setting.others
        for example in _some(examples_of(other), rng)
    ]  # fmt: skip
    return Boosted(examples, seed=setting.seed)


def transformer(setting: Setting) -> CostModel:
    return Unlearning(Transformer(load(setting.weights)))


def cascade(setting: Setting) -> CostModel:
    return Unlearning(Transformer(load(setting.weights), read_all=READ_ALL))


def both(setting: Setting) -> CostModel:
    return Boosted(seed=setting.seed, base=Transformer(load(setting.weights)))


def random_order(setting: Setting) -> CostModel:
    return Unlearning(Shuffle(setting.seed))  # type: ignore[arg-type]


MODELS: Mapping[str, Callable[[Setting], CostModel]] = {
    "random": random_order, "cold XGBoost": cold, "warm XGBoost": warm,
    "transformer": transformer, "cascade": cascade, "both": both,
}  # fmt: skip


def _some(examples: Sequence[Example], rng: np.random.Generator) -> list[Example]:
    return [examples[place] for place in rng.permutation(len(examples))[:WARM]]


def curve(recording: Recording, model: CostModel, seed: int, trials: int) -> Array:
    """The best latency after each trial over the best recorded, at least 1."""
    space = ReplaySpace(recording)
    search = EvolutionarySearch(space, model, recording.workload, recording.target, seed=seed)
    found: list[float] = []
    while len(found) < trials and not search.exhausted:
        batch = search.ask(min(BATCH, trials - len(found)))
        if not batch:
            break
        told = [(schedule, space.latency_us(schedule)) for schedule in batch]
        search.tell(told)
        found += [latency for _, latency in told]
    least = np.minimum.accumulate(np.array(found + [np.inf] * (trials - len(found))))
    return np.asarray(least / np.nanmin(recording.latency_us))


def run(
    recordings: Sequence[Recording], weights: Path, *, seeds: int, trials: int
) -> dict[str, dict[str, Array]]:
    """By model and kernel, one curve a seed: (seeds, trials)."""
    curves: dict[str, dict[str, Array]] = {name: {} for name in MODELS}
    for recording in recordings:
        others = [one for one in recordings if one is not recording]
        kernel = recording.workload.function
        for name, make in MODELS.items():
            curves[name][kernel] = np.stack([
                curve(recording, make(Setting(recording, others, weights, seed)), seed, trials)
                for seed in range(seeds)
            ])  # fmt: skip
            print(f"{kernel}: {name} done", file=sys.stderr)
    return curves


def needed(each: Array) -> Array:
    """Trials until within 5% of the best, of each seed."""
    reached = each <= WITHIN
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, each.shape[1] + 1)


def table(curves: Mapping[str, Mapping[str, Array]], trials: int) -> str:
    """Markdown."""
    shown = [n for n in SHOWN if n <= trials]
    lines = [
        "| model | " + " | ".join(f"after {n}" for n in shown) + " | trials to within 5% |",
        "| --- |" + " ---: |" * (len(shown) + 1),
    ]
    for name, kernels in curves.items():
        joined = np.concatenate(list(kernels.values()))
        cells = [f"{geometric_mean(joined[:, n - 1].tolist()):.3f}" for n in shown]
        cells.append(f"{np.median(needed(joined)):.0f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(curves: Mapping[str, Mapping[str, Array]], path: Path) -> None:
    """Geometric means over kernels and seeds, by trials."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
    for name, kernels in curves.items():
        joined = np.log(np.concatenate(list(kernels.values())))
        axes.plot(np.arange(1, joined.shape[1] + 1), np.exp(joined.mean(axis=0)), label=name)
    axes.axhline(WITHIN, linewidth=0.8, linestyle=":", color="grey")
    axes.set(xlabel="measurements", ylabel="best so far / best of all", xscale="log", ylim=(1, 2))
    axes.legend()
    figure.savefig(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recordings", nargs="*", type=Path, help="recordings (.npz)")
    parser.add_argument("--store", type=Path, help="a measurement store with TVM trials")
    parser.add_argument("--weights", type=Path, help="default: the package's")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--least", type=int, default=200, help="trials that a kernel must have")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    recordings = [Recording.load(path) for path in args.recordings]
    if args.store is not None:
        recordings += list(from_store(args.store))
    recordings = [one for one in recordings if len(one.schedules) >= args.least]
    if len(recordings) < 2:
        parser.error("at least two kernels with enough trials are needed")
    weights = args.weights or shipped_weights()
    curves = run(recordings, weights, seeds=args.seeds, trials=args.trials)
    if args.plot is not None:
        plot(curves, args.plot)
    if args.json:
        print(json.dumps({
            name: {kernel: each.tolist() for kernel, each in kernels.items()}
            for name, kernels in curves.items()
        }))  # fmt: skip
    else:
        print(f"{len(recordings)} kernels, {args.seeds} seeds\n\n{table(curves, args.trials)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
