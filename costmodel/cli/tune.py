"""``costmodel tune``: the arguments, the progress display and the table at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import click.core

from costmodel.cli.failures import COULD_NOT, INTERRUPTED, Failure
from costmodel.cli.options import (
    check_seconds,
    describes_run,
    json_option,
    quiet_option,
    seed_option,
)
from costmodel.cli.oracle_options import asks_oracle, fallback_option, refuse_local
from costmodel.cli.output import print_json
from costmodel.model_results import ModelResult
from costmodel.results import TuneResult

if TYPE_CHECKING:
    from costmodel.models.outside import Outside
    from costmodel.oracle.connection import Connection

__all__ = ["show_result", "tune"]

MAX_TRIALS = 1_000_000
#: Seconds that a call to an oracle may take: a search waits for its answers.
_PATIENCE_S = 60.0


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
@click.option(
    "--whole-model/--kernel",
    "whole_model",
    default=None,
    help="Split FILE into dispatches and tune each, or tune it as one kernel; by default a model "
    "is what IREE makes more than 8 dispatches of (of StableHLO: more than 1).",
)
@asks_oracle
@fallback_option
@quiet_option
@json_option
def tune(
    file: Path,
    function: str | None,
    target: str,
    backend: str,
    threads: int | None,
    store: Path | None,
    weights: Path | None,
    trials: int,
    seconds: float | None,
    seed: int,
    out: Path | None,
    whole_model: bool | None,
    oracle: Connection | None,
    fallback: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Tune the kernel in FILE: measure promising schedules, check them, export the fastest.

    A whole model is split into its dispatches, each distinct one is tuned once, and all is put
    together again, by IREE whatever the backend.

    The store keeps every measurement, so that a second run goes on where the first one stopped.
    An interrupt (Ctrl-C) ends the run early: what was measured is kept and the best is written;
    so do SIGTERM and SIGHUP.

    With --oracle the trained model of a server ranks, so that none need be installed here; what
    its store knows of the kernel on this machine is taken in before the search, and what is
    measured is recorded there too. Compilers and measuring stay here: `costmodel runs start` tunes
    on the server. An oracle that is lost later does not end a run.
    """
    import costmodel
    from costmodel.cli.progress import make_listener

    common: dict[str, Any] = {
        "trials": trials, "seconds": seconds, "seed": seed, "store": store, "target": target,
        "function": function, "threads": threads, "weights": weights,
        "out": default_out(file, function) if out is None else out,
    }  # fmt: skip
    is_model = _is_model(file, function, whole_model, silent=quiet)
    with (
        _sharing(oracle, fallback=fallback, weights=weights) as outside,
        make_listener(silent=quiet) as listener,
    ):
        common |= {"outside": outside, "progress": listener}
        if is_model:
            model = costmodel.tune_model(file, **common)
        else:
            result = costmodel.tune(file, backend=backend, **common)
    return _show_model(model, as_json=as_json) if is_model else show_result(result, as_json=as_json)


@contextmanager
def _sharing(
    oracle: Connection | None, *, fallback: bool, weights: Path | None
) -> Iterator[Outside | None]:
    if oracle is None:
        yield None
        return
    from costmodel.oracle import Client, Sharing

    if not fallback:
        refuse_local(store=None, weights=weights)
    with (
        Client(oracle, timeout=_PATIENCE_S) as client,
        Sharing(client, fallback=fallback, weights=weights) as outside,
    ):
        yield outside


def _is_model(file: Path, function: str | None, asked: bool | None, *, silent: bool) -> bool:
    """What was asked for; else what the file is, unless a backend that takes no models is named."""
    from costmodel.backends import registry

    registry.check(click.get_current_context().params["backend"])
    if asked is not None:
        return asked
    context = click.get_current_context()
    named = context.get_parameter_source("backend") is not click.core.ParameterSource.DEFAULT
    if named and context.params["backend"] == "tvm":
        return False
    from costmodel.whole.tuning import is_model

    found = is_model(file, function=function)
    if found and not silent:
        click.echo("costmodel: this is a whole model; --kernel tunes it as one kernel", err=True)
    return found


def show_result(result: TuneResult, *, as_json: bool) -> int:
    """Print a result; the exit status."""
    from costmodel.cli.tables import print_tune

    failure = _failure(result)
    if as_json:
        print_json({**result.to_json(), **(failure.to_json() if failure else {})})
    else:
        print_tune(result)
    return _end(result, failure)


def _show_model(result: ModelResult, *, as_json: bool) -> int:
    from costmodel.cli.tables import print_model

    failure = _failure(result.whole)
    if as_json:
        print_json({**result.to_json(), **(failure.to_json() if failure else {})})
    else:
        print_model(result)
    return _end(result.whole, failure)


def _end(result: TuneResult, failure: Failure | None) -> int:
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
