"""``costmodel worker``: measure on this machine for an oracle, until it is told to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from costmodel.cli.options import json_option, quiet_option, threads_option
from costmodel.cli.oracle_options import asks_oracle
from costmodel.cli.output import print_json

if TYPE_CHECKING:
    from costmodel.oracle.connection import Connection
    from costmodel.records import Measurement

__all__ = ["worker"]


@click.command(short_help="Measure on this machine for an oracle.")
@asks_oracle
@click.option(
    "--target",
    metavar="T",
    default="cpu",
    show_default=True,
    help="The device to measure on: cpu is the one of this machine.",
)
@threads_option
@quiet_option
@json_option
def worker(
    oracle: Connection | None, target: str, threads: int | None, quiet: bool, as_json: bool
) -> None:
    """Take candidates of an oracle's runs, build, check and time them here, hand the results in.

    For runs that were asked for this machine's target, or leased. It compiles and runs what the
    oracle says: use an oracle that you trust. Ctrl-C ends it; what it has not measured by then is
    given back, and goes to another worker.
    """
    from costmodel.errors import UsageError
    from costmodel.oracle import Client
    from costmodel.oracle.worker import Worker
    from costmodel.target import parse_target

    if oracle is None:
        raise UsageError("a worker needs an oracle", hint="name one: --oracle HOST:PORT")

    def tell(measurement: Measurement) -> None:
        if not quiet:
            click.echo(_line(measurement), err=True)

    def begin() -> None:
        if not quiet:
            click.echo(f"measuring for {oracle.address} on {device.cpu}", err=True)

    device = parse_target(target, threads=threads)
    with Client(oracle) as client:
        found = Worker(client, device, told=tell, began=begin)
        found.run()
    if as_json:
        print_json({"target": device.hash, "measured": found.measured})


def _line(measurement: Measurement) -> str:
    if measurement.ok:
        return f"{measurement.schedule.backend}: {measurement.latency_us:.4g} us"
    return f"{measurement.schedule.backend}: {measurement.outcome}"
