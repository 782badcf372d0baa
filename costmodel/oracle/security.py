"""What an operator says about a server's safety, checked as a whole and made into its parts."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc

from costmodel.errors import UsageError
from costmodel.oracle.access import Access, Client
from costmodel.oracle.certificates import Renewal, ending_soon, server_credentials
from costmodel.oracle.clients import load_clients
from costmodel.oracle.files import warn_if_public
from costmodel.oracle.guarding import Guard
from costmodel.oracle.limiting import check_rate
from costmodel.oracle.listening import Listening, bind, check_exposure, parse_listening
from costmodel.records import SourceLocation

__all__ = ["Security", "SecurityOptions", "secure"]


@dataclass(frozen=True)
class SecurityOptions:
    """Where a server listens and whom it answers.

    ``listen`` is HOST:PORT or unix:PATH. With ``client_ca`` every client needs a certificate of
    that authority. ``rate`` is of clients that have none of their own in the file, in calls a
    second; no limit for None. Where clients are told apart each may have ``calls`` under way.
    """

    listen: str = "127.0.0.1:50151"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    clients: Path | None = None
    rate: float | None = None
    calls: int = 256


@dataclass(frozen=True)
class Security:
    """The parts: where to listen, TLS or None for none, who callers are, the interceptor."""

    listening: Listening
    credentials: grpc.ServerCredentials | None
    access: Access
    guard: Guard

    def bind(self, server: grpc.aio.Server) -> str:
        """Have the server listen; see bind of costmodel.oracle.listening."""
        return bind(server, self.listening, self.credentials)


def secure(options: SecurityOptions) -> Security:
    """The parts that the options ask for.

    Warns of a certificate that ends soon and of a key that anyone can read. Raises UsageError for
    files that cannot be used, options that contradict each other, and a server that others could
    reach but not trust.
    """
    listening = parse_listening(options.listen)
    _check_options(options)
    authenticated = options.clients is not None or options.client_ca is not None
    check_exposure(listening, tls=options.tls_cert is not None, authenticated=authenticated)
    access = _access(options)
    guard = Guard(access, calls=options.calls if authenticated else None)
    return Security(listening, _credentials(options), access, guard)


def _check_options(options: SecurityOptions) -> None:
    if (options.tls_cert is None) != (options.tls_key is None):
        raise UsageError("--tls-cert and --tls-key go together", hint="give both, or neither")
    if options.client_ca is not None and options.tls_cert is None:
        raise UsageError(
            "--client-ca is of no use without TLS", hint="give --tls-cert FILE and --tls-key FILE"
        )
    if options.rate is not None:
        try:
            check_rate(options.rate)
        except ValueError as error:
            raise UsageError(f"--rate: {error}") from error


def _credentials(options: SecurityOptions) -> grpc.ServerCredentials | None:
    if options.tls_cert is None or options.tls_key is None:
        return None
    renewal = Renewal(options.tls_cert, options.tls_key, options.client_ca)
    warn_if_public(options.tls_key, "key")
    soon = ending_soon(renewal.identity)
    if soon is not None:
        warnings.warn(soon, stacklevel=2)
    return server_credentials(renewal, require_client=options.client_ca is not None)


def _access(options: SecurityOptions) -> Access:
    mutual = options.client_ca is not None
    path = options.clients
    if path is None:
        return Access(certificates=mutual, rate=options.rate)
    read = partial(_clients, path, mutual)
    return Access(read(), certificates=mutual, rate=options.rate, reload=(path, read))


def _clients(path: Path, mutual: bool) -> tuple[Client, ...]:
    clients = load_clients(path)
    by_certificate = [client.name for client in clients if client.certificate]
    if by_certificate and not mutual:
        raise UsageError(
            f"{by_certificate[0]} is known by a certificate, and none is asked for",
            location=SourceLocation(str(path)),
            hint="give --client-ca FILE, the authority of the clients' certificates",
        )
    return clients
