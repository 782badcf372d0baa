"""Whole models, end to end: before and after ``costmodel tune``, timed in turns.

    python tests/bench/models.py [--trials 200] [--threads 2] [--rounds 60] [MODEL ...]

Each model (by default those in kernels/models) is tuned with a store of its own. Then the module
that plain ``iree-compile`` makes of the input and the one that was written are loaded in a process
that did nothing else, their results are compared on random inputs, and they are timed in turns; a
second copy of the first shows the noise. Ends with status 1 where a model did not get faster by
more than that, or its results differ.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from baselines import compare_interleaved

import costmodel
from costmodel.backends.iree.compiler import compile_text
from costmodel.backends.iree.kernel import IREEKernel
from costmodel.ir import analyze, read_located
from costmodel.measure.check import compare, compute_dtype, reduction_length
from costmodel.measure.environment import worker_environment
from costmodel.measure.inputs import random_inputs
from costmodel.measure.timing import noise_floor

ROOT = Path(__file__).resolve().parents[2]
CHECKS = 3


def main() -> int:
    args = _arguments()
    if args.compare:
        print(json.dumps(_compared(args.models[0], args.compare, args)))
        return 0
    print(
        "| model | before us | after us | before/after | noise | max error | flags | dispatches |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- | --- |")
    good = [_row(path, args) for path in args.models]
    return 0 if all(good) else 1


def _row(path: Path, args: argparse.Namespace) -> bool:
    """Tune a model, compare and print; whether it got faster and stayed right."""
    with tempfile.TemporaryDirectory(prefix="models-") as name:
        out = Path(name)
        result = costmodel.tune_model(
            path, trials=args.trials, seed=args.seed, threads=args.threads,
            store=args.store or out / "store.sqlite", out=out,
        )  # fmt: skip
        command = [sys.executable, __file__, str(path), "--compare", str(out / "model.vmfb")]
        command += ["--threads", str(args.threads), "--rounds", str(args.rounds)]
        # As the tuner's own workers: without it the runtimes are timed at page faults.
        environment = {**os.environ, **worker_environment(args.threads)}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = json.loads(done.stdout)
    tuned = sum(bool(one.obeyed) and not one.reason for one in result.dispatches)
    flags = " ".join(result.flags) or "none"
    ratio = found["before_us"] / found["after_us"]
    print(
        f"| {path.stem} | {found['before_us']:.1f} | {found['after_us']:.1f} | {ratio:.2f} "
        f"| {found['noise']:.1%} | {found['max_error']:.1e} | {flags} "
        f"| {tuned} of {len(result.dispatches)} tiled |",
        flush=True,
    )
    for note in result.whole.notes:
        print(f"  note: {note}", file=sys.stderr)
    return found["right"] and ratio > 1 + found["noise"]


def _compared(path: Path, tuned: Path, args: argparse.Namespace) -> dict[str, Any]:
    workload, origin = read_located(path)
    with tempfile.TemporaryDirectory(prefix="models-") as name:
        plain = Path(name, "plain.vmfb")
        compile_text(origin.text, plain, timeout_s=300)
        kernels = [
            IREEKernel(module, workload, threads=args.threads) for module in (plain, tuned, plain)
        ]
    analysis = analyze(workload)
    checks = []
    for seed in range(CHECKS):
        inputs, results = random_inputs(workload.inputs, seed), []
        for kernel in kernels[:2]:
            kernel.prepare(inputs, [])
            kernel.run(1)
            results.append(kernel.results())
        checks.append(
            compare(
                results[1], results[0],
                reduction_length=reduction_length(analysis), dtype=compute_dtype(analysis),
            )
        )  # fmt: skip
    for kernel in kernels:
        kernel.prepare(random_inputs(workload.inputs, 0), [])
    named = dict(zip(("before", "after", "twin"), kernels, strict=True))
    samples = compare_interleaved(named, rounds=args.rounds, seed=args.seed)
    before, after, twin = samples.values()
    return {
        "before_us": median(before),
        "after_us": median(after),
        "noise": noise_floor(before, twin),
        "max_error": max(check.max_error for check in checks),
        "right": all(check.ok for check in checks),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    models = sorted((ROOT / "kernels/models").glob("*.mlir"))
    parser.add_argument("models", nargs="*", type=Path, default=models)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", type=Path, help="keep what is measured there")
    parser.add_argument("--compare", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
