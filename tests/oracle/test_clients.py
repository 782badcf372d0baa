from __future__ import annotations

import stat
from pathlib import Path

import pytest

from costmodel.errors import UsageError
from costmodel.oracle.access import Client, Scope, token_digest
from costmodel.oracle.clients import add_client, client_text, load_clients, new_token

HASH = token_digest("t")
GOOD = f"""# ours
[[client]]
name = "ci"
token_sha256 = "{HASH}"
scopes = ["read", "record"]
rate = 2.5

[[client]]
name = "farm@example.org"
certificate = "worker 1"
scopes = ["admin"]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clients.toml"


def test_a_file_of_clients(path: Path) -> None:
    path.write_text(GOOD)
    assert load_clients(path) == (
        Client("ci", frozenset({Scope.READ, Scope.RECORD}), token_sha256=HASH, rate=2.5),
        Client("farm@example.org", frozenset({Scope.ADMIN}), certificate="worker 1"),
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('name = "ci"', "name = ", 3, "no TOML"),
        ('name = "ci"', "", 2, "the client has no name"),
        ('name = "ci"', 'name = ""', 3, "no name"),
        ('name = "ci"', 'name = "a b"', 3, "no name"),
        ('name = "ci"', "name = 3", 3, "no name"),
        ('name = "ci"', 'name = "ci"\ntoken = "x"', 4, "no field 'token'"),
        (HASH, HASH[1:], 4, "64 lower-case"),
        (HASH, HASH.upper(), 4, "64 lower-case"),
        (HASH, "costmodel_secret", 4, "not the token itself"),
        ('["read", "record"]', '["reed"]', 5, "no scope 'reed'"),
        ('["read", "record"]', "[]", 5, "one or more"),
        ('["read", "record"]', '"read"', 5, "one or more"),
        ('["read", "record"]', "[1]", 5, "no scope 1"),
        ('["read", "record"]', "[[]]", 5, r"no scope \[\]"),
        ("2.5", "0", 6, "calls a second"),
        ("2.5", "-1", 6, "calls a second"),
        ("2.5", "nan", 6, "calls a second"),
        ("2.5", "true", 6, "calls a second"),
        ("2.5", '"2"', 6, "calls a second"),
        ('certificate = "worker 1"', "", 8, "either token_sha256 or certificate"),
        ('certificate = "worker 1"', 'certificate = " "', 10, "no name of a certificate"),
        ('certificate = "worker 1"', f'token_sha256 = "{HASH}"', 4, "two clients"),
        ('"farm@example.org"', '"ci"', 3, "two clients have the name"),
        ('scopes = ["admin"]', "", 8, "no scopes"),
        ("# ours", "rate = 3", 1, "there is no 'rate'"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    path: Path, old: str, new: str, line: int, message: str
) -> None:
    assert GOOD.count(old) == 1
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(UsageError, match=message) as caught:
        load_clients(path)
    place = caught.value.location
    assert place is not None
    assert (place.file, place.line) == (str(path), line)
    assert place.column > 0
    assert caught.value.exit_status == 2
    assert "costmodel_secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "client = 3", "client = []", "[client]\nname = 'x'", "client=[1]"]
)
def test_a_file_without_clients_lets_nobody_in_and_is_refused(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(UsageError, match=r"\[\[client\]\]"):
        load_clients(path)


def test_clients_written_inline_are_told_without_a_line(path: Path) -> None:
    path.write_text("client = [{name = 'a', scopes = ['reed'], certificate = 'x'}]")
    with pytest.raises(UsageError, match="no scope 'reed'") as caught:
        load_clients(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_files_that_cannot_be_read(tmp_path: Path, path: Path) -> None:
    for place in (path, tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            load_clients(place)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="no text"):
        load_clients(path)
    with pytest.raises(UsageError, match="this is no clients file"):
        load_clients(Path("/dev/zero"))


def test_a_new_client_is_added_with_the_hash_of_its_token(path: Path) -> None:
    tokens = [new_token() for _ in range(3)]
    assert len(set(tokens)) == 3
    for number, token in enumerate(tokens):
        add_client(path, client_text(f"c{number}", token, (Scope.READ, Scope.TUNE), 0.5))
    assert [client.token_sha256 for client in load_clients(path)] == [*map(token_digest, tokens)]
    assert load_clients(path)[0] == Client(
        "c0", frozenset({Scope.READ, Scope.TUNE}), token_sha256=token_digest(tokens[0]), rate=0.5
    )
    assert not any(token in path.read_text() for token in tokens)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("before", [GOOD, GOOD.rstrip()])
def test_a_file_keeps_what_it_had_and_its_mode(path: Path, before: str) -> None:
    path.write_text(before)
    path.chmod(0o640)
    add_client(path, client_text("new", "x", (Scope.READ,), None))
    assert path.read_text().startswith(before)
    assert len(load_clients(path)) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_client_that_is_there_is_not_added_again(path: Path) -> None:
    path.write_text(GOOD)
    with pytest.raises(UsageError, match="two clients have the name 'ci'"):
        add_client(path, client_text("ci", "x", (Scope.READ,), None))
    assert path.read_text() == GOOD


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be added"):
        add_client(tmp_path / "no/clients.toml", client_text("c", "x", (Scope.READ,), None))


@pytest.mark.parametrize(("name", "rate"), [("a b", None), ("", None), ("a", 0.0), ('a"', None)])
def test_a_client_that_no_file_takes_is_refused(name: str, rate: float | None) -> None:
    with pytest.raises(UsageError):
        client_text(name, "x", (Scope.READ,), rate)
