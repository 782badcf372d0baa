"""How good tuned kernels are: against IREE's default, eager PyTorch and the untuned default.

    python tests/bench/quality.py --trials 128 --threads 2 --store m.db --out quality.json

Every kernel is tuned, checked against IREE's result, and timed interleaved with its rivals.
A row is written as soon as it is known, and a run that was interrupted goes on where it stopped.
``--baselines-only`` times the rivals alone.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from baselines import Summary, compare_interleaved, keep_freed_memory, ratio
from quality_key import compared_versions, row_key
from quality_table import GOALS, missed_goals, summary, table
from torch_kernels import TORCH_FUNCTIONS, TorchKernel

import costmodel
from costmodel.backends.base import LoadedKernel
from costmodel.backends.iree.compiler import compile_workload
from costmodel.backends.iree.kernel import IREEKernel
from costmodel.errors import CostModelError
from costmodel.ir import analyze, read_workload
from costmodel.measure.check import compare, compute_dtype, reduction_length
from costmodel.measure.environment import worker_environment
from costmodel.measure.inputs import poisoned_outputs, random_inputs
from costmodel.records import Schedule, Workload
from costmodel.store import open_store

ROOT = Path(__file__).resolve().parents[2]
#: Random inputs on which a tuned kernel has to agree with IREE.
SEEDS = 3


def main() -> int:
    args = _arguments()
    # TVM reads these when it is loaded: tuned kernels run here as they ran when they were tuned.
    settings = worker_environment(args.threads)
    os.environ.update({name: value for name, value in settings.items() if "TVM_" in name})
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    paths = sorted(path for path in (ROOT / "kernels").glob("*.mlir") if path.match(args.kernels))
    if not paths:
        print(f"no kernel matches {args.kernels}", file=sys.stderr)
        return 2
    report = _load(args.out)
    for number, path in enumerate(paths, 1):
        key = row_key(path, args)
        row = report["kernels"].get(path.stem)
        if row is None or row["key"] != key or "error" in row:
            print(f"[{number}/{len(paths)}] {path.stem}", file=sys.stderr, flush=True)
            report["kernels"][path.stem] = {"key": key} | _row(path, args)
            _save(report, args.out)
    return _conclude([report["kernels"][path.stem] for path in paths], report["machine"], args)


def _arguments() -> argparse.Namespace:
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=128, help="trials a kernel (default 128)")
    parser.add_argument("--threads", type=int, default=cores, help=f"default {cores}")
    parser.add_argument("--seed", type=int, default=0, help="seed of search and inputs")
    parser.add_argument("--store", type=Path, help="measurement store (default: the user's)")
    parser.add_argument(
        "--out", type=Path, default=Path("costmodel-out/quality.json"), help="rows, as JSON"
    )
    parser.add_argument("--kernels", default="*.mlir", help="glob of file names in kernels/")
    parser.add_argument("--rounds", type=int, default=31, help="interleaved samples (default 31)")
    parser.add_argument(
        "--quantile",
        type=float,
        default=0.5,
        help="of the samples, for the table: 0.5 is the median, 0.1 says more on a busy machine",
    )
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    default = inspect.signature(costmodel.tune).parameters["backend"].default
    parser.add_argument("--backend", default=default, help=f"default {default}")
    parser.add_argument("--baselines-only", action="store_true", help="do not tune")
    return parser.parse_args()


def _row(path: Path, args: argparse.Namespace) -> dict[str, Any]:
    try:
        with tempfile.TemporaryDirectory(prefix="quality-") as folder:
            return _measured(path, Path(folder), args)
    except CostModelError as error:
        print(f"{path.stem}: {error}", file=sys.stderr)
        return {"kernel": path.stem, "error": f"{type(error).__name__}: {error}"}


def _measured(path: Path, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    workload = read_workload(path)
    tuned: dict[str, LoadedKernel] = {}
    details: dict[str, Any] = {}
    if not args.baselines_only:
        tuned, details = _tuned(path, workload, folder, args)
    compile_workload(workload, folder / "iree.vmfb")
    function = TORCH_FUNCTIONS[path.stem]
    kernels: dict[str, LoadedKernel] = {
        "iree": IREEKernel(folder / "iree.vmfb", workload, threads=args.threads),
        "torch": TorchKernel(function),
        **tuned,
    }
    errors = _checked(kernels, workload, function.dtype, args.seed)
    for further in range(1, SEEDS):
        own = {name: k for name, k in kernels.items() if name == "iree" or name.endswith("tuned")}
        again = _checked(own, workload, None, args.seed + further)
        errors |= {name: max(error, errors[name]) for name, error in again.items()}
    samples = compare_interleaved(kernels, rounds=args.rounds, seed=args.seed)
    measured = {"kernel": path.stem, "max_errors": errors, "samples_us": samples}
    return measured | {"load": os.getloadavg()[0]} | details


def _tuned(
    path: Path, workload: Workload, folder: Path, args: argparse.Namespace
) -> tuple[dict[str, LoadedKernel], dict[str, Any]]:
    """The tuned library and what it is compared with, loaded; and what ``tune`` said.

    That is the backend's untuned default, unless it is IREE's, which is timed anyway; and of
    several backends under one budget, what each of the others reached.
    """
    from costmodel.backends import registry
    from costmodel.backends.base import part_of
    from costmodel.target import host_target

    result = costmodel.tune(
        path,
        trials=args.trials,
        seed=args.seed,
        store=args.store,
        out=folder,
        threads=args.threads,
        backend=args.backend,
    )
    library = result.artifacts["library"]
    if library is None:
        raise costmodel.MeasureError(f"no candidate of {path.stem} was measured")
    backend = registry.load(args.backend)
    target = host_target(args.threads, measure=False)

    def built(schedule: Schedule, name: str) -> LoadedKernel:
        part = part_of(backend, schedule)
        part.build(workload, schedule, target, folder / name)
        return part.load(folder / name, workload, target)

    winner = part_of(backend, Schedule(result.backend, ""))
    loaded = {"tuned": winner.load(Path(library), workload, target)}
    default = backend.space(workload, target).default()
    if default.backend != "iree":
        loaded["untuned"] = built(default, "untuned.so")
    for reached in result.backends:
        if len(result.backends) > 1 and reached.backend != result.backend:
            schedule = _stored(result.store, workload, reached.schedule_hash)
            if schedule is not None:
                loaded[f"{reached.backend} tuned"] = built(schedule, f"{reached.backend}.so")
    return loaded, {"tune": result.to_json(), "backends": _backends(result)}


def _stored(store: str | None, workload: Workload, schedule: str | None) -> Schedule | None:
    """The schedule of that hash, which the store has measured."""
    with open_store(None if store is None else Path(store), read_only=True) as opened:
        for measurement in opened.measurements(workload=workload.hash):
            if measurement.schedule.hash == schedule:
                return measurement.schedule
    return None


def _backends(result: costmodel.TuneResult) -> dict[str, Any]:
    return {reached.backend: reached.to_json() for reached in result.backends}


def _checked(
    kernels: Mapping[str, LoadedKernel], workload: Workload, torch_dtype: str | None, seed: int
) -> dict[str, float]:
    """Run all on the same inputs and compare with IREE; raises BackendError for a wrong one."""
    inputs = random_inputs(workload.inputs, seed)
    results = {}
    for name, kernel in kernels.items():
        kernel.prepare(inputs, poisoned_outputs(workload.outputs))
        kernel.run(1)
        results[name] = kernel.results()
    analysis = analyze(workload)
    errors = {}
    for name in kernels.keys() - {"iree"}:
        dtype = torch_dtype if name == "torch" and torch_dtype else compute_dtype(analysis)
        checked = compare(
            results[name],
            results["iree"],
            reduction_length=reduction_length(analysis),
            dtype=dtype,
        )
        if not checked.ok:
            raise CostModelError(f"{name} is wrong: {checked.message}")
        errors[name] = checked.max_error
    return errors


def _timed(row: dict[str, Any], quantile: float) -> dict[str, Any]:
    """A stored row and what its samples amount to, as ``quality_table`` wants it."""
    samples = row["samples_us"]
    subject = "tuned" if "tuned" in samples else "torch"
    intervals = {}
    for name in samples.keys() - {subject}:
        quotient = ratio(samples[name], samples[subject], quantile=quantile)
        intervals[name] = (quotient.low, quotient.high)
    summaries = {name: Summary.of(values, quantile) for name, values in samples.items()}
    winner = row.get("tune", {}).get("backend")
    if len(row.get("backends", ())) > 1:  # the winner is what its own backend reached
        summaries[f"{winner} tuned"] = summaries["tuned"]
    return row | {
        "latency_us": {name: summary.latency_us for name, summary in summaries.items()},
        "intervals": intervals,
        "noisy": any(summary.noisy for summary in summaries.values()),
    }


def _conclude(rows: list[dict[str, Any]], machine: str, args: argparse.Namespace) -> int:
    good = [_timed(row, args.quantile) for row in rows if "error" not in row]
    if good:
        print(table(good, markdown=args.markdown))
        print(f"\n{machine}; {args.threads} threads; {args.quantile:g} quantile of samples")
        print(json.dumps({name: v and round(v, 3) for name, v in summary(good).items()}))
    for row in rows:
        if "error" in row:
            print(f"failed: {row['kernel']}: {row['error']}")
    missed = missed_goals(good, GOALS.get(args.backend, GOALS["tvm"]))
    for sentence in missed:
        print(f"missed: {sentence}")
    return 1 if missed or len(good) < len(rows) else 0


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    versions = ", ".join(f"{name} {version}" for name, version in compared_versions().items())
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {platform.system()}; {versions}"


def _load(out: Path) -> dict[str, Any]:
    if out.exists():
        stored: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        if stored["machine"] == _machine():
            return stored
        print(f"{out} is of another machine or toolchain and is replaced", file=sys.stderr)
    return {"machine": _machine(), "kernels": {}}


def _save(report: Mapping[str, Any], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    new = out.with_name(out.name + ".new")
    new.write_text(json.dumps(report, indent=1), encoding="utf-8")
    new.replace(out)


if __name__ == "__main__":
    sys.exit(main())
