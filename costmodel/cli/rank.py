"""``costmodel rank``: schedules in the order in which the cost model expects them to be fast."""

from __future__ import annotations

from pathlib import Path

import click

from costmodel.cli.options import describes_run, json_option, seed_option
from costmodel.cli.output import print_json

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
    as_json: bool,
) -> None:
    """Rank schedules of the kernel in FILE by predicted latency; nothing is measured."""
    import costmodel

    result = costmodel.rank(
        file,
        n=count,
        seed=seed,
        function=function,
        target=target,
        backend=backend,
        threads=threads,
        store=store,
        weights=weights,
    )
    if as_json:
        print_json(result.to_json())
        return
    from costmodel.cli.tables import print_rank

    print_rank(result, top)
