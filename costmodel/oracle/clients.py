"""The operator's file of clients: who may call, known by what, and what each may do.

    [[client]]
    name = "ci"
    token_sha256 = "..."            # or: certificate = "common or alternative name"
    scopes = ["read", "record"]
    rate = 100                      # calls a second; optional

Only hashes of tokens are in it; `costmodel token` makes both.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from costmodel.errors import UsageError
from costmodel.oracle.access import Client, Scope, token_digest
from costmodel.oracle.files import read_file
from costmodel.oracle.limiting import check_rate
from costmodel.records import SourceLocation

__all__ = ["add_client", "client_text", "load_clients", "new_token", "parse_clients"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:/-]{0,127}")
_HASH = re.compile(r"[0-9a-f]{64}")
_HEADER = re.compile(r"\s*\[\[\s*client\s*\]\]")
_AT_LINE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_SCOPES = ", ".join(Scope)


def new_token() -> str:
    """A token of 256 random bits; its beginning tells scanners for secrets what it is."""
    return f"costmodel_{secrets.token_urlsafe(32)}"


def client_text(name: str, token: str, scopes: tuple[Scope, ...], rate: float | None) -> str:
    """The client as lines for the file. Raises UsageError for a name or rate that none has."""
    entry: dict[str, Any] = {"name": name, "token_sha256": token_digest(token),
                             "scopes": [str(scope) for scope in scopes]}  # fmt: skip
    if rate is not None:
        entry["rate"] = rate
    for key, value in entry.items():
        try:
            _FIELDS[key](value)
        except ValueError as error:
            raise UsageError(f"{key}: {error}") from error
    lines = [f'name = "{name}"', f'token_sha256 = "{entry["token_sha256"]}"']
    lines.append("scopes = [" + ", ".join(f'"{scope}"' for scope in scopes) + "]")
    if rate is not None:
        lines.append(f"rate = {rate:g}")
    return "\n".join(["[[client]]", *lines, ""])


def add_client(path: Path, text: str) -> None:
    """Add the lines of a client to a file, which is made where there is none.

    Raises UsageError where the file would not be one of clients any more; it is as it was then.
    A server never sees half of it.
    """
    before = read_file(path, "clients file") if path.exists() else b""
    gap = b"\n" if before.endswith(b"\n") else b"\n\n" if before else b""
    after = before + gap + text.encode()
    parse_clients(path, after)
    try:
        _replace(path.resolve(), after)
    except OSError as error:
        raise UsageError(
            f"the client cannot be added: {error.strerror}", location=SourceLocation(str(path))
        ) from error


def _replace(path: Path, data: bytes) -> None:
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
        try:
            new.write(data)
            new.flush()
            os.fchmod(new.fileno(), mode)
            os.replace(new.name, path)
        except OSError:
            os.unlink(new.name)
            raise


def load_clients(path: Path) -> tuple[Client, ...]:
    """The clients of a file; see parse_clients. Raises UsageError also where it cannot be read."""
    return parse_clients(path, read_file(path, "clients file"))


def parse_clients(path: Path, data: bytes) -> tuple[Client, ...]:
    """The clients in the text of a file.

    Raises UsageError, with the line where one is to blame, for text that is no TOML, fields that
    there are not, unknown scopes, and clients that are there twice.
    """
    try:
        text = data.decode()
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise UsageError(f"this is no text: {error}", location=SourceLocation(str(path))) from error
    except tomllib.TOMLDecodeError as error:
        raise _syntax(path, error) from error
    places = _Places(path, text)
    for key in table:
        if key != "client":
            raise places.refusal(f"there is no {key!r} in a clients file", key=key)
    entries = table.get("client")
    if not isinstance(entries, list) or not entries:
        raise places.refusal("there is no client in it: write [[client]] and its fields")
    clients = tuple(_client(entry, number, places) for number, entry in enumerate(entries))
    _check_different(clients, places)
    return clients


class _Places:
    """Where things are in the file: TOML's parser does not tell, and an operator wants to know."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()
        self._headers = [n for n, line in enumerate(self._lines) if _HEADER.match(line)]

    def refusal(
        self, problem: str, number: int | None = None, key: str | None = None
    ) -> UsageError:
        """An error about the ``number``-th client, and its field ``key``."""
        line, column = self._find(number, key)
        return UsageError(
            problem,
            location=SourceLocation(str(self._path), line, column),
            hint=f"a client has a name, token_sha256 or certificate, scopes (of {_SCOPES}), "
            "and may have a rate",
        )

    def _find(self, number: int | None, key: str | None) -> tuple[int, int]:
        begin, end = 0, len(self._lines)
        if number is not None:
            if number >= len(self._headers):
                return 0, 0
            begin = self._headers[number]
            end = next((each for each in self._headers if each > begin), end)
        if key is not None:
            field = re.compile(rf"\s*\[*\s*[\"']?{re.escape(key)}\b")
            for line in range(begin, end):
                if field.match(self._lines[line]):
                    return line + 1, 1
        return (0, 0) if number is None else (begin + 1, 1)


def _syntax(path: Path, error: tomllib.TOMLDecodeError) -> UsageError:
    message = str(error)
    match = _AT_LINE.search(message)
    line, column = (int(match[1]), int(match[2])) if match and match[1] else (0, 0)
    return UsageError(
        f"this is no TOML: {_AT_LINE.sub('', message)}",
        location=SourceLocation(str(path), line, column),
    )


def _client(entry: object, number: int, places: _Places) -> Client:
    if not isinstance(entry, Mapping):
        raise places.refusal("a client is a table: write [[client]] and its fields", number)
    values: dict[str, Any] = {}
    for key, value in entry.items():
        if key not in _FIELDS:
            raise places.refusal(f"there is no field {key!r}", number, key)
        try:
            values[key] = _FIELDS[key](value)
        except ValueError as error:
            raise places.refusal(f"{key}: {error}", number, key) from error
    for key in ("name", "scopes"):
        if key not in values:
            raise places.refusal(f"the client has no {key}", number)
    if ("token_sha256" in values) == ("certificate" in values):
        raise places.refusal("a client has either token_sha256 or certificate", number)
    return Client(**values)


def _check_different(clients: tuple[Client, ...], places: _Places) -> None:
    for key in ("name", "token_sha256", "certificate"):
        seen: dict[str, int] = {}
        for number, client in enumerate(clients):
            value = getattr(client, key)
            if value is None:
                continue
            if value in seen:
                problem = f"two clients have the {key} {value!r}: this and one below it"
                raise places.refusal(problem, seen[value], key)
            seen[value] = number


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} is no name: 1 to 128 letters, digits and ._@:/-, a letter or digit first"
        )
    return value


def _hash(value: object) -> str:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        # Not the value: it may be the token itself, and messages end up in logs.
        raise ValueError("a hash is 64 lower-case hexadecimal digits, and not the token itself")
    return value


def _certificate(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or value != value.strip():
        raise ValueError(f"{value!r} is no name of a certificate")
    return value


def _scopes(value: object) -> frozenset[Scope]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"a list with one or more of {_SCOPES} is needed")
    for each in value:
        if each not in list(Scope):
            raise ValueError(f"there is no scope {each!r}, but {_SCOPES}")
    return frozenset(map(Scope, value))


_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "name": _name,
    "token_sha256": _hash,
    "certificate": _certificate,
    "scopes": _scopes,
    "rate": check_rate,
}
