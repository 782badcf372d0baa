"""A store as a few days of tuning leave it: the same one every time."""

from __future__ import annotations

import json
import random
import uuid
from pathlib import Path

from costmodel.records import (
    Environment,
    Measurement,
    Outcome,
    Schedule,
    Target,
    TensorType,
    TimingPolicy,
    Workload,
)
from costmodel.store import open_store

#: Monday, in seconds of the epoch.
MONDAY = 1_795_420_800.0
_DAY, _TRIAL_S = 86_400.0, 2.5

_MATMUL = """module {
  func.func @main(%arg0: tensor<512x512xf32>, %arg1: tensor<512x512xf32>, %arg2: tensor<512xf32>) -> tensor<512x512xf32> {
    %cst = arith.constant 0.000000e+00 : f32
    %0 = tensor.empty() : tensor<512x512xf32>
    %1 = linalg.fill ins(%cst : f32) outs(%0 : tensor<512x512xf32>) -> tensor<512x512xf32>
    %2 = linalg.matmul ins(%arg0, %arg1 : tensor<512x512xf32>, tensor<512x512xf32>) outs(%1 : tensor<512x512xf32>) -> tensor<512x512xf32>
    %3 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]} ins(%2, %arg2 : tensor<512x512xf32>, tensor<512xf32>) outs(%0 : tensor<512x512xf32>) {
    ^bb0(%in: f32, %in_0: f32, %out: f32):
      %4 = arith.addf %in, %in_0 : f32
      %5 = arith.maximumf %4, %cst : f32
      linalg.yield %5 : f32
    } -> tensor<512x512xf32>
    return %3 : tensor<512x512xf32>
  }
}"""  # noqa: E501
_SQUARE, _ROW = TensorType((512, 512), "f32"), TensorType((512,), "f32")

MATMUL = Workload(_MATMUL, "matmul_bias_relu", (_SQUARE, _SQUARE, _ROW), (_SQUARE,))
SOFTMAX = Workload(
    "module {\n  func.func @main(%arg0: tensor<12x128x128xf32>) -> tensor<12x128x128xf32> {\n"
    "    return %arg0 : tensor<12x128x128xf32>\n  }\n}",
    "bert_softmax", (TensorType((12, 128, 128), "f32"),), (TensorType((12, 128, 128), "f32"),),
)  # fmt: skip

_FEATURES = (
    "avx",
    "avx2",
    "avx512bw",
    "avx512cd",
    "avx512dq",
    "avx512f",
    "avx512vl",
    "f16c",
    "fma",
)
TARGET = Target(
    "cpu", "x86_64", "AMD EPYC (AuthenticAMD 25 17)", _FEATURES, 2, (32768, 1048576, 33554432), 64,
    {"f32": 2.26e11, "f64": 1.18e11, "bf16": 4.7e11}, 3.6e10,
)  # fmt: skip
LAPTOP = Target("cpu", "x86_64", "Intel Core i7-1185G7", _FEATURES[:6], 8, (49152, 1310720), 64)

VERSIONS = {"iree": {"iree-base-compiler": "3.13.0"}, "tvm": {"apache-tvm": "0.27.0"}}
POLICY = TimingPolicy()
DEFAULT = Schedule("iree", '{"kind": "default"}')

ERRORS = {
    Outcome.BUILD_ERROR: "<unknown>:0: error: 'func.func' op exceeded stack allocation limit of "
    "32768 bytes for function. Got 65536 bytes",
    Outcome.BUILD_TIMEOUT: "the build took more than 20 s",
    Outcome.RUN_TIMEOUT: "the kernel ran for more than 10 s",
    Outcome.CRASH: "the worker ended by SIGSEGV",
    Outcome.WRONG_RESULT: "output 0 differs at [17, 3]: 4.25 instead of 4.31 (tolerance 1e-4)",
}


def iree(rows: int, columns: int, depth: int) -> Schedule:
    """A tiling, as the backend writes it."""
    tiling = {
        "pipeline": "DoubleTilingExpert", "distribution": [rows, columns, 0],
        "vector_common_parallel": [8, 16, 0], "vector_reduction": [0, 0, depth],
    }  # fmt: skip
    settings = {"kind": "iree", "flags": {}, "roots": {"5": tiling}, "matched": {}, "cuts": []}
    return Schedule("iree", json.dumps(settings))


def tvm(size: int, unroll: int) -> Schedule:
    """Knobs of a template, as the backend writes them."""
    knobs = {"matmul.block_a": 1, "matmul.size_s1": size, "matmul.unroll": unroll, "vec": "s1"}
    return Schedule("tvm", json.dumps({"kind": "template", "knobs": knobs}))


def fill(path: Path) -> Path:
    """Three runs of the matmul on one target, one on another, and one of the softmax."""
    rng = random.Random(7)
    with open_store(path) as store:
        for workload in (MATMUL, SOFTMAX):
            store.add_workload(workload)
        for target in (TARGET, LAPTOP):
            store.add_target(target)
        for day in range(3):
            store.add(run(rng, MATMUL, TARGET, MONDAY + day * _DAY + 34_000, 48, 1380))
        store.add(run(rng, MATMUL, LAPTOP, MONDAY + 40_000, 20, 2900))
        store.add(run(rng, SOFTMAX, TARGET, MONDAY + 2 * _DAY + 50_000, 24, 210))
    return path


def run(
    rng: random.Random, workload: Workload, target: Target, begin: float, trials: int, level: float
) -> list[Measurement]:
    """As ``tune`` makes one: the default, then schedules, some of which fail."""
    made = [measured(workload, target, DEFAULT, begin, samples(rng, 1380 if level > 900 else 260))]
    for trial in range(1, trials):
        when = begin + trial * _TRIAL_S
        if trial % 3:
            schedule = iree(rng.choice((8, 16, 32, 64, 128)), rng.choice((64, 128, 256)),
                            rng.choice((1, 4, 8, 16)))  # fmt: skip
        else:
            schedule = tvm(rng.choice((8, 16, 32)), rng.choice((1, 16, 64, 512)))
        if rng.random() < 0.14:
            outcome = rng.choice(list(ERRORS))
            made.append(failed(workload, target, schedule, when, outcome, ERRORS[outcome]))
            continue
        own = random.Random(schedule.hash)  # the same whenever it is measured
        latency = level * own.lognormvariate(0.35, 0.4)
        made.append(measured(workload, target, schedule, when, samples(rng, latency)))
    return made


def samples(rng: random.Random, latency_us: float) -> tuple[float, ...]:
    """What timing gives."""
    return tuple(latency_us * rng.lognormvariate(0, 0.015) for _ in range(rng.randint(5, 14)))


def measured(
    workload: Workload, target: Target, schedule: Schedule, when: float, us: tuple[float, ...]
) -> Measurement:
    """A correct one."""
    return Measurement(
        str(uuid.uuid4()), workload.hash, schedule, target.hash,
        Environment(VERSIONS.get(schedule.backend, {}), {"host": "build-7"}), POLICY, Outcome.OK,
        us, when, "", 0.8, 0.3, 1e-6,
    )  # fmt: skip


def failed(
    workload: Workload, target: Target, schedule: Schedule, when: float, outcome: Outcome,
    error: str,
) -> Measurement:  # fmt: skip
    """One that failed."""
    return Measurement(
        str(uuid.uuid4()), workload.hash, schedule, target.hash,
        Environment(VERSIONS.get(schedule.backend, {}), {"host": "build-7"}), POLICY, outcome,
        (), when, error, 1.2, 0.0,
    )  # fmt: skip
