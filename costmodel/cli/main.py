"""The ``costmodel`` command: a group that imports a subcommand when it is asked for."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module

import click

from costmodel import __version__
from costmodel.cli.failures import guard
from costmodel.interrupts import interrupt_on_endings

__all__ = ["COMMANDS", "LazyGroup", "command_group", "main"]

#: Where each subcommand is; none of these modules may import a compiler when it is imported.
COMMANDS: Mapping[str, str] = {
    "cache": "costmodel.cli.cache:cache",
    "dashboard": "costmodel.cli.dashboard:dashboard",
    "doctor": "costmodel.cli.doctor:doctor",
    "eval": "costmodel.cli.evaluate:evaluate",
    "predict": "costmodel.cli.predict:predict",
    "rank": "costmodel.cli.rank:rank",
    "runs": "costmodel.cli.runs:runs",
    "serve": "costmodel.cli.serve:serve",
    "token": "costmodel.cli.client_token:token",
    "train": "costmodel.cli.train:train",
    "tune": "costmodel.cli.tune:tune",
    "worker": "costmodel.cli.worker:worker",
}

EPILOG = (
    "Exit status: 0 done, 1 could not, 2 bad input or usage, 130 interrupted. "
    "`costmodel COMMAND --help` explains a command."
)


class LazyGroup(click.Group):
    """A click group over a registry of ``module:attribute`` names."""

    def __init__(self, registry: Mapping[str, str], **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        self._registry = registry

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._registry)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._registry:
            return None
        module, _, attribute = self._registry[cmd_name].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=LazyGroup,
    registry=COMMANDS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="costmodel", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an unexpected error.")
def command_group(debug: bool) -> None:
    """Tell what a kernel costs on this machine, and tune it until it costs less.

    FILE is MLIR text: linalg on tensors or StableHLO, with static shapes.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and end the process with its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # gRPC writes to stderr what we say ourselves, in other words.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if arguments is None:
        interrupt_on_endings()
    with warnings.catch_warnings():
        warnings.showwarning = _print_warning
        status = guard(lambda: command_group.main(given, "costmodel", standalone_mode=False), given)
    if arguments is None:  # all is said and done: a Ctrl-C now would only print a traceback
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    sys.exit(status)


def _print_warning(message: Warning | str, *_: object, **__: object) -> None:
    """For people: without the place in our sources that Python would name and quote."""
    print(f"warning: {message}", file=sys.stderr)
