"""How many candidates are measured a second: costmodel beside TVM's own tuner, on one matmul.

    python tests/bench/throughput.py [--trials 64] [--tvm-trials 64] [--limit 1200] [--json]

Both tune the same 512x512x512 f32 matrix product for this CPU, one after the other, each in a
process of its own and from nothing: costmodel with an empty store, TVM through
``ms.tir_integration.tune_tir`` with all else at its defaults: LocalBuilder, LocalRunner, XGBoost.
Only candidates that were measured count, failures are counted apart. The rates are those of the
search, from its start to its last candidate, and leave imports out on both sides; ours also checks
every candidate against IREE and stores it in that time. The seconds of the whole call, in which
ours times the finalists again and exports the winner, and of the whole process stand beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

SIZE = 512
GOAL_RATIO, GOAL_SECONDS = 20.0, 40.0
KERNEL = """func.func @matmul(%a: TENSOR, %b: TENSOR) -> TENSOR {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : TENSOR
  %init = linalg.fill ins(%zero : f32) outs(%empty : TENSOR) -> TENSOR
  %c = linalg.matmul ins(%a, %b : TENSOR, TENSOR) outs(%init : TENSOR) -> TENSOR
  return %c : TENSOR
}
""".replace("TENSOR", f"tensor<{SIZE}x{SIZE}xf32>")


@dataclass(frozen=True)
class Side:
    """One tuner's run.

    ``search_seconds`` until the last candidate was measured, ``seconds`` of the whole call, both
    without imports; ``process_seconds`` with them.
    """

    measured: int
    failed: int
    search_seconds: float
    seconds: float
    process_seconds: float
    best_us: float | None
    finished: bool = True

    @property
    def rate(self) -> float:
        """Measured candidates a second; of a run that was cut off, what it cannot have exceeded."""
        return self.measured / self.search_seconds


def main() -> int:
    args = _arguments()
    if args.side:
        result = _ours(args) if args.side == "costmodel" else _tvm(args)
        args.result.write_text(json.dumps(result), encoding="utf-8")
        return 0
    with tempfile.TemporaryDirectory(prefix="throughput-") as name:
        folder = Path(name)
        (folder / "matmul.mlir").write_text(KERNEL, encoding="utf-8")
        command = _command(args, folder)
        ours = _side("costmodel", args.trials, args, folder)
        tvm = _side("tvm", args.tvm_trials, args, folder)
    report = {
        "machine": f"{platform.processor() or platform.machine()}, {args.threads} threads",
        "costmodel": asdict(ours) | {"rate": ours.rate},
        "tvm": asdict(tvm) | {"rate": tvm.rate},
        "ratio": ours.rate / tvm.rate if tvm.rate else None,
        "command_seconds": command,
    }
    print(json.dumps(report, indent=1) if args.json else _table(ours, tvm, command, args))
    return 0 if _reached(report) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=64, help="of costmodel (default 64)")
    parser.add_argument("--tvm-trials", type=int, default=64, help="of tune_tir (default 64)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=1200.0, help="seconds a side (default 1200)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--side", choices=["costmodel", "tvm"], help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _command(args: argparse.Namespace, folder: Path) -> float:
    """Seconds of the whole command, in a fresh process with an empty store."""
    command = [
        sys.executable, "-m", "costmodel.cli", "tune", str(folder / "matmul.mlir"), "--json",
        "--backend", "tvm",
        "--trials", str(args.trials), "--seed", str(args.seed), "--threads", str(args.threads),
        "--store", str(folder / "command.sqlite"), "--out", str(folder / "command"),
    ]  # fmt: skip
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def _side(side: str, trials: int, args: argparse.Namespace, folder: Path) -> Side:
    """Run one side in a process group of its own, which ends with the time limit."""
    result = folder / f"{side}.json"
    command = [
        sys.executable, __file__, "--side", side, "--result", str(result), "--trials", str(trials),
        "--seed", str(args.seed), "--threads", str(args.threads),
    ]  # fmt: skip
    started = time.monotonic()
    with (folder / f"{side}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            process.wait(args.limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return Side(trials, 0, args.limit, args.limit, args.limit, None, finished=False)
    if process.returncode:
        sys.exit((folder / f"{side}.log").read_text(errors="replace")[-4000:])
    facts = json.loads(result.read_text(encoding="utf-8"))
    return Side(process_seconds=time.monotonic() - started, **facts)


def _ours(args: argparse.Namespace) -> dict[str, Any]:
    for name in ("iree.compiler", "matplotlib.figure", "xgboost", "costmodel.backends.tvm.space"):
        import_module(name)
    import costmodel.tuning

    started = time.monotonic()
    result = costmodel.tuning.tune(
        "matmul.mlir", trials=args.trials, seed=args.seed, threads=args.threads,
        store="library.sqlite", out="library", backend="tvm",
    )  # fmt: skip
    failed = sum(result.failed.values())
    return {
        "measured": result.measured - failed,
        "failed": failed,
        "search_seconds": result.history[-1].elapsed_s,
        "seconds": time.monotonic() - started,
        "best_us": result.best_us,
    }


def _tvm(args: argparse.Namespace) -> dict[str, Any]:
    import tvm
    import tvm.s_tir.tensor_intrin  # what every TuneContext imports
    from tvm import te
    from tvm.s_tir import meta_schedule as ms

    a, b = te.placeholder((SIZE, SIZE), name="A"), te.placeholder((SIZE, SIZE), name="B")
    k = te.reduce_axis((0, SIZE), "k")
    c = te.compute((SIZE, SIZE), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="C")
    cpu = tvm.target.codegen.llvm_get_system_cpu()
    target = tvm.target.Target({"kind": "llvm", "mcpu": cpu, "num-cores": args.threads})
    started = time.monotonic()
    database = ms.tir_integration.tune_tir(
        te.create_prim_func([a, b, c]), target, "tvm-work", args.trials, seed=args.seed
    )
    seconds = time.monotonic() - started
    runs = [[float(s) for s in r.run_secs] for r in database.get_all_tuning_records()]
    # MetaSchedule's own mark of a failure: 1e10 seconds.
    correct = [sum(run) / len(run) for run in runs if run and max(run) < 1e9]
    return {
        "measured": len(correct),
        "failed": args.trials - len(correct),
        "search_seconds": seconds,
        "seconds": seconds,
        "best_us": min(correct) * 1e6 if correct else None,
    }


def _reached(report: dict[str, Any]) -> bool:
    ratio = report["ratio"]
    return (ratio is None or ratio >= GOAL_RATIO) and report["command_seconds"] < GOAL_SECONDS


def _table(ours: Side, tvm: Side, command: float, args: argparse.Namespace) -> str:
    lines = ["| | measured | failed | search, s | measured/s | call, s | process, s | GFLOP/s |"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for name, side in (("costmodel", ours), ("TVM tune_tir", tvm)):
        best = f"{2 * SIZE**3 / side.best_us * 1e-3:.0f}" if side.best_us else "-"
        rate, most = f"{side.rate:.3g}", "" if side.finished else "at most "
        lines.append(
            f"| {name} | {most}{side.measured} | {side.failed} | {side.search_seconds:.1f} "
            f"| {most}{rate} | {side.seconds:.1f} | {side.process_seconds:.1f} | {best} |"
        )
    ratio = f"{ours.rate / tvm.rate:.1f}" if tvm.rate else "without bound"
    least = "" if tvm.finished else "at least "
    lines += [
        "",
        f"Ratio of the rates: {least}{ratio} (goal: {GOAL_RATIO:g}). The whole command, imports "
        f"included, did {args.trials} trials in {command:.1f} s (goal: {GOAL_SECONDS:g}).",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
