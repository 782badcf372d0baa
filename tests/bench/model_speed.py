"""How fast the cost model reads and scores: tokens, a workload of 200 operations, schedules.

    python tests/bench/model_speed.py [--weights DIR] [--threads 2]

Medians over repeats, in one process, with the goals beside: 10,000 operations become tokens in
under 1 s, a workload of 200 operations is encoded in under 100 ms, and with the workload encoded at
least 2,000 schedules a second are scored, reading their texts included. The first stage of the
cascade stands beside.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from costmodel.ir import parse, read_workload
from costmodel.models.shipped import load, shipped_weights
from costmodel.models.transformer.inference import read
from costmodel.models.transformer.inputs import read_workload_input
from costmodel.models.transformer.model import Transformer
from costmodel.models.transformer.weights import Weights
from costmodel.records import Schedule, Target, Workload
from costmodel.target import host_target
from costmodel.tokens.writer import tokenize

KERNEL = Path(__file__).resolve().parents[2] / "kernels" / "matmul_bias_relu.mlir"
SCHEDULES, REPEATS = 512, 7
_STEP = """%{n} = linalg.generic {{indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>,
  affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>],
  iterator_types = ["parallel", "parallel"]}} ins({x}, %arg1 : tensor<64x64xf32>, tensor<64x64xf32>)
  outs(%e : tensor<64x64xf32>) {{
^bb0(%in: f32, %other: f32, %out: f32):
  %s = arith.addf %in, %other : f32
  %t = math.exp %s : f32
  linalg.yield %t : f32 }} -> tensor<64x64xf32>"""


def chain(ops: int) -> Workload:
    """A function of so many operations, four a step."""
    steps = ops // 4
    body = [_STEP.format(n=n, x=f"%{n - 1}" if n else "%arg0") for n in range(steps)]
    text = (
        "module { func.func @main(%arg0: tensor<64x64xf32>, %arg1: tensor<64x64xf32>)"
        " -> tensor<64x64xf32> {\n%e = tensor.empty() : tensor<64x64xf32>\n"
        + "\n".join(body)
        + f"\nreturn %{steps - 1} : tensor<64x64xf32> }} }}"
    )
    return Workload(text, "main", (), ())


def schedules(count: int, seed: int) -> list[Schedule]:
    """Templates of TVM's space with other sizes, each with eleven knobs."""
    rng = random.Random(seed)
    made = {}
    while len(made) < count:
        knobs = {f"matmul.{name}": rng.choice(options) for name, options in _KNOBS.items()}
        one = Schedule("tvm", json.dumps({"kind": "template", "knobs": knobs}))
        made[one.hash] = one
    return list(made.values())


_KNOBS = {
    "block_a": (1, 2, 4, 8, 16), "block_b": (1, 2, 4, 8, 16), "epilogue": (0, 1), "order": (0, 1),
    "pack0": (0, 1), "pack1": (0, 1), "parallel": (0, 1), "rows0_s1": (1, 2, 4, 6, 8, 12, 16),
    "size_s1": (16, 32, 48, 64), "unroll": (1, 2, 4), "vectors": (1, 2, 4),
}  # fmt: skip


def seconds(function: Callable[[int], object]) -> float:
    """Median of REPEATS, after one to warm up; the function is told which it is."""
    function(REPEATS)
    taken = []
    for repeat in range(REPEATS):
        started = time.perf_counter()
        function(repeat)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def measure(weights: Weights, target: Target) -> list[tuple[str, float, str, float]]:
    """Name, figure, unit and goal (0 for none)."""
    long, middle = chain(10_000), chain(200)
    parse.parse_trusted(middle.text)
    ops = tokenize(long).ops
    tokens = seconds(lambda _: weights.vocabulary.encode(tokenize(long)))

    def encode(_: int) -> object:
        return read(weights.network, read_workload_input(middle, target, {}, weights.vocabulary))

    encoded = seconds(encode)
    workload = read_workload(KERNEL)
    others = [schedules(SCHEDULES, seed) for seed in range(REPEATS + 1)]
    model = Transformer(weights)
    scored = seconds(lambda repeat: model.estimates(workload, target, others[repeat]))
    skimmed = seconds(lambda repeat: model.skim(workload, target, others[repeat]))
    return [
        (f"tokens of {ops} operations", tokens, "s", 1.0),
        (f"encoding {tokenize(middle).ops} operations", 1e3 * encoded, "ms", 100.0),
        ("schedules scored", SCHEDULES / scored, "/s", 2000.0),
        ("schedules by the first stage", SCHEDULES / skimmed, "/s", 0.0),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", type=Path, help="default: the package's")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = measure(load(args.weights or shipped_weights()), host_target(args.threads))
    if args.json:
        print(json.dumps({name: figure for name, figure, _, _ in rows}))
        return 0
    print("| what | figure | goal |\n| --- | ---: | ---: |")
    for name, figure, unit, goal in rows:
        print(f"| {name} | {figure:.3g} {unit} | {f'{goal:g} {unit}' if goal else ''} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
