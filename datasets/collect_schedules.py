"""Time many schedules of fewer functions, by both compilers.

    python datasets/collect_schedules.py --store collected.sqlite --workloads 400 --schedules 150
    python datasets/collect_schedules.py --store collected.sqlite --workloads 900 --schedules 48 \
        --families matmul conv2d depthwise

Of each workload are measured the untuned defaults, what an expert would try first, random
schedules, and mutations of the best by then, as a search makes them: models have to tell apart
what is good already. Results are checked as in ``costmodel tune``. A run goes on where an earlier
one with the same store stopped; ``--out`` writes what the store has into a data set.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from collection import Function, generated, mixed, of_kernels, this_command
from graphs import FAMILIES
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from costmodel.backends.base import SearchSpace
from costmodel.backends.registry import load
from costmodel.corpus.export import export, scheduled_in
from costmodel.errors import CostModelError, UsageError
from costmodel.ir import analyze
from costmodel.measure.environment import worker_environment
from costmodel.measure.host import WorkerHost
from costmodel.measure.measurer import Measurer
from costmodel.records import Measurement, Schedule, SourceLocation, Target, TimingPolicy
from costmodel.session import Session
from costmodel.store import open_store
from costmodel.store.base import MeasurementStore
from costmodel.target import host_target

#: Functions of one family that follow each other are of different sizes: all are taken in turns.
_ROUND = 64
#: Kernels and mixtures in each round.
_KERNELS, _MIXTURES = 3, 8
#: Share of a workload's schedules that IREE compiles, which takes it five times as long.
_IREE_SHARE = 0.06
#: IREE's schedules of a workload at the most, where TVM has too few to reach the number asked for.
_IREE_MOST = 24
#: What takes IREE longer to compile is seldom fast.
_POLICY = TimingPolicy(build_timeout_s=6.0)
#: Share that mutates the best so far.
_MUTATED = 0.4
#: Schedules measured before the next are made of the best of them.
_BATCH = 24


def main() -> int:
    """Collect until the workloads, or the time, are used up."""
    args = _arguments()
    ends = time.monotonic() + args.seconds
    backend, target = load("auto"), host_target(args.threads)
    with ExitStack() as stack:
        store = stack.enter_context(open_store(args.store))
        store.add_target(target)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="schedules-")))
        host = WorkerHost(
            folder,
            modules=["numpy", *backend.worker_modules],
            environment=worker_environment(target.threads),
        )
        stack.enter_context(host)
        known = _known(store, args.out)
        progress = stack.enter_context(
            Progress(
                "workloads",
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                disable=args.quiet,
            )
        )
        task = progress.add_task("", total=args.workloads)
        for function in itertools.islice(_functions(args.seed, args.families), args.workloads):
            if time.monotonic() >= ends:
                break
            seen = known.setdefault(function.workload.hash, set())
            if len(seen) < args.schedules and not (args.new and seen):
                session = _session(function, target)
                try:
                    collect(function, session, store, seen, args, host, folder)
                except CostModelError as error:
                    print(f"{function.origin} is left out: {error}", file=sys.stderr)
                except (
                    Exception
                ):  # one function that a compiler fails on does not end a night's run
                    print(f"{function.origin} is left out:", file=sys.stderr)
                    traceback.print_exc()
            progress.advance(task)
        if args.out is not None:
            added = export(store, args.out, command=this_command())
            print(f"{added} measurements were added to {args.out}", file=sys.stderr)
    return 0


def _known(store: MeasurementStore, out: Path | None) -> dict[str, set[str]]:
    """Hashes of the schedules that are measured of each workload, in data set and store."""
    found = scheduled_in(out) if out is not None else {}
    for one in store.measurements():
        found.setdefault(one.workload, set()).add(one.schedule.hash)
    return found


def _functions(seed: int, families: Sequence[str]) -> Iterator[Function]:
    """Generated functions, of each family as many as of the others, with kernels and mixtures."""
    source, kernels, mixtures = generated(seed), of_kernels(), mixed(seed)
    if families:
        kernels = (kernel for kernel in kernels if kernel.family in families)
    while True:
        if not families or "mixture" in families:
            yield from itertools.islice(mixtures, _MIXTURES)
        drawn = list(itertools.islice(source, _ROUND))
        seen: set[str] = set()
        for function in drawn:
            if function.family not in seen and (not families or function.family in families):
                seen.add(function.family)
                yield function
        yield from itertools.islice(kernels, _KERNELS)


def _session(function: Function, target: Target) -> Session:
    return Session(
        SourceLocation(function.origin), function.workload, analyze(function.workload), target,
        load("auto"), _POLICY,
    )  # fmt: skip


def collect(
    function: Function,
    session: Session,
    store: MeasurementStore,
    known: set[str],
    args: argparse.Namespace,
    host: WorkerHost,
    folder: Path,
) -> None:
    """Measure further schedules of a function than those ``known``, and keep them as they come."""
    store.add_workload(function.workload)
    rng = random.Random(f"{args.seed} {function.workload.hash} {len(known)}")
    spaces = session.space.parts
    defaults = {space.default().hash for space in spaces.values()}
    done = list(store.measurements(workload=function.workload.hash))
    with Measurer(
        session.backend, function.workload, session.target, session.policy,
        analysis=session.analysis, builders=session.target.threads,
        threads=session.target.threads, seed=args.seed, directory=folder, host=host,
    ) as measurer:  # fmt: skip
        while len(known) < args.schedules:
            batch = _batch(spaces, done, min(_BATCH, args.schedules - len(known)), rng, known)
            if not batch:
                break
            for one in measurer.measure(batch):
                facts = function.facts(is_default=one.schedule.hash in defaults)
                marked = replace(one, extra={**one.extra, **facts})
                store.add([marked])
                done.append(marked)


def _batch(
    spaces: dict[str, SearchSpace],
    done: Sequence[Measurement],
    count: int,
    rng: random.Random,
    known: set[str],
) -> list[Schedule]:
    """Schedules that were not asked for before; ``known`` grows by them."""
    found: list[Schedule] = []
    for name, space in spaces.items():
        share = 1.0 if len(spaces) == 1 else _IREE_SHARE if name == "iree" else 1 - _IREE_SHARE
        wanted = max(1, round(count * share))
        own = [one for one in done if one.schedule.backend == name]
        if name == "iree" and len(spaces) > 1:
            wanted = min(wanted, _IREE_MOST - len(own))
        first = [] if own else _first(space, wanted)
        new = [schedule for schedule in first if schedule.hash not in known]
        new = new or _later(space, own, max(0, wanted), rng)
        for schedule in new[: count - len(found)]:
            if schedule.hash not in known:
                known.add(schedule.hash)
                found.append(schedule)
    return found


def _first(space: SearchSpace, count: int) -> list[Schedule]:
    return [space.default(), *space.guesses()[: max(1, count // 2)]]


def _later(
    space: SearchSpace, done: Sequence[Measurement], count: int, rng: random.Random
) -> list[Schedule]:
    """Mutations of the best, of the best of all most, and random ones."""
    ranked = sorted((one for one in done if one.ok), key=lambda one: one.latency_us)
    made = []
    for _ in range(round(count * _MUTATED) if ranked else 0):
        parent = ranked[min(int(rng.expovariate(0.25)), len(ranked) - 1)]
        child = space.mutate(parent.schedule, rng)
        made += [] if child is None else [child]
    return made + space.sample(count - len(made), rng)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", type=Path, required=True, help="keeps what is measured")
    parser.add_argument("--out", type=Path, help="the data set to add it to, a folder")
    parser.add_argument("--workloads", type=int, default=400, help="default 400")
    parser.add_argument("--schedules", type=int, default=150, help="of each (default 150)")
    parser.add_argument("--families", nargs="*", default=(), help="only of these (default all)")
    parser.add_argument(
        "--new", action="store_true",
        help="leave out what has schedules already: small spaces take long to find no other in",
    )  # fmt: skip
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin none after")
    parser.add_argument("--threads", type=int, help="of each function (default: all cores)")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    args = parser.parse_args()
    if args.schedules < 2:
        raise UsageError("a workload needs at least two schedules to compare")
    if not set(args.families) <= {*FAMILIES, "mixture"}:
        raise UsageError(f"families are {', '.join(FAMILIES)} and mixture")
    return args


if __name__ == "__main__":
    sys.exit(main())
