"""Who calls, and what each method asks of the caller."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import grpc
import structlog

from costmodel.errors import UsageError
from costmodel.oracle.files import Watch
from costmodel.oracle.status import RefusedError

__all__ = [
    "ALL_SCOPES",
    "LOCAL",
    "SCOPES",
    "Access",
    "Client",
    "Principal",
    "Scope",
    "caller",
    "check_scope",
    "current_principal",
    "enter",
    "token_digest",
]

_log = structlog.get_logger("costmodel.oracle")


class Scope(StrEnum):
    """What a client may do; ADMIN may do all."""

    READ = "read"
    RECORD = "record"
    TUNE = "tune"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True)
class Principal:
    """Who calls; ``rate`` is in calls a second, None for no limit."""

    name: str
    scopes: frozenset[Scope]
    rate: float | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the scopes have it, or have ADMIN."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


#: Every caller where nothing tells one from another: on this machine, without a clients file.
LOCAL = Principal("local", ALL_SCOPES)
#: Outside of a call: may do nothing.
_NOBODY = Principal("nobody", frozenset())
_current: ContextVar[Principal] = ContextVar("principal", default=_NOBODY)


def current_principal() -> Principal:
    """Who makes the call that is being answered; outside of one, somebody who may do nothing."""
    return _current.get()


def caller() -> dict[str, str]:
    """Who calls, as a log has it: ``client``, or nothing where that is not known."""
    principal = current_principal()
    return {} if principal is _NOBODY else {"client": principal.name}


def enter(principal: Principal) -> None:
    """Make the caller known for the rest of the call; gRPC gives each call a context of its own."""
    _current.set(principal)


def _methods() -> dict[str, Scope | None]:
    oracle = {
        Scope.READ: (
            "Predict", "Rank", "RankStream", "Lookup", "ListMeasurements", "GetTune", "WatchTune",
            "ListTunes", "DownloadTune", "ListTargets",
        ),
        Scope.RECORD: ("Record", "Lease", "Complete", "RegisterTarget"),
        Scope.TUNE: ("Tune", "CancelTune"),
    }  # fmt: skip
    table: dict[str, Scope | None] = {
        f"/costmodel.v1.Oracle/{method}": scope
        for scope, methods in oracle.items()
        for method in methods
    }
    # Load balancers ask after a server's health, and have no token.
    table |= {f"/grpc.health.v1.Health/{method}": None for method in ("Check", "List", "Watch")}
    for version in ("v1", "v1alpha"):
        table[f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"] = Scope.READ
    return table


#: The scope that each method needs; None: open to all. A method that is not here is for nobody.
SCOPES: Mapping[str, Scope | None] = MappingProxyType(_methods())


def check_scope(principal: Principal, method: str) -> None:
    """Raises RefusedError where the caller may not call ``/package.Service/Method``."""
    scope = SCOPES.get(method, Scope.ADMIN)
    if method not in SCOPES:
        raise RefusedError(f"{method} has no scope, and is for nobody")
    if scope is not None and not principal.may(scope):
        raise RefusedError(
            f"{principal.name} may not call {method.rpartition('/')[2]}: it needs the scope "
            f"{scope}, and {principal.name} has {', '.join(sorted(principal.scopes)) or 'none'}",
            hint="the operator of the server gives scopes, in its clients file",
        )


@dataclass(frozen=True)
class Client:
    """One of the operator's clients, known by the hash of its token or by its certificate."""

    name: str
    scopes: frozenset[Scope]
    token_sha256: str | None = None
    certificate: str | None = None
    rate: float | None = None


