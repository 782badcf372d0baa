"""``costmodel train``: from a data set to weights."""

from __future__ import annotations

import time
from pathlib import Path

import click

from costmodel.cli.options import (
    data_option,
    json_option,
    quiet_option,
    seed_option,
)
from costmodel.cli.output import duration, number, print_json

__all__ = ["train"]


@click.command(short_help="Train the cost model on a data set.")
@data_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Where the weights go, with the curves and the checkpoint.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=4000,
    show_default=True,
    metavar="N",
    help="Steps of training.",
)
@click.option(
    "--variant",
    type=click.Choice(["ops", "operands", "values"]),
    default="values",
    show_default=True,
    help="What is read: names of operations, also operands and types, or numbers by value too.",
)
@click.option(
    "--width",
    type=click.IntRange(min=16),
    default=128,
    show_default=True,
    metavar="N",
    help="Width of the network; a multiple of 16.",
)
@click.option(
    "--layers",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    metavar="N",
    help="Layers that read the workload.",
)
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    metavar="D",
    help="Where PyTorch computes: cpu, cuda, cuda:1.",
)
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in --out, if there is one.")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads that PyTorch computes with; by default as many as it likes.",
)
@seed_option
@quiet_option
@json_option
def train(
    data: Path,
    out: Path,
    steps: int,
    variant: str,
    width: int,
    layers: int,
    device: str,
    resume: bool,
    threads: int | None,
    seed: int,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train the cost model on the data set in --data and write its weights to --out.

    The families and shapes that the data set's splits.json holds out are never learned from. On
    a CPU the same data, options, seed and number of threads give the same weights. Ctrl-C writes
    a checkpoint, as every 500th step does, from which --resume goes on with the same options; of
    weights that are in --out already nothing is kept.
    """
    from costmodel.errors import UsageError
    from costmodel.learning.fit import FitOptions, fit
    from costmodel.models.transformer.devices import check_device
    from costmodel.models.transformer.training import CHECKPOINT, TrainingOptions
    from costmodel.tokens.stream import Variant

    if width % 16:
        raise UsageError(f"the width is a multiple of 16, and {width} is none")
    check_device(device)
    options = FitOptions(
        training=TrainingOptions(
            steps=steps, seed=seed, every=min(TrainingOptions.every, steps)
        ),
        distil_steps=min(FitOptions.distil_steps, steps),
        variant=Variant(variant), width=width, layers=layers, threads=threads, device=device,
    )  # fmt: skip
    started = time.monotonic()
    if not quiet:
        if resume and not (out / CHECKPOINT).exists():
            click.echo(f"{out} has no checkpoint: training begins anew", err=True)
        click.echo(f"reading {data}", err=True)

    def show(step: int, of: int, figures: dict[str, float]) -> None:
        if not quiet:
            told = ", ".join(f"{name} {number(value)}" for name, value in figures.items())
            click.echo(
                f"{step}/{of} after {duration(time.monotonic() - started)}: {told}", err=True
            )

    weights = fit(data, out, options, resume=resume, listener=show)
    parameters = sum(one.numel() for one in weights.network.parameters())
    if as_json:
        print_json({
            "weights": str(out), "parameters": parameters, "steps": steps,
            "seconds": time.monotonic() - started, "parts": weights.training["parts"],
            "calibration": weights.calibration.to_json(),
        })  # fmt: skip
        return
    click.echo(
        f"{parameters} parameters, trained on {weights.training['parts']['train']} functions"
    )
    click.echo(f"written to {out}; judge them with `costmodel eval --data {data} --weights {out}`")
