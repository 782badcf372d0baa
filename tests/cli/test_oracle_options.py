"""Options about an oracle, and ``costmodel token``."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from costmodel.cli.failures import guard
from costmodel.cli.main import main
from costmodel.cli.oracle_options import asks_oracle, listens, runs_command
from costmodel.errors import UsageError
from costmodel.oracle.access import Client, Scope, token_digest
from costmodel.oracle.clients import load_clients
from costmodel.oracle.connection import Connection
from costmodel.oracle.security import SecurityOptions


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", "_CA", "_CERT", "_KEY", "_TOKEN"):
        monkeypatch.delenv(f"COSTMODEL_ORACLE{name}", raising=False)


def given(decorator: Any, *arguments: str) -> Any:
    """What a command with the options gets."""
    got = []

    @click.command()
    @decorator
    @click.option("--other", default="x")
    def command(other: str, **values: Any) -> None:
        got.append((other, values))

    command.main(list(arguments), "command", standalone_mode=False)
    ((other, values),) = got
    assert other == "x"
    ((_, value),) = values.items()
    return value


def test_a_server_listens_on_this_machine_by_default() -> None:
    assert given(listens) == SecurityOptions("127.0.0.1:50151")


def test_a_server_takes_all_that_it_needs() -> None:
    arguments = ("--listen", "[::1]:0", "--tls-cert", "c", "--tls-key", "k", "--client-ca", "a",
                 "--clients", "f", "--rate", "2.5")  # fmt: skip
    expected = SecurityOptions("[::1]:0", Path("c"), Path("k"), Path("a"), Path("f"), 2.5)
    assert given(listens, *arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "at"), [([], ""), (["--oracle", "unix:/a b"], " --oracle 'unix:/a b'")]
)
def test_a_command_to_paste_has_the_address_that_was_given(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], at: str
) -> None:
    monkeypatch.setenv("COSTMODEL_ORACLE", "127.0.0.1:1")

    @click.command()
    @asks_oracle
    def command(oracle: Connection) -> None:
        click.echo(runs_command("watch", "tunes/1"))

    done = CliRunner().invoke(command, arguments)
    assert done.output == f"costmodel runs watch tunes/1{at}\n"


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "1e9", "x"])
def test_a_rate_is_a_number_of_calls(rate: str) -> None:
    with pytest.raises(click.BadParameter):
        given(listens, "--rate", rate)


def test_a_client_without_an_oracle_asks_none() -> None:
    assert given(asks_oracle) is None


def test_a_client_takes_all_that_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    file.chmod(0o600)
    arguments = ("--oracle", "o.example:5", "--oracle-ca", "a", "--oracle-cert", "c",
                 "--oracle-key", "k", "--token-file", str(file))  # fmt: skip
    expected = Connection("o.example:5", True, Path("a"), Path("c"), Path("k"), "s3cret")
    assert given(asks_oracle, *arguments) == expected


def test_the_environment_names_an_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSTMODEL_ORACLE", "127.0.0.1:5")
    monkeypatch.setenv("COSTMODEL_ORACLE_TOKEN", "s3cret")
    assert given(asks_oracle) == Connection("127.0.0.1:5", token="s3cret")
    assert given(asks_oracle, "--oracle", "localhost:6").address == "localhost:6"


def test_options_that_cannot_be_are_told_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    def ask() -> None:
        given(asks_oracle, "--oracle", "grpc://o.example:5", "--oracle-ca", "a")

    with pytest.raises(UsageError):
        ask()
    assert guard(ask, []) == 2
    assert "hint: write grpcs://" in capsys.readouterr().err


def token(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["token", *arguments])
    captured = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, captured.out, captured.err


def test_a_token_is_alone_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "clients.toml"
    status, out, err = token(capsys, "ci", "--scope", "read", "--scope", "record", "--scope",
                             "read", "--rate", "10", "--clients", str(file))  # fmt: skip
    assert (status, err) == (0, "")
    (secret,) = out.split()
    scopes = frozenset({Scope.READ, Scope.RECORD})
    client = Client("ci", scopes, token_sha256=token_digest(secret), rate=10.0)
    assert load_clients(file) == (client,)
    status, out, err = token(capsys, "ci", "--clients", str(file))
    assert (status, out) == (2, "")
    assert f"{file}:2:1: error: two clients have the name 'ci'" in err
    assert load_clients(file) == (client,)


def test_without_a_file_the_lines_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = token(capsys, "reader")
    assert status == 0
    file = tmp_path / "clients.toml"
    file.write_text(err)
    expected = Client("reader", frozenset({Scope.READ}), token_sha256=token_digest(out.strip()))
    assert load_clients(file) == (expected,)


def test_a_token_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = token(capsys, "a", "--json")
    assert (status, err) == (0, "")
    answer = json.loads(out)
    assert token_digest(answer["token"]) in answer["client"]
    status, out, _ = token(capsys, "a b", "--json")
    assert status == 2
    assert json.loads(out)["error"]["kind"] == "UsageError"


def test_a_broken_file_is_told_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "clients.toml"
    file.write_text("[[client]]\nname = \n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        status, _, err = token(capsys, "b", "--clients", str(file))
    assert status == 2
    assert f"{file}:2:8: error: this is no TOML" in err
