"""The one place where an error becomes a message on stderr and an exit status.

0 done; 1 could not; 2 bad input or usage; 130 interrupted. With ``--json`` the failure is also
printed on stdout, as ``{"error": {"kind", "message", "hint", "file", "line", "column",
"exit_status"}}``, so that stdout always holds exactly one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import click

from costmodel.errors import CostModelError, InputError

__all__ = ["COULD_NOT", "INTERRUPTED", "Failure", "Interrupted", "guard", "wants_json"]

COULD_NOT = 1
BAD_INPUT = 2
#: What a shell reports of a command that an interrupt (signal 2) ended.
INTERRUPTED = 130


@dataclass(frozen=True)
class Failure:
    """Why a command did not do what was asked."""

    kind: str
    message: str
    exit_status: int
    hint: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = "" if self.file is None else f"{self.file}: "
        if self.line:
            place = f"{self.file}:{self.line}:{self.column}: "
        hint = "" if self.hint is None else f"\nhint: {self.hint}"
        return f"{place}error: {self.message}{hint}"

    def to_json(self) -> dict[str, Any]:
        fields = ("kind", "message", "hint", "file", "line", "column", "exit_status")
        return {"error": {name: getattr(self, name) for name in fields}}


class Interrupted(click.Abort):
    """An interrupt that leaves something going on; ``hint`` says how to end that, or follow it."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether ``--json`` is among the options; asked before they can be parsed."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


def guard(command: Callable[[], Any], arguments: Sequence[str]) -> int:
    """Run ``command`` and return the exit status, with any failure reported."""
    try:
        status = command()
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()
    except SystemExit as end:
        return _status_of(end)
    except click.exceptions.NoArgsIsHelpError as error:
        if not wants_json(arguments):
            click.echo(error.format_message(), err=True)
            return BAD_INPUT
        return _report(Failure("UsageError", "no command was given", BAD_INPUT), arguments)
    except BaseException as error:  # the last line of defence: everything becomes a message
        return _report(_classify(error, arguments), arguments)
    return status if isinstance(status, int) else 0


def _report(failure: Failure, arguments: Sequence[str]) -> int:
    click.echo(str(failure), err=True)
    if wants_json(arguments):
        try:
            click.echo(json.dumps(failure.to_json()))
        except BrokenPipeError:
            return _reader_left()
    return failure.exit_status


def _reader_left() -> int:
    """Whoever read stdout has gone (``| head``): nothing more to say, and no noise at exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    return COULD_NOT


def _status_of(end: SystemExit) -> int:
    return end.code if isinstance(end.code, int) else int(end.code is not None)


def _classify(error: BaseException, arguments: Sequence[str]) -> Failure:
    kind = type(error).__name__
    if isinstance(error, InputError) and error.location is not None:
        place = error.location
        return Failure(
            kind, error.message, error.exit_status, error.hint,
            place.file, place.line or None, place.column or None,
        )  # fmt: skip
    if isinstance(error, CostModelError):
        return Failure(kind, error.message, error.exit_status, error.hint)
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "costmodel"
        hint = f"`{command} --help` lists what it takes"
        return Failure("UsageError", error.format_message(), BAD_INPUT, hint)
    if isinstance(error, click.ClickException):
        return Failure(kind, error.format_message(), error.exit_code)
    if isinstance(error, Interrupted):
        return Failure("Interrupted", error.message, INTERRUPTED, error.hint)
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return Failure("Interrupted", "interrupted", INTERRUPTED)
    if isinstance(error, OSError):
        return _operating_system(error)
    return _unexpected(error, arguments)


def _operating_system(error: OSError) -> Failure:
    """A full disk, a directory without permission: the system's own words are the best ones."""
    file = None if error.filename is None else os.fsdecode(error.filename)
    return Failure(type(error).__name__, error.strerror or str(error), COULD_NOT, file=file)


def _unexpected(error: BaseException, arguments: Sequence[str]) -> Failure:
    text = "".join(traceback.format_exception(error))
    summary = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    if "--debug" in arguments:
        click.echo(text, err=True)
        return Failure("InternalError", f"unexpected {summary}", COULD_NOT)
    saved = _save(text)
    hint = "this is a fault of costmodel; `costmodel --debug COMMAND ...` shows the traceback"
    if saved is not None:
        hint = f"this is a fault of costmodel; the traceback is in {saved}"
    return Failure("InternalError", f"unexpected {summary}", COULD_NOT, hint)


def _save(text: str) -> str | None:
    """Keep a traceback where the user can send it from; None where even that cannot be written."""
    with (
        suppress(OSError),
        tempfile.NamedTemporaryFile(
            "w", prefix="costmodel-traceback-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file,
    ):
        file.write(text)
        return file.name
    return None
