"""``costmodel predict``: what a kernel costs, before anything is measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from costmodel.cli.options import describes_run, json_option
from costmodel.cli.oracle_options import asks_oracle, fallback_option, refuse_local
from costmodel.cli.output import print_json

if TYPE_CHECKING:
    from costmodel.oracle.connection import Connection

__all__ = ["predict"]


@click.command(short_help="Predict the latency of a kernel without running it.")
@describes_run
@asks_oracle
@fallback_option
@json_option
def predict(
    file: Path,
    function: str | None,
    target: str,
    backend: str,
    threads: int | None,
    store: Path | None,
    weights: Path | None,
    oracle: Connection | None,
    fallback: bool,
    as_json: bool,
) -> None:
    """Predict the latency of the kernel in FILE, once tuned, with a 90% interval.

    Also counts its FLOPs, the bytes that it must move and its arithmetic intensity, and says what
    the store knows to have been measured. Nothing is compiled and nothing is run: the machine's
    rates are those that `tune` or `doctor` measured, and assumed before.

    With --oracle a server answers, from its model and its store; nothing need be installed here
    but the client.
    """
    asked: dict[str, Any] = {
        "function": function, "target": target, "backend": backend, "threads": threads,
    }  # fmt: skip
    if oracle is None:
        import costmodel

        result = costmodel.predict(file, store=store, weights=weights, **asked)
    else:
        from costmodel.oracle import Client

        if not fallback:
            refuse_local(store=store, weights=weights)
        with Client(oracle, fallback=fallback, store=store, weights=weights) as client:
            result = client.predict(file, **asked)
    if as_json:
        print_json(result.to_json())
        return
    from costmodel.cli.tables import print_predict

    print_predict(result)
