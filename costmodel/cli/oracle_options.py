"""Options about an oracle: how a server is reached, and how a client reaches it."""

from __future__ import annotations

import functools
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = [
    "asks_oracle", "check_rate_option", "fallback_option", "listens", "refuse_local",
    "runs_command",
]  # fmt: skip

Command = TypeVar("Command", bound=Callable[..., Any])

# Whether a file can be read is found out by reading it, with a better message.
_FILE = click.Path(readable=False, path_type=Path)


def check_rate_option(
    _context: click.Context, _parameter: click.Parameter, value: float | None
) -> float | None:
    """Calls a second; a range check lets ``nan`` through."""
    if value is not None and not (math.isfinite(value) and 1 / 3600 <= value <= 1e6):
        raise click.BadParameter(
            f"{value} is no number of calls a second, from one an hour (1/3600) to a million"
        )
    return value


_LISTENING = (
    click.option(
        "--listen",
        default="127.0.0.1:50151",
        show_default=True,
        metavar="HOST:PORT",
        help="Where to listen: HOST:PORT, [IPV6]:PORT or unix:PATH, a socket for this user alone; "
        "port 0 takes a free one. Beyond this machine only with TLS, and with --clients or "
        "--client-ca.",
    ),
    click.option(
        "--tls-cert",
        type=_FILE,
        metavar="FILE",
        help="The server's certificate, then those that lead to its authority (PEM). Read again "
        "when it changes.",
    ),
    click.option(
        "--tls-key", type=_FILE, metavar="FILE", help="The certificate's key (PEM, no passphrase)."
    ),
    click.option(
        "--client-ca",
        type=_FILE,
        metavar="FILE",
        help="The authorities of the clients' certificates (PEM): every client needs one. Without "
        "--clients each may read, and no more.",
    ),
    click.option(
        "--clients",
        type=_FILE,
        metavar="FILE",
        help="Who may call, and what each may do (TOML); `costmodel token` writes it. Read again "
        "when it changes. Without it all who reach the server on this machine may do everything.",
    ),
    click.option(
        "--rate",
        type=float,
        callback=check_rate_option,
        metavar="N",
        help="Calls a second that a client may make, where the file says no other; no limit by "
        "default.",
    ),
    click.option(
        "--max-calls",
        "calls",
        type=click.IntRange(min=1),
        default=256,
        show_default=True,
        metavar="N",
        help="Calls that a client may have under way at once, where clients prove who they are.",
    ),
)


def listens(command: Command) -> Command:
    """Add where a server listens and whom it answers.

    The command gets them as ``security``, a SecurityOptions.
    """
    names = ("listen", "tls_cert", "tls_key", "client_ca", "clients", "rate", "calls")

    @functools.wraps(command)
    def with_security(**values: Any) -> Any:
        from costmodel.oracle.security import SecurityOptions

        security = SecurityOptions(**{name: values.pop(name) for name in names})
        return command(security=security, **values)

    found: Command = _with(_LISTENING, with_security)
    return found


#: Where a context keeps the address that an option gave.
_GIVEN = "costmodel.oracle.given"

_ASKING = (
    click.option(
        "--oracle",
        metavar="ADDRESS",
        help="Ask this server: [grpcs://]HOST:PORT or unix:PATH; by default $COSTMODEL_ORACLE. TLS "
        "unless it is on this machine or the address begins with grpc://.",
    ),
    click.option(
        "--oracle-ca",
        type=_FILE,
        metavar="FILE",
        help="The authority of the server's certificate (PEM); by default $COSTMODEL_ORACLE_CA, or "
        "else the public ones.",
    ),
    click.option(
        "--oracle-cert",
        type=_FILE,
        metavar="FILE",
        help="The certificate to show to the server (PEM); by default $COSTMODEL_ORACLE_CERT.",
    ),
    click.option(
        "--oracle-key",
        type=_FILE,
        metavar="FILE",
        help="The key of that certificate; by default $COSTMODEL_ORACLE_KEY.",
    ),
    click.option(
        "--token-file",
        type=_FILE,
        metavar="FILE",
        help="The token to show to the server, alone in a file; by default the one in "
        "$COSTMODEL_ORACLE_TOKEN.",
    ),
)


def asks_oracle(command: Command) -> Command:
    """Add how a client reaches an oracle.

    The command gets it as ``oracle``: a Connection, or None where no oracle is named.
    """

    @functools.wraps(command)
    def with_connection(
        *,
        oracle: str | None,
        oracle_ca: Path | None,
        oracle_cert: Path | None,
        oracle_key: Path | None,
        token_file: Path | None,
        **values: Any,
    ) -> Any:
        from costmodel.oracle.connection import find_connection

        click.get_current_context().meta[_GIVEN] = oracle
        connection = find_connection(
            oracle, ca=oracle_ca, cert=oracle_cert, key=oracle_key, token_file=token_file
        )
        return command(oracle=connection, **values)

    found: Command = _with(_ASKING, with_connection)
    return found


def runs_command(verb: str, name: str) -> str:
    """The command of ``costmodel runs`` to be pasted: with the address, where an option gave it."""
    given = click.get_current_context().meta.get(_GIVEN)
    at = "" if given is None else f" --oracle {shlex.quote(given)}"
    return f"costmodel runs {verb} {name}{at}"


fallback_option = click.option(
    "--fallback",
    is_flag=True,
    help="Where the oracle cannot be reached, answer as without one, with a note; otherwise that "
    "is an error.",
)


def refuse_local(*, store: Path | None, weights: Path | None) -> None:
    """Refuse what an oracle answers from its own. Raises UsageError."""
    from costmodel.errors import UsageError

    for option, value in (("--store", store), ("--weights", weights)):
        if value is not None:
            raise UsageError(
                f"{option} says what this machine answers from, and the oracle is asked",
                hint="leave it out, or say with --fallback what answers where the oracle is away; "
                "COSTMODEL_ORACLE= asks none",
            )


def _with(options: tuple[Callable[[Any], Any], ...], command: Any) -> Any:
    for option in reversed(options):
        command = option(command)
    return command
