"""``costmodel rank``: schedules in the order in which the cost model expects them to be fast."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from costmodel.cli.options import describes_run, json_option, seed_option
from costmodel.cli.oracle_options import asks_oracle, fallback_option, refuse_local
from costmodel.cli.output import print_json

if TYPE_CHECKING:
    from costmodel.oracle.connection import Connection

__all__ = ["rank"]

MAX_SCHEDULES = 100_000


@click.command(short_help="Rank schedules of a kernel; nothing is measured.")
@describes_run
@click.option(
    "--n",
    "count",
    type=click.IntRange(1, MAX_SCHEDULES),
    default=256,
    show_default=True,
    metavar="N",
    help="Schedules to draw and rank.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Rows of the table; --json always gives all.",
)
@seed_option
@asks_oracle
@fallback_option
@json_option
def rank(
    file: Path,
    function: str | None,
    target: str,
    backend: str,
    threads: int | None,
    store: Path | None,
    weights: Path | None,
    count: int,
    top: int,
    seed: int,
    oracle: Connection | None,
    fallback: bool,
    as_json: bool,
) -> None:
    """Rank schedules of the kernel in FILE by predicted latency; nothing is measured.

    One that the store knows has its place by what was measured.

    With --oracle a server draws and ranks them, by its model and its store; nothing need be
    installed here but the client.
    """
    asked: dict[str, Any] = {
        "n": count, "seed": seed, "function": function, "target": target, "backend": backend,
        "threads": threads,
    }  # fmt: skip
    if oracle is None:
        import costmodel

        result = costmodel.rank(file, store=store, weights=weights, **asked)
    else:
        from costmodel.oracle import Client

        if not fallback:
            refuse_local(store=store, weights=weights)
        with Client(oracle, fallback=fallback, store=store, weights=weights) as client:
            result = client.rank(file, **asked)
    if as_json:
        print_json(result.to_json())
        return
    from costmodel.cli.tables import print_rank

    print_rank(result, top)
