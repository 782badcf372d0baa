"""Options that several commands share, each written once."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = [
    "check_seconds",
    "data_option",
    "describes_run",
    "json_option",
    "quiet_option",
    "seed_option",
    "store_option",
    "threads_option",
    "weights_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])

#: The largest seed that every random number generator in use takes.
MAX_SEED = 2**31 - 1

json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object on stdout and nothing else there, also on failure.",
)
quiet_option = click.option("--quiet", is_flag=True, help="Show no progress on stderr.")
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, MAX_SEED),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of everything that is drawn at random.",
)


data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="The data set: a folder that the scripts in datasets/ wrote.",
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads that the kernel runs on; by default every core that this process may use.",
)


def check_seconds(
    _context: click.Context, _parameter: click.Parameter, value: float | None
) -> float | None:
    """A range check lets ``nan`` and ``inf`` through."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a number of seconds")
    return value


store_option = click.option(
    "--store",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The measurement store; by default $COSTMODEL_STORE, "
    "or else one in the user's data directory.",
)

weights_option = click.option(
    "--weights",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The trained model, as `costmodel train` writes it; by default $COSTMODEL_WEIGHTS, or "
    "else that of the package ($COSTMODEL_WEIGHTS=none uses none).",
)

_RUN_OPTIONS = (
    # Whether it can be read is found out by reading it, with a better message.
    click.argument("file", type=click.Path(readable=False, path_type=Path)),
    click.option(
        "--function",
        metavar="NAME",
        help="The function to take, where FILE has several.",
    ),
    click.option(
        "--target",
        metavar="T",
        default="cpu",
        show_default=True,
        help="The device: cpu is the one of this machine. An oracle also knows server, its own "
        "machine, and the hashes of targets in its store.",
    ),
    click.option(
        "--backend",
        metavar="B",
        default="auto",
        show_default=True,
        help="The compiler that schedules and builds: tvm, iree, or auto for both together.",
    ),
    threads_option,
    store_option,
    weights_option,
)


def describes_run(command: Command) -> Command:
    """Add the kernel and what it is asked about: file, function, target, backend, store."""
    for option in reversed(_RUN_OPTIONS):
        command = option(command)
    return command