def token_digest(token: str) -> str:
    """SHA-256 in hexadecimal: enough, since tokens are drawn at random and cannot be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()


_Metadata = Iterable[tuple[str, str | bytes]]
_AuthContext = Callable[[], Mapping[str, Iterable[bytes]]]
_BEARER = re.compile(r"bearer +([!-~]+) *", re.IGNORECASE)
#: Of gRPC's authentication context; the alternative names first, as TLS does.
_NAMES = ("x509_subject_alternative_name", "x509_common_name")


class Access:
    """Says who a caller is, by the token or else by the certificate.

    Without clients everybody has every scope; with ``certificates`` (mutual TLS) everybody has
    READ, by the name in the certificate. A clients file is read again when it changes, so that a
    token can be taken away from a server that runs; where it became unusable the old one goes on.
    """

    def __init__(
        self,
        clients: tuple[Client, ...] | None = None,
        *,
        certificates: bool = False,
        rate: float | None = None,
        reload: tuple[Path, Callable[[], tuple[Client, ...]]] | None = None,
    ) -> None:
        """``rate`` is of clients that have none of their own, in calls a second."""
        self.clients = clients
        self.certificates = certificates
        self._rate = rate
        self._watch, self._read = None, None
        if reload is not None:
            self._watch, self._read = Watch([reload[0]]), reload[1]

    def identify(self, metadata: _Metadata, auth_context: _AuthContext) -> Principal:
        """Who sent this metadata over a connection of that context.

        Raises RefusedError, as UNAUTHENTICATED without a token or with an unknown one, as
        PERMISSION_DENIED for a certificate that is no client's.
        """
        self._refresh()
        names = _certificate_names(auth_context()) if self.certificates else ()
        if self.clients is None:
            if not self.certificates:
                return self._principal(LOCAL)
            return self._unlisted(names)
        tokens = [value for key, value in metadata if key == "authorization"]
        if tokens:
            return self._principal(self._by_token(self.clients, tokens))
        if names:
            return self._principal(self._by_certificate(self.clients, names))
        raise RefusedError(
            "the call has no token",
            hint="give one: --token-file FILE, or $COSTMODEL_ORACLE_TOKEN",
            code=grpc.StatusCode.UNAUTHENTICATED,
        )

    def _refresh(self) -> None:
        if self._watch is None or self._read is None or not self._watch.changed():
            return
        try:
            self.clients = self._read()
        except UsageError as error:
            _log.error("clients not read again", problem=str(error))
        else:
            _log.info("clients read again", clients=len(self.clients))

    def _principal(self, client: Client | Principal) -> Principal:
        rate = self._rate if client.rate is None else client.rate
        return Principal(client.name, client.scopes, rate)

    def _unlisted(self, names: tuple[str, ...]) -> Principal:
        if not names:
            raise RefusedError(
                "the certificate has no name in it", code=grpc.StatusCode.UNAUTHENTICATED
            )
        return Principal(names[0], frozenset({Scope.READ}), self._rate)

    def _by_token(self, clients: tuple[Client, ...], values: list[str | bytes]) -> Client:
        given = values[0] if len(values) == 1 else ""
        match = _BEARER.fullmatch(given) if isinstance(given, str) else None
        digest = "" if match is None else token_digest(match[1])
        found = None
        for client in clients:  # to the end: how long it takes says nothing
            if client.token_sha256 and hmac.compare_digest(client.token_sha256, digest):
                found = client
        if found is None:
            raise RefusedError(
                "the token is not known here" if match else "the call has no bearer token",
                hint="ask the operator of the server for a new one, and give it with "
                "--token-file FILE or in $COSTMODEL_ORACLE_TOKEN",
                code=grpc.StatusCode.UNAUTHENTICATED,
            )
        return found

    def _by_certificate(self, clients: tuple[Client, ...], names: tuple[str, ...]) -> Client:
        known = {client.certificate: client for client in clients if client.certificate}
        for name in names:
            if name in known:
                return known[name]
        raise RefusedError(
            f"the certificate of {' or '.join(names[:3])[:200]} is no client's",
            hint="the operator of the server lists clients in its clients file",
        )


def _certificate_names(context: Mapping[str, Iterable[bytes]]) -> tuple[str, ...]:
    values = (value.decode(errors="replace") for key in _NAMES for value in context.get(key, ()))
    return tuple(dict.fromkeys(filter(None, values)))
