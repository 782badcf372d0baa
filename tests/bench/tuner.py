"""How many measurements a tuner needs with each cost model: real tuning, measured as it goes.

    python tests/bench/tuner.py --store tuner.sqlite --plot tuner.svg

On each kernel the search of ``costmodel tune`` runs with every model and several seeds, in batches
of ``--batch``, the expert's guesses among the first as always. What one run has measured is not
measured again for another: all models compete on the same measurements, which ``--store`` keeps, so
that a run that was ended goes on. One more run of ``--reference`` trials looks for what there is to
be found, where the store does not know as many already; the best of all is what the table compares
with. ``cold`` XGBoost begins with nothing, ``warm`` with measurements of the other kernels. The
``transformer`` ranks by itself and learns nothing of the kernel, and so does the ``cascade``, whose
network reads a quarter of what is asked: that which its first stage likes. In ``both`` XGBoost
corrects the transformer, as ``costmodel tune`` does. The table has the best latency after so many
trials over the best of all (geometric mean over kernels and seeds), and how many trials it takes to
come within 5% of that (median; those that never do count as one more than all).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from ranking import Shuffle

from costmodel.measure.measurer import Measurer
from costmodel.models.base import CostModel, Example, Query
from costmodel.models.boosted import Boosted
from costmodel.models.evaluation import geometric_mean
from costmodel.models.guard import Guarded
from costmodel.models.roofline import Roofline
from costmodel.models.shipped import load, shipped_weights
from costmodel.models.transformer.model import Transformer
from costmodel.records import Prediction, Schedule
from costmodel.search.evolutionary import EvolutionarySearch
from costmodel.session import Session, open_session
from costmodel.store import open_store
from costmodel.store.base import MeasurementStore
from costmodel.tuning import measuring

Array = NDArray[np.float64]
KERNELS = Path(__file__).resolve().parents[2] / "kernels"
DEFAULT_KERNELS = (
    "matmul_bias_relu", "bert_softmax", "bert_layernorm", "gpt2_attention",
    "resnet50_conv_bn_relu_nhwc", "mobilenetv2_depthwise_nchw", "llama_gated_mlp",
    "whisper_conv1d_nwc",
)  # fmt: skip
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

    others: Sequence[Example]
    weights: Path
    seed: int


def cold(setting: Setting) -> CostModel:
    return Guarded(Boosted(seed=setting.seed), Roofline())


def warm(setting: Setting) -> CostModel:
    return Guarded(Boosted(setting.others, seed=setting.seed), Roofline())


def transformer(setting: Setting) -> CostModel:
    return Unlearning(Transformer(load(setting.weights)))


def cascade(setting: Setting) -> CostModel:
    return Unlearning(Transformer(load(setting.weights), read_all=READ_ALL))


def both(setting: Setting) -> CostModel:
    base = Transformer(load(setting.weights))
    return Guarded(Boosted(seed=setting.seed, base=base), Roofline())


def random_order(setting: Setting) -> CostModel:
    return Unlearning(Shuffle(setting.seed))  # type: ignore[arg-type]


MODELS: Mapping[str, Callable[[Setting], CostModel]] = {
    "random": random_order, "cold XGBoost": cold, "warm XGBoost": warm,
    "transformer": transformer, "cascade": cascade, "both": both,
}  # fmt: skip


class Bench:
    """A kernel, what has been measured of it, and the workers that measure the rest."""

    def __init__(self, session: Session, store: MeasurementStore, measurer: Measurer) -> None:
        self.session = session
        self._store, self._measurer = store, measurer
        results = session.tally(store).results()
        self._known = {schedule.hash: (schedule, latency) for schedule, latency in results}

    @property
    def known(self) -> int:
        return len(self._known)

    @property
    def best_us(self) -> float:
        return min(latency for _, latency in self._known.values())

    def latencies(self, schedules: Sequence[Schedule]) -> list[float]:
        """Microseconds, infinite for what fails; each schedule is measured once."""
        missing = [schedule for schedule in schedules if schedule.hash not in self._known]
        for measurement in self._measurer.measure(missing):
            self._store.add([measurement])
            schedule = measurement.schedule
            self._known[schedule.hash] = schedule, measurement.latency_us
        return [self._known[schedule.hash][1] for schedule in schedules]

    def curve(self, model: CostModel, seed: int, trials: int, batch: int = BATCH) -> Array:
        """The best latency after each trial."""
        session = self.session
        search = EvolutionarySearch(
            session.space, model, session.workload, session.target, seed=seed
        )
        found: list[float] = []
        while len(found) < trials and not search.exhausted:
            asked = search.ask(min(batch, trials - len(found)))
            if not asked:
                break
            latencies = self.latencies(asked)
            search.tell(list(zip(asked, latencies, strict=True)))
            found += latencies
        return np.minimum.accumulate(np.array(found + [np.inf] * (trials - len(found))))

    def examples(self, seed: int) -> list[Example]:
        """Some of what is known here, for the warm start of other kernels."""
        keys = np.random.default_rng(seed).permutation(sorted(self._known))[:WARM]
        chosen = [self._known[key] for key in keys.tolist()]
        features = self.session.space.features([schedule for schedule, _ in chosen])
        return [
            Example(self.session.query(schedule, rows), latency)
            for (schedule, latency), rows in zip(chosen, features, strict=True)
        ]


@contextmanager
def bench(kernel: Path, store: MeasurementStore, threads: int) -> Iterator[Bench]:
    session = open_session(kernel, function=None, target="cpu", backend="tvm", threads=threads)
    store.add_workload(session.workload)
    store.add_target(session.target)
    with measuring(session, seed=0) as measurer:
        measurer.prepare_reference()
        yield Bench(session, store, measurer)


def run(
    kernels: Sequence[Path], store: MeasurementStore, weights: Path, *, models: Sequence[str],
    seeds: int, trials: int, reference: int, threads: int, batch: int,
) -> dict[str, dict[str, Array]]:  # fmt: skip
    """By model and kernel, one curve a seed over the best of all: (seeds, trials).

    First come the searches that look for the best, of which the warm start takes its examples.
    """
    examples: dict[Path, list[list[Example]]] = {}
    for kernel in kernels:
        with bench(kernel, store, threads) as one:
            one.curve(both(Setting((), weights, seeds)), seeds, reference - one.known)
            examples[kernel] = [one.examples(seed) for seed in range(seeds)]
            print(f"{kernel.stem}: {one.known} schedules are known", file=sys.stderr)
    curves: dict[str, dict[str, Array]] = {name: {} for name in models}
    for kernel in kernels:
        others = [
            [e for other in kernels if other != kernel for e in examples[other][seed]]
            for seed in range(seeds)
        ]
        with bench(kernel, store, threads) as one:
            found = {
                name: [
                    one.curve(
                        MODELS[name](Setting(others[seed], weights, seed)), seed, trials, batch
                    )
                    for seed in range(seeds)
                ]
                for name in models
            }
            for name, each in found.items():
                curves[name][kernel.stem] = np.stack(each) / one.best_us
            print(f"{kernel.stem}: done", file=sys.stderr)
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
    parser.add_argument("kernels", nargs="*", type=Path, help="MLIR files; default: eight")
    parser.add_argument("--store", type=Path, required=True, help="keeps what is measured")
    parser.add_argument("--weights", type=Path, help="default: the package's")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=BATCH, help=f"default: {BATCH}, as `tune`")
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--reference", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    kernels = args.kernels or [KERNELS / f"{name}.mlir" for name in DEFAULT_KERNELS]
    with open_store(args.store) as store:
        curves = run(
            kernels, store, args.weights or shipped_weights(), models=args.models,
            seeds=args.seeds, trials=args.trials, reference=args.reference, threads=args.threads,
            batch=args.batch,
        )  # fmt: skip
    if args.plot is not None:
        plot(curves, args.plot)
    if args.json:
        print(json.dumps({
            name: {kernel: each.tolist() for kernel, each in kernels.items()}
            for name, kernels in curves.items()
        }))  # fmt: skip
    else:
        print(f"{len(kernels)} kernels, {args.seeds} seeds\n\n{table(curves, args.trials)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
