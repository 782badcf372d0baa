"""What the tokens are worth: the same network trained on names of operations alone, and on more.

    python tests/bench/ablation.py --data datasets/cpu --out ablation --seed 1 --device cuda

Trains one network a variant (``ops`` and ``operands`` are those of arXiv 2302.11405, ``values`` is
ours, with numbers by value) with the same options and seed, and judges all on the parts held out.
Weights that are in ``--out`` already are judged as they are. All are predicted against the
roofline, so that even names alone come with a notion of sizes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from costmodel.learning.evaluate import Row, evaluate
from costmodel.learning.fit import FitOptions, fit
from costmodel.models.transformer.training import TrainingOptions
from costmodel.models.transformer.weights import FACTS
from costmodel.tokens.stream import Variant


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden", type=float, default=TrainingOptions.hidden)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    found: dict[str, list[Row]] = {}
    for variant in Variant:
        folder = args.out / str(variant)
        if not (folder / FACTS).exists():
            training = TrainingOptions(steps=args.steps, seed=args.seed, hidden=args.hidden)
            options = FitOptions(
                training, variant=variant, threads=args.threads, device=args.device
            )
            fit(args.data, folder, options, resume=True, listener=_show)
        found[str(variant)] = list(evaluate(args.data, folder, baselines="none").rows)
    print(table(found))
    return 0


def table(found: dict[str, list[Row]]) -> str:
    """Markdown: unseen families, functions by default and schedules."""
    lines = [
        "| tokens | Spearman | median error | registers within 1 | utilization RMSE | first of 64 "
        "| best of five | Spearman of schedules |",
        "| --- |" + " ---: |" * 7,
    ]
    for variant, rows in found.items():
        shown = {(r.level, r.of): r.scores for r in rows
                 if r.part == "families" and r.family == "all"}  # fmt: skip
        one = shown["function", "default"]
        many = shown.get(("schedule", "all"))
        cells = [
            f"{one['spearman']:.3f}", f"{100 * one['median_error']:.1f}%",
            f"{100 * one['registers']:.0f}%", f"{one['utilization_rmse']:.1f}",
            *(f"{many[name]:.3f}" if many else "" for name in ("first", "five", "spearman")),
        ]  # fmt: skip
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _show(step: int, of: int, figures: dict[str, float]) -> None:
    print(f"{step}/{of}: score {figures['score']:.3f}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
