"""``costmodel predict``: what a kernel costs, before anything is measured."""

from __future__ import annotations

from pathlib import Path

import click

from costmodel.cli.options import describes_run, json_option
from costmodel.cli.output import print_json

__all__ = ["predict"]


@click.command(short_help="Predict the latency of a kernel without running it.")
@describes_run
@json_option
def predict(
    file: Path,
    function: str | None,
    target: str,
    backend: str,
    threads: int | None,
    store: Path | None,
    weights: Path | None,
    as_json: bool,
) -> None:
    """Predict the latency of the kernel in FILE, once tuned, with a 90% interval.

    Also counts its FLOPs, the bytes that it must move and its arithmetic intensity, and says what
    the store knows to have been measured. Nothing is compiled and nothing is run: the machine's
    rates are those that `tune` or `doctor` measured, and assumed before.
    """
    import costmodel

    result = costmodel.predict(
        file,
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
    from costmodel.cli.tables import print_predict

    print_predict(result)
