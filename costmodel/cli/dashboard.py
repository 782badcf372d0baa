"""``costmodel dashboard``: the store in a browser."""

from __future__ import annotations

from pathlib import Path

import click

from costmodel.cli.options import store_option, weights_option
from costmodel.cli.output import print_json

__all__ = ["dashboard"]


@click.command(short_help="Look at the measurement store in a browser.")
@store_option
@weights_option
@click.option(
    "--listen",
    default="127.0.0.1:8001",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; port 0 takes a free one.",
)
@click.option(
    "--allow-remote",
    is_flag=True,
    help="Listen also where other machines can connect: whoever does can read the whole store, "
    "there are no passwords and no TLS.",
)
@click.option(
    "--host-name",
    "host_names",
    multiple=True,
    metavar="NAME",
    help="Another name that this server is called by, as by a proxy before it; requests for "
    "others are refused. May be given several times.",
)
@click.option("--open/--no-open", "open_browser", help="Open it in the browser; not by default.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object with the address on stdout."
)
def dashboard(
    store: Path | None,
    weights: Path | None,
    listen: str,
    allow_remote: bool,
    host_names: tuple[str, ...],
    open_browser: bool,
    as_json: bool,
) -> None:
    """Look at the measurement store in a browser, until Ctrl-C.

    Runs, best latency over time, predicted against measured, failures by kind, a workload's
    schedules compared, and every table as it is, with SQL (Datasette). The store is only read, and
    a run that tunes meanwhile goes on: pages show what is there when they are looked at.
    """
    from costmodel.dashboard.serving import DashboardOptions, serve
    from costmodel.store import default_path

    def ready(address: str) -> None:
        if as_json:
            print_json({"address": address})
        else:
            click.echo(f"the dashboard is at {address} (Ctrl-C ends it)")
        if open_browser:
            click.launch(address)

    options = DashboardOptions(store or default_path(), listen, allow_remote, host_names, weights)
    serve(options, ready)
