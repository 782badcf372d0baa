"""Certificates and keys, read and judged before gRPC sees them.

gRPC takes a file that it cannot use without a word, and refuses every handshake later on. What is
given to it here is PEM that was parsed and written anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from costmodel.errors import UsageError
from costmodel.oracle.files import Watch, read_file, warn_if_public
from costmodel.records import SourceLocation

__all__ = [
    "Identity",
    "Renewal",
    "channel_credentials",
    "ending_soon",
    "load_authorities",
    "load_identity",
    "server_credentials",
]

_log = structlog.get_logger("costmodel.oracle")

#: A certificate that ends sooner than that is spoken of.
_SOON = timedelta(days=14)
#: What BoringSSL shakes hands with, as gRPC configures it.
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_RSA_BITS = 2048
#: What cryptography raises for damaged input, most of it when a part is looked at.
_DAMAGED = (
    ValueError, TypeError, KeyError, UnsupportedAlgorithm, x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType, x509.InvalidVersion,
)  # fmt: skip
_PURPOSES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "server",
    ExtendedKeyUsageOID.CLIENT_AUTH: "client",
}
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Identity:
    """A certificate with those that lead to its authority, and its key, as PEM; when it ends."""

    file: Path
    chain: bytes
    key: bytes
    ends: datetime

    def __repr__(self) -> str:
        return f"Identity({self.file}, ends {self.ends:%Y-%m-%d})"


def load_identity(
    cert: Path, key: Path, purpose: ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH
) -> Identity:
    """A certificate (first in its file, its authorities after it) and its key, both PEM.

    Raises UsageError for a file that cannot be read or used, a certificate that has ended or has
    not begun or is for another purpose, a key with a passphrase, a key of another certificate.
    """
    chain = _certificates(cert, read_file(cert, "certificate"))
    private = _private_key(key, read_file(key, "key"))
    try:
        _check_pair(cert, chain, key, private)
        _check_kind(key, private)
        _check_purpose(cert, chain[0], purpose)
        for each in chain:
            _check_time(cert, each)
        return Identity(
            cert,
            b"".join(each.public_bytes(_PEM) for each in chain),
            private.private_bytes(
                _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
            min(each.not_valid_after_utc for each in chain),
        )
    except _DAMAGED as error:
        raise _refusal(cert, f"the certificate cannot be used: {error}") from error


def load_authorities(file: Path) -> bytes:
    """The certificates of authorities that are good today, as PEM.

    Raises UsageError for a file that cannot be read, that has none, or none that is good today.
    """
    found = _certificates(file, read_file(file, "certificate"))
    try:
        now = datetime.now(UTC)
        good = [each for each in found if each.not_valid_before_utc <= now]
        good = [each for each in good if now < each.not_valid_after_utc and _is_authority(each)]
        if not good:
            for each in found:
                _check_time(file, each)
            raise _refusal(
                file,
                "no certificate in it is that of an authority",
                hint="give the one that signed the certificates, not one that it signed",
            )
        return b"".join(each.public_bytes(_PEM) for each in good)
    except _DAMAGED as error:
        raise _refusal(file, f"a certificate cannot be used: {error}") from error


def ending_soon(identity: Identity) -> str | None:
    """What to say about a certificate of which less than 14 days are left."""
    left = identity.ends - datetime.now(UTC)
    if left > _SOON:
        return None
    days = "today" if left.days < 1 else "tomorrow" if left.days == 1 else f"in {left.days} days"
    return f"the certificate in {identity.file} ends {days}, on {identity.ends:%Y-%m-%d}: renew it"


class Renewal:
    """What gRPC asks before every handshake: a new certificate where the files have changed.

    Where the new files cannot be used the old certificate goes on, and the log says why.
    """

    def __init__(self, cert: Path, key: Path, client_ca: Path | None = None) -> None:
        """Read the files. Raises UsageError as load_identity and load_authorities do."""
        self._files = (cert, key, client_ca)
        self._watch = Watch([each for each in self._files if each is not None])
        self.identity, self.configuration = self._load()

    def _load(self) -> tuple[Identity, grpc.ServerCertificateConfiguration]:
        cert, key, client_ca = self._files
        identity = load_identity(cert, key)
        roots = None if client_ca is None else load_authorities(client_ca)
        pairs = [(identity.key, identity.chain)]
        return identity, grpc.ssl_server_certificate_configuration(pairs, roots)

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        """The new certificate, or None where the old one goes on."""
        if not self._watch.changed():
            return None
        try:
            self.identity, self.configuration = self._load()
        except UsageError as error:
            _log.error("certificate not renewed", problem=str(error), ends=str(self.identity.ends))
            return None
        _log.info("certificate renewed", ends=str(self.identity.ends))
        soon = ending_soon(self.identity)
        if soon is not None:
            _log.warning(soon)
        return self.configuration


def server_credentials(renewal: Renewal, *, require_client: bool) -> grpc.ServerCredentials:
    """TLS of at least 1.2; with ``require_client`` only for those who have a certificate."""
    make: Callable[..., grpc.ServerCredentials] = grpc.dynamic_ssl_server_credentials
    return make(renewal.configuration, renewal, require_client_authentication=require_client)


def channel_credentials(
    ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> grpc.ChannelCredentials:
    """TLS of at least 1.2 to a server that an authority of ``ca`` vouches for.

    Without ``ca`` those that gRPC knows. Raises UsageError as load_identity and
    load_authorities do.
    """
    roots = None if ca is None else load_authorities(ca)
    if cert is None or key is None:
        return grpc.ssl_channel_credentials(roots)
    identity = load_identity(cert, key, ExtendedKeyUsageOID.CLIENT_AUTH)
    warn_if_public(key, "key")
    return grpc.ssl_channel_credentials(roots, identity.key, identity.chain)


def _certificates(file: Path, data: bytes) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(data)
    except _DAMAGED as error:
        raise _refusal(
            file, f"no certificate can be read from it: {error}", _looks(data)
        ) from error


def _private_key(file: Path, data: bytes) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(data, None)
    except TypeError as error:
        raise _refusal(
            file,
            "the key has a passphrase, and a server starts without anybody to type it",
            f"openssl pkey -in {file} -out PLAIN.pem; then chmod 600 PLAIN.pem",
        ) from error
    except _DAMAGED as error:
        summary = str(error).partition(".")[0]
        raise _refusal(file, f"no key can be read from it: {summary}", _looks(data)) from error


def _looks(data: bytes) -> str:
    """A guess at what else a file may be."""
    if b"PRIVATE KEY" in data and b"CERTIFICATE" not in data:
        return "it looks like a key: were certificate and key taken for each other?"
    if b"BEGIN CERTIFICATE" in data:
        return "it looks like a certificate: is it whole, and is it the file that is meant?"
    if data.startswith(b"\x30"):
        return (
            "it looks like DER; `openssl x509 -inform der` and `openssl pkey -inform der` read it"
        )
    return "PEM is needed: text that begins with -----BEGIN"


def _check_pair(
    cert: Path, chain: Sequence[x509.Certificate], key: Path, private: PrivateKeyTypes
) -> None:
    public = private.public_key()
    if chain[0].public_key() == public:
        return
    if any(each.public_key() == public for each in chain[1:]):
        raise _refusal(cert, "the key's certificate is not the first in it",
                       "put it first, and those of its authorities after it")  # fmt: skip
    raise _refusal(key, f"the key does not belong to the certificate in {cert}",
                   "give the two that were made together")  # fmt: skip


def _check_kind(key: Path, private: PrivateKeyTypes) -> None:
    good = (
        isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, _CURVES)
    ) or (isinstance(private, rsa.RSAPrivateKey) and private.key_size >= _RSA_BITS)
    if not good:
        raise _refusal(key, "gRPC does no TLS with a key of this kind",
                       f"take RSA of {_RSA_BITS} bits, or ECDSA on P-256 or P-384")  # fmt: skip


def _check_purpose(file: Path, leaf: x509.Certificate, purpose: ObjectIdentifier) -> None:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if purpose not in usage and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in usage:
        raise _refusal(file, f"the certificate is not for a {_PURPOSES[purpose]}",
                       "its extended key usage says what it is for")  # fmt: skip


def _check_time(file: Path, certificate: x509.Certificate) -> None:
    now = datetime.now(UTC)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if ends <= now:
        raise _refusal(file, f"the certificate ended on {ends:%Y-%m-%d %H:%M} UTC",
                       "renew it")  # fmt: skip
    if now < begins:
        raise _refusal(file, f"the certificate begins on {begins:%Y-%m-%d %H:%M} UTC only",
                       "is this machine's clock right?")  # fmt: skip


def _is_authority(certificate: x509.Certificate) -> bool:
    """One of version 1 says nothing about it and is taken, as by TLS libraries."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return certificate.version is x509.Version.v1


def _refusal(file: Path, problem: str, hint: str | None = None) -> UsageError:
    return UsageError(problem, location=SourceLocation(str(file)), hint=hint)
