"""``costmodel serve``: the oracle, until it is told to end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from costmodel.cli.options import store_option, threads_option, weights_option
from costmodel.cli.oracle_options import listens
from costmodel.cli.output import print_json

if TYPE_CHECKING:
    from costmodel.oracle.security import SecurityOptions

__all__ = ["serve"]

_MIB = 1 << 20


@click.command(short_help="Serve the oracle by gRPC.")
@listens
@store_option
@weights_option
@threads_option
@click.option(
    "--allow-tuning",
    is_flag=True,
    help="Let clients with the scope tune have kernels compiled and run on this machine, or leased "
    "to others; each run is confined to its folder and limited in time and memory.",
)
@click.option(
    "--unconfined-tuning",
    is_flag=True,
    help="Allow it also where the kernel of the system cannot confine runs (Landlock).",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where runs are kept; by default beside the store.",
)
@click.option(
    "--max-trials",
    type=click.IntRange(min=1),
    default=4096,
    show_default=True,
    metavar="N",
    help="The most trials that a run may ask for.",
)
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
    default=20,
    show_default=True,
    metavar="MIB",
    help="The largest message that is taken; a kernel of 16 MiB, the most, fits the default.",
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
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object on stdout: the address, the store, whether it was created, and "
    "whether tuning is allowed.",
)
def serve(
    security: SecurityOptions,
    store: Path | None,
    weights: Path | None,
    threads: int | None,
    allow_tuning: bool,
    unconfined_tuning: bool,
    state: Path | None,
    max_trials: int,
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

    It listens on this machine unless told otherwise. Beyond it, it wants TLS, and clients that
    prove who they are: by a token (--clients, `costmodel token`) or a certificate (--client-ca).
    """
    import asyncio

    from costmodel.measure.cores import usable_cores
    from costmodel.oracle import logs
    from costmodel.oracle.limits import RunLimits
    from costmodel.oracle.scoring import ScoringOptions
    from costmodel.oracle.server import ServeOptions
    from costmodel.oracle.server import serve as run
    from costmodel.store import default_path
    from costmodel.target import parse_target

    place, tuning = store or default_path(), allow_tuning or unconfined_tuning
    created = not place.exists()

    def ready(address: str) -> None:
        if as_json:
            print_json({
                "address": address, "store": str(place), "created": created, "tuning": tuning,
            })  # fmt: skip
        else:
            click.echo(_start_line(address, place, created=created, tuning=tuning))

    logs.configure(log_level, as_json=log_json)
    options = ServeOptions(
        store=place,
        own=parse_target("cpu", threads=threads),
        security=security,
        weights=weights,
        runs=RunLimits(trials=max_trials) if tuning else None,
        state=state,
        confined=not unconfined_tuning,
        scoring=ScoringOptions(processes or min(8, len(usable_cores())), timeout_s=timeout),
        message_bytes=max_message * _MIB,
        grace_s=grace,
        metrics=metrics,
    )
    asyncio.run(run(options, ready))


def _start_line(address: str, store: Path, *, created: bool, tuning: bool) -> str:
    """A store that is new may be a path that was mistyped: it is said at once."""
    new, may = "a new store" if created else "the store", "allowed" if tuning else "not allowed"
    return f"the oracle listens on {address}, with {new} {store}; tuning is {may}"
