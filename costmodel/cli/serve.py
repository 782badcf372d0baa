"""``costmodel serve``: the oracle, until it is told to end."""

from __future__ import annotations

from pathlib import Path

import click

from costmodel.cli.options import store_option, threads_option, weights_option
from costmodel.cli.output import print_json

__all__ = ["serve"]

_MIB = 1 << 20


@click.command(short_help="Serve the oracle by gRPC.")
@click.option(
    "--listen",
    default="127.0.0.1:50151",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; port 0 takes a free one.",
)
@store_option
@weights_option
@threads_option
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Processes that read kernels and score; by default one a core, up to 8.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="S",
    help="Seconds that a kernel may take to be read and scored.",
)
@click.option(
    "--max-message",
    type=click.IntRange(1, 1024),
    default=16,
    show_default=True,
    metavar="MIB",
    help="The largest message that is taken.",
)
@click.option(
    "--metrics",
    metavar="HOST:PORT",
    help="Where Prometheus finds the metrics; nowhere by default.",
)
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    metavar="S",
    help="Seconds that calls under way have at the end.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="debug has a line for each call.",
)
@click.option("--log-json", is_flag=True, help="Log a line of JSON an event.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object with the address on stdout."
)
def serve(
    listen: str,
    store: Path | None,
    weights: Path | None,
    threads: int | None,
    processes: int | None,
    timeout: float,
    max_message: int,
    metrics: str | None,
    grace: float,
    log_level: str,
    log_json: bool,
    as_json: bool,
) -> None:
    """Answer what kernels cost, rank their schedules, keep what is measured: a gRPC service.

    The protocol is service/oracle.proto; clients are `--oracle` of predict, rank and tune, the
    Python class costmodel.oracle.Client, and service/clients. On SIGTERM or Ctrl-C calls under way
    are ended in order, and all that was recorded is in the store. Traces go where the variables
    OTEL_EXPORTER_OTLP_... say.
    """
    import asyncio

    from costmodel.measure.cores import usable_cores
    from costmodel.oracle import logs
    from costmodel.oracle.scoring import ScoringOptions
    from costmodel.oracle.server import ServeOptions
    from costmodel.oracle.server import serve as run
    from costmodel.store import default_path
    from costmodel.target import parse_target

    def ready(address: str) -> None:
        if as_json:
            print_json({"address": address})
        else:
            click.echo(f"the oracle listens on {address}")

    logs.configure(log_level, as_json=log_json)
    options = ServeOptions(
        store=store or default_path(),
        own=parse_target("cpu", threads=threads),
        listen=listen,
        weights=weights,
        scoring=ScoringOptions(processes or min(8, len(usable_cores())), timeout_s=timeout),
        message_bytes=max_message * _MIB,
        grace_s=grace,
        metrics=metrics,
    )
    asyncio.run(run(options, ready))
