"""``costmodel runs``: tuning on a server, whether somebody waits for it or not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from costmodel.cli.failures import Interrupted
from costmodel.cli.options import check_seconds, json_option, quiet_option, seed_option
from costmodel.cli.oracle_options import asks_oracle, runs_command
from costmodel.cli.output import print_json

if TYPE_CHECKING:
    from costmodel.oracle.client import Client
    from costmodel.oracle.connection import Connection

__all__ = ["runs"]

_name = click.argument("name", metavar="RUN")
_out = click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the files go that the run leaves: the tuned library, its schedule, the report. "
    "Without it none are fetched.",
)


@click.group(short_help="Tune on a server: start, list, watch, cancel.")
def runs() -> None:
    """Tune kernels on an oracle's machine, or for it on machines that lend themselves.

    A run goes on when its client leaves, and is found again by its name.
    """


def _client(oracle: Connection | None) -> Client:
    """Raises UsageError where no oracle is named."""
    from costmodel.oracle import Client

    return Client(oracle)


@runs.command(short_help="Begin to tune a kernel on the server.")
@click.argument("file", type=click.Path(readable=False, path_type=Path))
@click.option("--function", metavar="NAME", help="The function to take, where FILE has several.")
@click.option(
    "--target",
    metavar="T",
    default="server",
    show_default=True,
    help="The device: server is the oracle's machine, cpu this one, or the hash of one that it "
    "knows. For another than its own the server waits for clients that measure.",
)
@click.option(
    "--backend",
    metavar="B",
    default="auto",
    show_default=True,
    help="The compiler that schedules and builds: tvm, iree, or auto for both together.",
)
@click.option(
    "--trials",
    type=click.IntRange(1, 1_000_000),
    default=64,
    show_default=True,
    metavar="N",
    help="Candidates to measure at the most.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    callback=check_seconds,
    metavar="S",
    help="Stop after so many seconds, if the trials have not ended by then.",
)
@seed_option
@click.option(
    "--leased", is_flag=True, help="Have clients measure, also where the target is the server's."
)
@asks_oracle
@json_option
def start(
    file: Path,
    function: str | None,
    target: str,
    backend: str,
    trials: int,
    seconds: float | None,
    seed: int,
    leased: bool,
    oracle: Connection | None,
    as_json: bool,
) -> None:
    """Begin to tune the kernel in FILE on the server, print the name of the run, and leave."""
    with _client(oracle) as client:
        begun = client.start_tune(
            file, trials=trials, seconds=seconds, seed=seed, target=target, backend=backend,
            function=function, leased=leased,
        )  # fmt: skip
    if as_json:
        print_json(begun.to_json())
    else:
        click.echo(begun.name)


@runs.command(short_help="Follow a run to its end, and fetch its files.")
@_name
@_out
@asks_oracle
@quiet_option
@json_option
def watch(
    name: str, out: Path | None, oracle: Connection | None, quiet: bool, as_json: bool
) -> int:
    """Show what happens in RUN until it is over, then its result.

    Ctrl-C ends the watching, not the run: `costmodel runs cancel` does. Ends with 1 for a run that
    failed or was cancelled.
    """
    from costmodel.cli.progress import make_listener
    from costmodel.cli.tune import show_result
    from costmodel.oracle.status import UnreachableError

    try:
        with _client(oracle) as client, make_listener(silent=quiet) as listener:
            result = client.wait_tune(name, out=out, progress=listener)
    except UnreachableError as error:
        if error.hint is not None:  # the library does not know how the address was given
            plain = f"costmodel runs watch {name}`"
            error.hint = error.hint.replace(plain, f"{runs_command('watch', name)}`")
        raise
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted: if {name} is not over, it goes on at the server",
            hint=f"`{runs_command('cancel', name)}` ends it, `{runs_command('watch', name)}` goes "
            "on showing it",
        ) from None
    return show_result(result, as_json=as_json)


@runs.command(name="list", short_help="The runs that the server knows.")
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="So many at the most, the newest first.",
)
@asks_oracle
@json_option
def list_(most: int, oracle: Connection | None, as_json: bool) -> None:
    """List the runs that the server knows, the newest first."""
    with _client(oracle) as client:
        found = client.list_tunes(most)
    if as_json:
        print_json({"runs": [one.to_json() for one in found]})
        return
    from costmodel.cli.tables import print_runs

    print_runs(found)


@runs.command(short_help="End a run; what it measured is kept.")
@_name
@asks_oracle
@json_option
def cancel(name: str, oracle: Connection | None, as_json: bool) -> None:
    """End RUN. What it measured is kept, and what it found so far can be fetched with `watch`.

    One that is under way concludes with what it has, which takes a moment.
    """
    with _client(oracle) as client:
        found = client.cancel_tune(name)
    if as_json:
        print_json(found.to_json())
    elif found.state.over:
        click.echo(f"{found.name}: {found.state}")
    else:
        click.echo(f"{name} is being cancelled; `{runs_command('watch', name)}` shows its end")
