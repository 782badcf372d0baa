"""Whether the cost model finds the better grouping of operations into kernels, on six chains.

    python tests/bench/fusion.py --store fusion.sqlite

For each chain and backend, several groupings are drawn with several tilings each; all of them are
measured (what the store knows already is not measured again). A model that has learned from some
of them, and from the other chains, then ranks the rest: fusion and tiling together, as the tuner
has it. Its first choice decides a grouping. What counts is the best latency that was measured in
that grouping over the best in any (1.00: the better grouping was found), and in how many of the
repeats it is within 5%. ``spread`` is what is at stake: the worst grouping's best over the best.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np

from costmodel.backends.base import Groups, SearchSpace
from costmodel.errors import CostModelError
from costmodel.measure.measurer import Measurer
from costmodel.models.base import CostModel, Example
from costmodel.models.boosted import Boosted
from costmodel.models.evaluation import geometric_mean
from costmodel.models.roofline import Roofline
from costmodel.records import Schedule
from costmodel.session import Session, open_session
from costmodel.store import open_store
from costmodel.store.base import MeasurementStore
from costmodel.tally import Tally

ROOT = Path(__file__).resolve().parents[2]
CHAINS = (
    "bert_ffn_gelu_erf",  # matrix product, bias, GELU
    "bert_layernorm",
    "bert_softmax",
    "gpt2_attention",
    "llama_gated_mlp",
    "resnet50_conv_bn_relu_nhwc",
)
#: Schedules drawn to find groupings among.
DRAWN = 240
#: A grouping counts as found if its best is within this of the best of all.
CLOSE = 1.05


@dataclass(frozen=True)
class Task:
    """The measured candidates of a chain on one backend, and the grouping of each."""

    chain: str
    backend: str
    examples: tuple[Example, ...]
    groups: tuple[Groups, ...]

    def best(self, places: Sequence[int]) -> dict[Groups, float]:
        """The lowest latency in each grouping, of the candidates at ``places``."""
        found: dict[Groups, float] = {}
        for place in places:
            latency = self.examples[place].latency_us
            found[self.groups[place]] = min(latency, found.get(self.groups[place], latency))
        return found


def by_groups(space: SearchSpace, groupings: int, tilings: int, seed: int) -> dict[Groups, list]:
    """The groupings with most schedules among those drawn, with ``tilings`` schedules each."""
    rng = random.Random(seed)
    found: dict[Groups, list[Schedule]] = defaultdict(list)
    for schedule in [space.default(), *space.guesses(), *space.sample(DRAWN, rng)]:
        try:
            found[space.groups(schedule)].append(schedule)
        except CostModelError:
            continue  # the compiler refuses it, so that there is nothing to rank
    largest = sorted(found.items(), key=lambda item: -len(item[1]))[:groupings]
    return {groups: schedules[:tilings] for groups, schedules in largest if len(schedules) > 2}


def collect(session: Session, store: MeasurementStore, args: argparse.Namespace) -> Iterator[Task]:
    """Measure what is missing and give one task a backend."""
    chosen = {
        name: by_groups(space, args.groupings, args.tilings, args.seed)
        for name, space in session.space.parts.items()
    }
    wanted = [s for groups in chosen.values() for schedules in groups.values() for s in schedules]
    known = session.known(store)
    missing = [schedule for schedule in wanted if schedule.hash not in known]
    random.Random(args.seed).shuffle(missing)  # so that a drift of the machine favours none
    with (
        tempfile.TemporaryDirectory(prefix="fusion-") as folder,
        Measurer(
            session.backend, session.workload, session.target, session.policy,
            analysis=session.analysis, builders=args.threads, threads=args.threads,
            seed=args.seed, directory=Path(folder),
        ) as measurer,
    ):  # fmt: skip
        for measurement in measurer.measure(missing):
            store.add([measurement])
    tally = Tally(one for measurements in session.known(store).values() for one in measurements)
    for name, groups in chosen.items():
        timed = [
            (groups_, schedule, tally.latency_us(schedule))
            for groups_, schedules in groups.items()
            for schedule in schedules
            if np.isfinite(tally.latency_us(schedule))
        ]
        rows = session.space.parts[name].features([schedule for _, schedule, _ in timed])
        yield Task(
            session.workload.function,
            name,
            tuple(
                Example(session.query(s, row), us)
                for (_, s, us), row in zip(timed, rows, strict=True)
            ),
            tuple(groups_ for groups_, _, _ in timed),
        )


Maker = Callable[[Sequence[Example], int], CostModel]
#: How many of the chain's own measurements each has learned from, and whether from other chains.
MODELS: dict[str, tuple[Maker, int, bool]] = {
    "roofline": (lambda warm, seed: Roofline(), 0, False),
    "warm": (lambda warm, seed: Boosted(warm, seed=seed), 0, True),
    "16 own": (lambda warm, seed: Boosted(seed=seed), 16, False),
    "warm, 16 own": (lambda warm, seed: Boosted(warm, seed=seed), 16, True),
    "32 own": (lambda warm, seed: Boosted(seed=seed), 32, False),
}


def losses(task: Task, others: Sequence[Task], model: str, repeats: int) -> list[float]:
    """Of each repeat: the best of the grouping that was chosen over the best of all."""
    make, own, is_warm = MODELS[model]
    warm = [example for other in others for example in other.examples] if is_warm else []
    found = []
    for repeat in range(repeats):
        order = np.random.default_rng(repeat).permutation(len(task.examples)).tolist()
        learned, ranked = order[:own], order[own:]
        model_ = make(warm, repeat)
        if learned:
            model_.update([task.examples[place] for place in learned])
        predictions = model_.predict([task.examples[place].query for place in ranked])
        first = ranked[int(np.argmin([one.latency_us for one in predictions]))]
        found.append(chosen_over_best(task.best(ranked), task.groups[first]))
    return found


def by_chance(task: Task, repeats: int) -> list[float]:
    """As ``losses``, for a candidate drawn at random."""
    places = list(range(len(task.examples)))
    best = task.best(places)
    return [
        chosen_over_best(best, task.groups[random.Random(repeat).choice(places)])
        for repeat in range(repeats)
    ]


def chosen_over_best(best: dict[Groups, float], chosen: Groups) -> float:
    return best[chosen] / min(best.values())


def table(tasks: Sequence[Task], repeats: int) -> str:
    names = ["random", *MODELS]
    lines = [
        "| chain | backend | groupings | spread | best grouping | " + " | ".join(names) + " |",
        "| --- | --- | ---: | ---: | --- |" + " ---: |" * len(names),
    ]
    totals: dict[str, list[float]] = defaultdict(list)
    for task in tasks:
        best = task.best(range(len(task.examples)))
        others = [o for o in tasks if o.backend == task.backend and o.chain != task.chain]
        cells = []
        for name in names:
            lost = by_chance(task, 200) if name == "random" else losses(task, others, name, repeats)
            totals[name] += lost
            cells.append(cell(lost))
        winner = " / ".join("+".join(group) for group in min(best, key=best.__getitem__))
        spread = max(best.values()) / min(best.values())
        lines.append(
            f"| {task.chain} | {task.backend} | {len(best)} | {spread:.2f} | {winner} | "
            + " | ".join(cells)
            + " |"
        )
    lines.append("| all | | | | | " + " | ".join(cell(totals[name]) for name in names) + " |")
    return "\n".join(lines)


def cell(lost: Sequence[float]) -> str:
    return f"{geometric_mean(lost):.2f} ({mean(one <= CLOSE for one in lost):.0%})"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--store", type=Path, required=True, help="keeps the measurements")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--groupings", type=int, default=4, help="a backend, at the most")
    parser.add_argument("--tilings", type=int, default=24, help="schedules a grouping")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chains", nargs="*", default=CHAINS, help="names in kernels/")
    args = parser.parse_args()
    tasks: list[Task] = []
    with open_store(args.store) as store:
        for chain in args.chains:
            print(f"{chain}: measuring", file=sys.stderr, flush=True)
            session = open_session(
                ROOT / "kernels" / f"{chain}.mlir", function=None, target="cpu", backend="auto",
                threads=args.threads,
            )  # fmt: skip
            store.add_workload(session.workload)
            store.add_target(session.target)
            tasks += [task for task in collect(session, store, args) if len(set(task.groups)) > 1]
    print(table(tasks, args.repeats))
    return 0


if __name__ == "__main__":
    sys.exit(main())
