"""How a client reaches an oracle: where it is, whether by TLS, and who the client says it is.

Importing this module imports no gRPC. A token goes over TLS, or else stays on this machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.errors import UsageError
from costmodel.oracle.addresses import Address, parse_address
from costmodel.oracle.files import read_file, warn_if_public
from costmodel.records import SourceLocation

if TYPE_CHECKING:
    import grpc

__all__ = ["Connection", "connect_to", "find_connection", "read_token"]

_ADDRESS = "COSTMODEL_ORACLE"
_CA, _CERT, _KEY = f"{_ADDRESS}_CA", f"{_ADDRESS}_CERT", f"{_ADDRESS}_KEY"
_TOKEN = f"{_ADDRESS}_TOKEN"


@dataclass(frozen=True)
class Connection:
    """What a channel to an oracle needs; see connect_to, which checks it.

    ``address`` is ``HOST:PORT``, ``[IPv6]:PORT`` or ``unix:PATH``. ``ca`` is a PEM file of the
    authorities that may vouch for the server, those that gRPC knows for None; ``cert`` and
    ``key`` are those of the client, for mutual TLS.
    """

    address: str
    secure: bool = False
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    token: str | None = field(default=None, repr=False)

    @property
    def target(self) -> str:
        """What gRPC calls the address."""
        return self.address if self.address.startswith("unix:") else f"dns:///{self.address}"

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """To be sent with every call."""
        return () if self.token is None else (("authorization", f"Bearer {self.token}"),)

    @property
    def options(self) -> tuple[tuple[str, int], ...]:
        """To be given to every channel: without TLS no proxy gets to see a token."""
        return () if self.secure else (("grpc.enable_http_proxy", 0),)

    def credentials(self) -> grpc.ChannelCredentials | None:
        """For a secure channel; None where it is a plain one.

        Raises UsageError for a file that cannot be read or used.
        """
        if not self.secure:
            return None
        from costmodel.oracle.certificates import channel_credentials

        return channel_credentials(self.ca, self.cert, self.key)


def connect_to(
    address: str,
    *,
    ca: Path | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    token: str | None = None,
) -> Connection:
    """Say how to reach the oracle at ``[grpc://|grpcs://]HOST:PORT`` or ``unix:PATH``.

    ``grpcs://`` is TLS and ``grpc://`` is none. Without either it is TLS where the host is not
    this machine, or where a certificate is given. Raises UsageError for what contradicts itself,
    and for a token that others could read on its way.
    """
    place, scheme = _without_scheme(address)
    if place.port == 0 and not place.path:
        raise UsageError(f"--oracle {address}: nobody can be reached at port 0")
    if (cert is None) != (key is None):
        given, missing = ("certificate", "key") if key is None else ("key", "certificate")
        raise UsageError(
            f"a client's {given} was given without its {missing}",
            hint="give both --oracle-cert FILE and --oracle-key FILE",
        )
    files = ca is not None or cert is not None
    secure = scheme == "grpcs" or (scheme is None and (files or not place.local))
    if files and not secure:
        raise UsageError(
            f"--oracle {address}: certificates are for TLS, and {scheme}: is without",
            hint="write grpcs://HOST:PORT, or leave --oracle-ca, --oracle-cert, --oracle-key out",
        )
    if token is not None:
        token = _check_token(token)
        _keep_secret(place, secure)
    return Connection(str(place), secure, ca, cert, key, token)


def _without_scheme(text: str) -> tuple[Address, str | None]:
    scheme, separator, rest = text.partition("://")
    if text.startswith("unix:"):
        return parse_address(text, "--oracle"), "unix"
    if not separator:
        return parse_address(text, "--oracle"), None
    if scheme not in ("grpc", "grpcs"):
        raise UsageError(
            f"--oracle {text!r}: {scheme}:// is not spoken here",
            hint="grpcs://HOST:PORT is gRPC with TLS, grpc://HOST:PORT without",
        )
    return parse_address(rest.removesuffix("/"), "--oracle"), scheme


def _keep_secret(place: Address, secure: bool) -> None:
    if not secure and not place.local:
        raise UsageError(
            f"the token was not sent: the connection to {place} is not encrypted",
            hint=f"write grpcs://{place}; without TLS a token goes only to 127.0.0.1, ::1, "
            "localhost and unix:PATH",
        )


def _check_token(token: str) -> str:
    found = token.strip()
    if not found or not all("!" <= each <= "~" for each in found):
        # Never the token itself: messages end up in logs.
        raise UsageError(
            "the token is empty or has characters that none has",
            hint="it is one line, as `costmodel token` printed it",
        )
    return found


def read_token(path: Path) -> str:
    """The token in a file. Raises UsageError where there is none."""
    data = read_file(path, "token")
    warn_if_public(path, "token")
    try:
        return _check_token(data.decode("ascii"))
    except (UnicodeDecodeError, UsageError) as error:
        raise UsageError(
            "there is no token in it",
            location=SourceLocation(str(path)),
            hint="the file holds one line, as `costmodel token` printed it",
        ) from error


def find_connection(
    address: str | None = None,
    *,
    ca: Path | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    token: str | None = None,
    token_file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Connection | None:
    """The connection that was asked for; None where no address is given.

    What is not given is read from $COSTMODEL_ORACLE, $COSTMODEL_ORACLE_CA,
    $COSTMODEL_ORACLE_CERT, $COSTMODEL_ORACLE_KEY and $COSTMODEL_ORACLE_TOKEN; the certificates
    not where the address says ``grpc://`` or ``unix:``. Raises UsageError as connect_to and
    read_token do.
    """
    place = address or environment.get(_ADDRESS)
    if not place:
        given = {"--oracle-ca": ca, "--oracle-cert": cert, "--oracle-key": key,
                 "--token-file": token_file}  # fmt: skip
        for option, value in given.items():
            if value is not None:
                raise UsageError(
                    f"{option} is of no use without an oracle",
                    hint="give --oracle HOST:PORT, or set $COSTMODEL_ORACLE",
                )
        return None
    if not place.startswith(("grpc://", "unix:")):
        ca = ca or _file(environment, _CA)
        if cert is None and key is None:  # a pair: never half of it from each source
            cert, key = _file(environment, _CERT), _file(environment, _KEY)
    if token_file is not None:
        token = read_token(token_file)
    return connect_to(
        place, ca=ca, cert=cert, key=key, token=token or environment.get(_TOKEN) or None
    )


def _file(environment: Mapping[str, str], name: str) -> Path | None:
    value = environment.get(name)
    return Path(value) if value else None
