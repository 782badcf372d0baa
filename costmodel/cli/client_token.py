"""``costmodel token``: a new client of an oracle."""

from __future__ import annotations

from pathlib import Path

import click

from costmodel.cli.options import json_option
from costmodel.cli.oracle_options import check_rate_option
from costmodel.cli.output import print_json

__all__ = ["token"]


@click.command(short_help="Make a token for a client of the oracle.")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(["read", "record", "tune", "admin"]),
    multiple=True,
    default=("read",),
    show_default=True,
    help="What the client may do; may be given several times. admin may do everything.",
)
@click.option(
    "--rate",
    type=float,
    callback=check_rate_option,
    metavar="N",
    help="Calls a second that the client may make; that of `costmodel serve` by default.",
)
@click.option(
    "--clients",
    type=click.Path(readable=False, path_type=Path),
    metavar="FILE",
    help="Add the client to this file, which `costmodel serve --clients` reads; without it the "
    "lines to add go to stderr.",
)
@json_option
def token(
    name: str, scopes: tuple[str, ...], rate: float | None, clients: Path | None, as_json: bool
) -> None:
    """Print a new token for the client NAME, alone on stdout: it is shown once.

    The file has its hash only. A server that runs takes the new file at once; to take the token
    away, delete the client's lines.

    \b
    costmodel token ci --scope read --scope record --clients clients.toml > ci.token
    """
    from costmodel.oracle.access import Scope
    from costmodel.oracle.clients import add_client, client_text, new_token

    secret = new_token()
    text = client_text(name, secret, tuple(dict.fromkeys(map(Scope, scopes))), rate)
    if clients is not None:
        add_client(clients, text)
    if as_json:
        print_json({"name": name, "token": secret, "client": text})
        return
    if clients is None:
        click.echo(text, err=True)
    click.echo(secret)
