"""Record measured MetaSchedule candidates of a few workloads, for tests that replay them.

    python tests/data/replay/collect.py NAME [NAME ...] [--random 128] [--evolved 64] [--seed 0]

A workload that has a recording already gets more candidates; give another seed for that.

Half the candidates of a workload are random samples of MetaSchedule's space, the rest comes from
its own evolutionary search over an XGBoost model, as in real tuning. Everything runs in this one
process; latencies are processor time of one thread. README.md says what is kept.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

os.environ["TVM_NUM_THREADS"] = "1"
# TuneContext imports every tensor intrinsic, 22 s of parsing; the CPU rules here use none of them.
sys.modules["tvm.s_tir.tensor_intrin"] = types.ModuleType("tvm.s_tir.tensor_intrin")

import tvm  # noqa: E402
from tvm import te, topi  # noqa: E402
from tvm.s_tir import meta_schedule as ms  # noqa: E402

from costmodel.backends.replay import Recording  # noqa: E402
from costmodel.records import Schedule, Target, TensorType, Workload  # noqa: E402

TARGET = {"kind": "llvm", "mcpu": "znver4", "num-cores": 1}

#: The machine of the recordings: one core of a shared server. The rates are rounded.
MACHINE = Target(
    kind="cpu", arch="x86_64", cpu="znver4", features=("avx2", "avx512f", "fma"), threads=1,
    cache_bytes=(48 << 10, 1 << 20, 32 << 20), vector_bytes=64,
    peak_flops={"f32": 250e9, "f64": 125e9}, bandwidth=20e9,
)  # fmt: skip


def matmul(m: int, n: int, k: int, epilogue: bool = False) -> list[Any]:
    a, b = te.placeholder((m, k), name="A"), te.placeholder((k, n), name="B")
    r = te.reduce_axis((0, k), "r")
    c = te.compute((m, n), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="C")
    if not epilogue:
        return [a, b, c]
    bias = te.placeholder((n,), name="bias")
    d = te.compute((m, n), lambda i, j: c[i, j] + bias[j], name="D")
    e = te.compute((m, n), lambda i, j: te.max(d[i, j], tvm.tirx.const(0.0, "float32")), name="E")
    return [a, b, bias, e]


def conv_nchw(c: int, o: int, hw: int, stride: int, groups: int = 1) -> list[Any]:
    x = te.placeholder((1, c, hw, hw), name="X")
    w = te.placeholder((o, c // groups, 3, 3), name="W")
    if groups == c:
        w = te.placeholder((c, 1, 3, 3), name="W")
        return [x, w, topi.nn.depthwise_conv2d_nchw(x, w, stride, 1, 1)]
    return [x, w, topi.nn.conv2d_nchw(x, w, stride, 1, 1)]


def conv_nhwc(c: int, o: int, hw: int) -> list[Any]:
    x, w = te.placeholder((1, hw, hw, c), name="X"), te.placeholder((3, 3, c, o), name="W")
    return [x, w, topi.nn.conv2d_nhwc(x, w, 1, 1, 1)]


def softmax(rows: int, columns: int) -> list[Any]:
    x = te.placeholder((rows, columns), name="X")
    return [x, topi.nn.softmax(x, axis=1)]


def layernorm(rows: int, columns: int) -> list[Any]:
    x = te.placeholder((rows, columns), name="X")
    gamma, beta = te.placeholder((columns,), name="G"), te.placeholder((columns,), name="B")
    r = te.reduce_axis((0, columns), "r")
    total = te.compute((rows,), lambda i: te.sum(x[i, r], axis=r), name="S")
    q = te.reduce_axis((0, columns), "q")
    square = te.compute((rows,), lambda i: te.sum(x[i, q] * x[i, q], axis=q), name="Q")

    def normal(i: Any, j: Any) -> Any:
        mean = total[i] / columns
        return (x[i, j] - mean) * te.rsqrt(square[i] / columns - mean * mean + 1e-5) * gamma[
            j
        ] + beta[j]

    return [x, gamma, beta, te.compute((rows, columns), normal, name="Y")]


def maxpool(c: int, hw: int) -> list[Any]:
    x = te.placeholder((1, c, hw, hw), name="X")
    return [x, topi.nn.pool2d(x, [3, 3], [2, 2], [1, 1], [1, 1, 1, 1], "max")]


#: Workload -> maker of its arguments, the result last.
WORKLOADS: dict[str, Callable[[], list[Any]]] = {
    "matmul_128x768x768": lambda: matmul(128, 768, 768),
    "matmul_bias_relu_197x192x768": lambda: matmul(197, 768, 192, True),
    "conv_nchw_64x64x28": lambda: conv_nchw(64, 64, 28, 1),
    "conv_nhwc_128x128x14": lambda: conv_nhwc(128, 128, 14),
    "depthwise_144x56": lambda: conv_nchw(144, 144, 56, 1, 144),
    "softmax_1536x128": lambda: softmax(1536, 128),
    "layernorm_512x768": lambda: layernorm(512, 768),
    "maxpool_64x112": lambda: maxpool(64, 112),
}


def decisions(trace: Any) -> str:
    """The sampled decisions of a trace, in order, as compact JSON: what tells schedules apart."""
    values = []
    for instruction in trace.insts:
        if instruction in trace.decisions:
            value = trace.decisions[instruction]
            values.append([int(v) for v in value] if hasattr(value, "__len__") else int(value))
    kinds = [str(i.kind.name) for i in trace.insts if str(i.kind.name).startswith("Sample")]
    shape = len(trace.insts)
    return json.dumps({"kinds": kinds, "values": values, "shape": shape}, separators=(",", ":"))


def compiled(module: Any) -> Any:
    """The module's function, or None where it does not compile: a failure is data as well."""
    try:
        return tvm.compile(module, target=tvm.target.Target(TARGET)).jit()["main"]
    except Exception as error:
        print("  failed:", str(error).splitlines()[-1][:120], file=sys.stderr)
        return None


