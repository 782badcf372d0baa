"""Time many functions, each as its compiler makes it by default.

    python datasets/collect_functions.py --store collected.sqlite --count 5000

Functions are generated (``graphs.py``), taken from ``kernels/`` (``--kernels``), and cut out of
exported models (``--exported``, a folder that ``export_models.py`` has filled). Loop-level ones
(``loops.py``), which IREE does not take, TVM compiles as they stand; mixtures (``mixtures.py``) are
like no model in particular. No two have the same canonical hash. A run goes on where an earlier one
with the same store stopped; ``--out`` writes what the store has into a data set. Compilers run on
all cores at once and timing on quiet ones, in turns.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import TimeoutError, get_context
from multiprocessing.pool import AsyncResult
from pathlib import Path

from collection import (
    ROOT,
    Function,
    exported,
    generated,
    looped,
    measured_origins,
    measured_workloads,
    mixed,
    of_data_set,
    of_kernels,
    this_command,
)
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from costmodel.backends.iree.compiler import compile_workload
from costmodel.backends.iree.schedules import default_schedule
from costmodel.backends.tvm.backend import TVMBackend
from costmodel.backends.tvm.texts import default_text
from costmodel.corpus.export import export, measured_origins_in, measured_workloads_in
from costmodel.errors import BackendError, CostModelError, UsageError
from costmodel.measure.machine_code import MachineCode, read_machine_code
from costmodel.measure.measurer import Measurer
from costmodel.records import Measurement, Outcome, Schedule, Target, Workload
from costmodel.session import Session, open_session
from costmodel.store import open_store
from costmodel.store.base import MeasurementStore
from costmodel.tuning import measuring

#: Functions compiled, then timed, together.
BATCH = 48
#: Samples of each function in one process, and processes that it is timed in: what a process
#: happens to be given, of memory and of cores, decides a short function's time.
SAMPLES, ROUNDS = 7, 2
COMPILE_S = 60.0
#: Seconds for a batch of loops, of which each takes one or two.
BATCH_S = 300.0


@dataclass(frozen=True)
class Compiled:
    """What became of a function in the compiler."""

    seconds: float
    code: MachineCode | None = None
    error: str = ""


@dataclass(frozen=True)
class Way:
    """How functions are compiled, untuned, and timed."""

    session: Session
    measurer: Measurer
    schedule: Schedule
    #: Compiles a function into a folder; many at once.
    compile: Callable[[Sequence[Function], Path], list[Compiled]]


def main() -> int:
    """Collect until the counts, or the time, are reached."""
    args = _arguments()
    ends = time.monotonic() + args.seconds
    with open_store(args.store) as store:
        origins, hashes = measured_origins(store), measured_workloads(store)
        if args.out is not None:
            origins |= measured_origins_in(args.out)
            hashes |= measured_workloads_in(args.out)
        loops = sum(origin.startswith("loops") for origin in origins)
        mixtures = sum(origin.startswith("mixtures") for origin in origins)
        if args.again:
            _measure_again(args, store, ends)
        with Progress(
            "{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            disable=args.quiet,
        ) as progress:  # fmt: skip
            for name, done, wanted, source, way in (
                ("functions", len(hashes) - loops - mixtures, args.count,
                 _distinct(args, origins, hashes), _by_iree),
                ("mixtures", mixtures, args.mixtures,
                 _new(mixed(args.seed, origins), origins, hashes), _by_iree),
                ("loops", loops, args.loops,
                 _new(looped(args.seed, origins), origins, hashes), _by_tvm),
            ):  # fmt: skip
                functions = itertools.islice(source, max(0, wanted - done))
                task = progress.add_task(name, total=wanted, completed=done)
                if done >= wanted or time.monotonic() >= ends:
                    continue
                with way(args) as how:
                    store.add_target(how.session.target)
                    while time.monotonic() < ends and (
                        batch := list(itertools.islice(functions, BATCH))
                    ):
                        store.add(measured(batch, how, store))
                        done += len(batch)
                        progress.update(task, completed=done)
        if args.out is not None:
            added = export(store, args.out, command=this_command())
            print(f"{added} measurements were added to {args.out}", file=sys.stderr)
    return 0


def _measure_again(args: argparse.Namespace, store: MeasurementStore, ends: float) -> None:
    """Time functions of the data set once more, those that were timed least first."""
    measured_here = Counter(one.workload for one in store.measurements())
    listed = sorted(of_data_set(args.out), key=lambda one: measured_here[one.workload.hash])
    for way, source in ((_by_iree, "tensors"), (_by_tvm, "loops")):
        chosen = [
            one for one in listed[: args.again] if (one.source == "loops") == (source == "loops")
        ]
        if not chosen:
            continue
        with way(args) as how:
            store.add_target(how.session.target)
            for start in range(0, len(chosen), BATCH):
                if time.monotonic() < ends:
                    store.add(measured(chosen[start : start + BATCH], how, store))


@contextmanager
def _by_iree(args: argparse.Namespace) -> Iterator[Way]:
    session = _session("iree", args.threads)

    def compile_all(batch: Sequence[Function], folder: Path) -> list[Compiled]:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(lambda one: _compile(one, folder), batch))

    with measuring(session, args.seed) as measurer:
        yield Way(session, measurer, default_schedule(), compile_all)


@contextmanager
def _by_tvm(args: argparse.Namespace) -> Iterator[Way]:
    session = _session("tvm", args.threads)

    def compile_all(batch: Sequence[Function], folder: Path) -> list[Compiled]:
        jobs = [(one.workload, session.target, _path(one, folder)) for one in batch]
        # TVM must not be forked once it has started its threads. A pool a batch: its workers end
        # with it, also those that hang. None is started for nothing: each takes seconds to import.
        with get_context("spawn").Pool(min(os.cpu_count() or 1, len(jobs))) as pool:
            ends = time.monotonic() + BATCH_S
            asked = [pool.apply_async(_build_loops, (job,)) for job in jobs]
            return [_built(one, ends) for one in asked]

    with measuring(session, args.seed) as measurer:
        yield Way(session, measurer, Schedule("tvm", default_text()), compile_all)


def _session(backend: str, threads: int | None) -> Session:
    return open_session(
        ROOT / "kernels/matmul_bias_relu.mlir", function=None, target="cpu", backend=backend,
        threads=threads,
    )  # fmt: skip


def _distinct(args: argparse.Namespace, origins: set[str], hashes: set[str]) -> Iterator[Function]:
    """Functions that are not measured yet, no two of one hash."""
    models = exported(args.exported) if args.exported else iter(())
    functions = (of_kernels(args.kernels), models, generated(args.seed, origins))
    yield from _new(itertools.chain(*functions), origins, hashes)


def _new(functions: Iterable[Function], origins: set[str], hashes: set[str]) -> Iterator[Function]:
    seen = set(hashes)
    for function in functions:
        if function.origin not in origins and function.workload.hash not in seen:
            seen.add(function.workload.hash)
            yield function


def measured(batch: Sequence[Function], way: Way, store: MeasurementStore) -> list[Measurement]:
    """Compile all, time those that compiled, and say what came of each."""
    with tempfile.TemporaryDirectory(prefix="functions-") as name:
        folder = Path(name)
        compiled = way.compile(batch, folder)
        good = [one for one, made in zip(batch, compiled, strict=True) if not made.error]
        listed = [(_path(one, folder), one.workload) for one in good]
        rounds = [way.measurer.profile(listed, samples=SAMPLES) for _ in range(ROUNDS)]
    environment = way.measurer.environment(way.schedule)
    samples = [sum(each, ()) for each in zip(*rounds, strict=True)]
    taken = dict(zip((one.workload.hash for one in good), samples, strict=True))
    found = []
    for one, made in zip(batch, compiled, strict=True):
        store.add_workload(one.workload)
        samples_us = taken.get(one.workload.hash, ())
        outcome = Outcome.OK
        if not samples_us:
            outcome = Outcome.BUILD_ERROR if made.error else Outcome.RUN_ERROR
        code = {} if made.code is None else {"code": asdict(made.code)}
        found.append(
            Measurement(
                id=str(uuid.uuid4()),
                workload=one.workload.hash,
                schedule=way.schedule,
                target=way.session.target.hash,
                environment=environment,
                policy=way.session.policy,
                outcome=outcome,
                samples_us=samples_us,
                timestamp=time.time(),
                error=made.error,
                build_seconds=made.seconds,
                extra={**one.facts(is_default=True), **code},
            )
        )
    return found


def _path(one: Function, folder: Path) -> Path:
    return folder / f"{one.workload.hash}.{'so' if one.source == 'loops' else 'vmfb'}"


def _compile(one: Function, folder: Path) -> Compiled:
    started, path = time.perf_counter(), _path(one, folder)
    try:
        compile_workload(one.workload, path, timeout_s=COMPILE_S)
    except BackendError as error:
        return Compiled(time.perf_counter() - started, error=str(error))
    return Compiled(time.perf_counter() - started, read_machine_code(path))


def _built(asked: AsyncResult[Compiled], ends: float) -> Compiled:
    """What became of it; a worker that dies, or hangs, says nothing until the time is up."""
    try:
        return asked.get(max(0.0, ends - time.monotonic()))
    except TimeoutError:
        return Compiled(BATCH_S, error="the compiler died, or took too long")
    except Exception as error:  # whatever TVM raises: the other functions are to be kept
        return Compiled(0.0, error=repr(error))


def _build_loops(job: tuple[Workload, Target, Path]) -> Compiled:
    workload, target, path = job
    started = time.perf_counter()
    try:
        TVMBackend().build(workload, Schedule("tvm", default_text()), target, path)
    except CostModelError as error:
        return Compiled(time.perf_counter() - started, error=str(error))
    return Compiled(time.perf_counter() - started, read_machine_code(path))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", type=Path, required=True, help="keeps what is measured")
    parser.add_argument("--out", type=Path, help="the data set to add it to, a folder")
    parser.add_argument(
        "--count",
        type=int,
        default=5000,
        help="tensor functions in all, kernels and those measured before among them (default 5000)",
    )
    parser.add_argument("--loops", type=int, default=300, help="loop-level ones (default 300)")
    parser.add_argument("--mixtures", type=int, default=2000, help="(default 2000)")
    parser.add_argument(
        "--again", type=int, default=0, help="of those in --out, time so many once more first"
    )
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin none after")
    parser.add_argument("--exported", type=Path, help="a folder of models as MLIR files")
    parser.add_argument(
        "--kernels",
        type=Path,
        default=ROOT / "kernels",
        help="a folder of kernels, which are never learned from (default: this repository's)",
    )
    parser.add_argument("--threads", type=int, help="of each function (default: all cores)")
    parser.add_argument("--seed", type=int, default=0, help="of what is generated")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    args = parser.parse_args()
    if args.again and args.out is None:
        raise UsageError("--again needs a data set: name it with --out")
    return args


if __name__ == "__main__":
    sys.exit(main())
