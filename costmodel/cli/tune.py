"""``costmodel tune``: the arguments, the progress display and the table at the end."""

from __future__ import annotations

from pathlib import Path

import click

from costmodel.cli.failures import COULD_NOT, INTERRUPTED, Failure
from costmodel.cli.options import (
    check_seconds,
    describes_run,
    json_option,
    quiet_option,
    seed_option,
)
from costmodel.cli.output import print_json
from costmodel.results import TuneResult

__all__ = ["tune"]

MAX_TRIALS = 1_000_000


def default_out(file: Path, function: str | None) -> Path:
    """One directory a kernel, so that tuning the next one leaves this one's files alone."""
    return Path("costmodel-out") / "-".join(filter(None, (file.stem, function)))


@click.command(short_help="Find the fastest schedule of a kernel, check it, export it.")
@describes_run
@click.option(
    "--trials",
    type=click.IntRange(0, MAX_TRIALS),
    default=64,
    show_default=True,
    metavar="N",
    help="Candidates to measure at the most; 0 answers from the store alone.",
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
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the tuned library, its schedule and the report go; "
    "by default costmodel-out/ and the name of FILE.",
)
@quiet_option
@json_option
def tune(
    file: Path,
    function: str | None,
    target: str,
    backend: str,
    threads: int | None,
    store: Path | None,
    trials: int,
    seconds: float | None,
    seed: int,
    out: Path | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Tune the kernel in FILE: measure promising schedules, check them, export the fastest.

    The store keeps every measurement, so that a second run goes on where the first one stopped.
    An interrupt (Ctrl-C) ends the run early: what was measured is kept and the best is written;
    so do SIGTERM and SIGHUP.
    """
    import costmodel
    from costmodel.cli.progress import make_listener

    with make_listener(silent=quiet or as_json) as listener:
        result = costmodel.tune(
            file,
            trials=trials,
            seconds=seconds,
            seed=seed,
            store=store,
            out=default_out(file, function) if out is None else out,
            target=target,
            backend=backend,
            function=function,
            threads=threads,
            progress=listener,
        )
    failure = _failure(result)
    if as_json:
        print_json({**result.to_json(), **(failure.to_json() if failure else {})})
    else:
        from costmodel.cli.tables import print_tune

        print_tune(result)
    for problem in result.problems:
        click.echo(f"error: {problem}", err=True)
    return failure.exit_status if failure else 0


def _failure(result: TuneResult) -> Failure | None:
    """Why the command does not end with status 0, though it has a result to print."""
    if result.interrupted:
        return Failure("Interrupted", "; ".join(("interrupted", *result.problems)), INTERRUPTED)
    if result.problems:
        return Failure("CostModelError", "; ".join(result.problems), COULD_NOT)
    return None
