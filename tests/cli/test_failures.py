"""Every way to fail has its message on stderr, its exit status and its JSON object."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from costmodel.cli.failures import guard
from costmodel.errors import CostModelError, ParseError, StoreLockedError, UnsupportedError
from costmodel.records import SourceLocation
from tests.commands import call


def failing(error: BaseException):
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (CostModelError("no worker", hint="free memory"), 1, "error: no worker\nhint: free memory"),
        (
            ParseError("expected ')'", location=SourceLocation("a.mlir", 3, 14)),
            2,
            "a.mlir:3:14: error: expected ')'",
        ),
        (
            UnsupportedError("nothing to tune", location=SourceLocation("a.mlir")),
            2,
            "a.mlir: error: nothing to tune",
        ),
        (StoreLockedError("held by another run"), 2, "error: held by another run"),
        (click.BadParameter("no"), 2, "error: Invalid value: no"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
        (click.Abort(), 130, "error: interrupted"),
        (OSError(28, "No space left on device", "/out/x"), 1, "/out/x: error: No space left"),
    ],
)
def test_message_and_status(capsys, error: BaseException, status: int, message: str) -> None:
    assert guard(failing(error), []) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(message)
    assert "Traceback" not in printed.err


def test_json_has_the_place_and_is_alone_on_stdout(capsys) -> None:
    error = ParseError("bad", location=SourceLocation("a.mlir", 3, 14), hint="mend it")
    assert guard(failing(error), ["tune", "a.mlir", "--json"]) == 2
    assert json.loads(capsys.readouterr().out) == {
        "error": {
            "kind": "ParseError", "message": "bad", "hint": "mend it",
            "file": "a.mlir", "line": 3, "column": 14, "exit_status": 2,
        }
    }  # fmt: skip


def test_a_file_called_json_is_no_option(capsys) -> None:
    assert guard(failing(CostModelError("x")), ["tune", "--", "--json"]) == 1
    assert capsys.readouterr().out == ""


def test_the_traceback_of_a_fault_is_kept(capsys) -> None:
    assert guard(failing(ZeroDivisionError("oops")), []) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: unexpected ZeroDivisionError: oops")
    assert "Traceback" not in printed
    found = re.search(r"the traceback is in (\S+)", printed)
    assert found is not None
    saved = Path(found[1])
    assert "in command" in saved.read_text()
    saved.unlink()


def test_debug_shows_the_traceback(capsys) -> None:
    assert guard(failing(ZeroDivisionError("oops")), ["--debug", "tune"]) == 1
    printed = capsys.readouterr().err
    assert "Traceback (most recent call last)" in printed
    assert "the traceback is in" not in printed


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (1, 1), (130, 130)])
def test_a_command_returns_its_status(returned: int | None, status: int) -> None:
    assert guard(lambda: returned, []) == status


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tune",), "Missing argument 'FILE'"),
        (("frobnicate",), "No such command 'frobnicate'"),
        (("tune", "x.mlir", "--trials", "-1"), "'--trials': -1 is not in the range"),
        (("tune", "x.mlir", "--trials", "many"), "'many' is not a valid integer"),
        (("tune", "x.mlir", "--seconds", "0"), "'--seconds': 0.0 is not in the range x>0"),
        (("tune", "x.mlir", "--seconds", "nan"), "nan is not a number of seconds"),
        (("tune", "x.mlir", "--seed", "-7"), "'--seed'"),
        (("tune", "x.mlir", "--threads", "0"), "'--threads'"),
        (("doctor", "--threads", "99999"), "99999 threads"),
        (("rank", "x.mlir", "--n", "0"), "'--n'"),
        (("tune", "x.mlir", "y.mlir"), "unexpected extra argument"),
    ],
)
def test_bad_usage(arguments: tuple[str, ...], message: str) -> None:
    done = call(*arguments, "--json")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert message in json.loads(done.stdout)["error"]["message"]


def test_nothing_given_shows_the_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "costmodel.cli"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Usage: costmodel")


def test_a_reader_that_leaves_is_no_error() -> None:
    reading_end, writing_end = os.pipe()
    os.close(reading_end)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "costmodel.cli", "tune", "--help"],
            stdout=writing_end, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    finally:
        os.close(writing_end)
    assert done.stderr == b""
    assert done.returncode == 1