def microseconds(function: Any, arrays: list[Any], budget_s: float = 0.04) -> float:
    """Processor time of one run: the least mean of samples of a millisecond.

    The recordings were made on a machine that others used. There, wall-clock medians of two
    threads move by half from one minute to the next; the processor time of one thread does not
    count the waiting, and the minimum leaves out the samples that others' memory traffic slowed.
    """
    start = time.thread_time()
    function(*arrays)
    once = max(time.thread_time() - start, 1e-6)
    number, best = max(1, math.ceil(0.001 / once)), once
    for _ in range(max(2, min(40, int(budget_s / (number * once))))):
        start = time.thread_time()
        for _ in range(number):
            function(*arrays)
        best = min(best, (time.thread_time() - start) / number)
        if best > 0.1:
            break
    return 1e6 * best


def workload(name: str, module: Any) -> Workload:
    """The workload of a module's ``main``, whose last parameter is the result."""
    types = [
        TensorType(tuple(int(s) for s in p.shape), {"float32": "f32"}[str(p.dtype)])
        for p in module["main"].params
    ]
    return Workload(module.script(), name, tuple(types[:-1]), tuple(types[-1:]))


class Recorder:
    """Candidates of one workload: features, decisions and latency samples."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module = tvm.IRModule({"main": te.create_prim_func(WORKLOADS[name]())})
        self.seen: set[str] = set()
        self.rows: list[tuple[np.ndarray, str, float]] = []
        rng = np.random.default_rng(0)
        self.arrays = []
        function = self.module["main"]
        for parameter in function.params:
            shape = [int(s) for s in parameter.shape]
            array = rng.standard_normal(shape).astype(str(parameter.dtype))
            self.arrays.append(tvm.runtime.tensor(array))

    def resume(self, recording: Recording) -> None:
        """Start from what an earlier run recorded."""
        latencies = recording.latency_us.tolist()
        for rows, schedule, latency in zip(
            recording.features, recording.schedules, latencies, strict=True
        ):
            self.seen.add(schedule.text)
            self.rows.append((rows, schedule.text, latency))

    def recording(self) -> Recording:
        return Recording(
            workload=workload(self.name, self.module),
            target=MACHINE,
            schedules=tuple(Schedule("replay", text) for _, text, _ in self.rows),
            latency_us=np.array([latency for _, _, latency in self.rows]),
            features=tuple(features for features, _, _ in self.rows),
            feature_set="metaschedule-per-store-1",
        )

    def context(self, strategy: str, seed: int) -> Any:
        space = ms.space_generator.PostOrderApply(
            sch_rules=ms.schedule_rule.ScheduleRule.create("llvm"),
            postprocs=ms.postproc.Postproc.create("llvm"),
            mutator_probs=ms.mutator.Mutator.create("llvm"),
        )
        return ms.TuneContext(
            self.module, target=tvm.target.Target(TARGET), space_generator=space,
            search_strategy=strategy, rand_state=seed, num_threads=1,
        )  # fmt: skip

    def run(self, strategy: str, count: int, seconds: float, seed: int) -> None:
        """Measure ``count`` more candidates in batches of 16, or until ``seconds`` have passed."""
        batch, end = 16, time.monotonic() + seconds
        context, target = self.context(strategy, seed), len(self.rows) + count
        model = ms.cost_model.XGBModel(num_warmup_samples=16)
        context.pre_tuning(count * 4, batch, cost_model=model)
        extract = ms.feature_extractor.PerStoreFeature().extract_from
        while len(self.rows) < target and time.monotonic() < end:
            candidates = context.generate_measure_candidates()
            if not candidates:
                break
            features = extract(context, candidates)
            functions = [compiled(c.sch.mod) for c in candidates]
            latency = np.full(len(candidates), math.inf)
            for _ in range(3):  # rounds apart, so that no slow moment decides
                for i, function in enumerate(functions):
                    if function is not None:
                        latency[i] = min(latency[i], microseconds(function, self.arrays))
            results = [
                ms.runner.RunnerResult([t / 1e6] if math.isfinite(t) else None,
                                       None if math.isfinite(t) else "failed")
                for t in latency
            ]  # fmt: skip
            for candidate, feature, spent in zip(candidates, features, latency, strict=True):
                text = decisions(candidate.sch.trace)
                if text not in self.seen:
                    self.seen.add(text)
                    self.rows.append((feature.numpy().astype(np.float32), text, float(spent)))
            context.notify_runner_results(candidates, results)
            if strategy == "evolutionary":
                model.update(context, candidates, results)
        context.post_tuning()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=sorted(WORKLOADS))
    parser.add_argument("--random", type=int, default=128)
    parser.add_argument("--evolved", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=120.0, help="at most, a workload")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    for name in args.names:
        path = Path(__file__).with_name(f"{name}.npz")
        start, recorder = time.time(), Recorder(name)
        if path.exists():
            recorder.resume(Recording.load(path))
        recorder.run("replay-trace", args.random, args.seconds * 0.6, 2 * args.seed + 1)
        recorder.run("evolutionary", args.evolved, args.seconds * 0.4, 2 * args.seed + 2)
        recording = recorder.recording()
        recording.save(path)
        latency = recording.latency_us
        spent = time.time() - start
        print(f"{name}: {len(latency)} in {spent:.0f} s, best {latency.min():.1f} us", flush=True)


if __name__ == "__main__":
    main()
