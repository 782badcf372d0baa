from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costmodel.errors import UsageError
from costmodel.oracle.certificates import (
    Identity,
    Renewal,
    channel_credentials,
    ending_soon,
    load_authorities,
    load_identity,
    server_credentials,
)
from tests.oracle.papers import DAY, Pair, issue, write_authority


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def pair(tmp_path: Path, authority: trustme.CA) -> Pair:
    return issue(tmp_path, authority, "127.0.0.1")


def self_signed(folder: Path, key: object, *extensions: x509.ExtensionType) -> Pair:
    """What trustme does not make."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "own")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(now - DAY).not_valid_after(now + 90 * DAY)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    pem = serialization.Encoding.PEM
    pair = Pair(folder / "own.pem", folder / "own.key")
    pair.cert.write_bytes(builder.sign(key, algorithm).public_bytes(pem))
    pair.key.write_bytes(
        key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip
    pair.key.chmod(0o600)
    return pair


@pytest.mark.parametrize("kind", list(trustme.KeyType))
def test_a_good_pair(tmp_path: Path, authority: trustme.CA, kind: trustme.KeyType) -> None:
    pair = issue(tmp_path, authority, "127.0.0.1", kind=kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        identity = load_identity(pair.cert, pair.key)
    assert ending_soon(identity) is None
    assert "PRIVATE" not in repr(identity)
    assert identity.chain.count(b"BEGIN CERTIFICATE") == 1


def test_one_file_may_hold_both(pair: Pair) -> None:
    both = pair.cert.with_name("both.pem")
    both.write_bytes(pair.key.read_bytes() + pair.cert.read_bytes())
    both.chmod(0o600)
    assert load_identity(both, both).chain


def test_a_chain_keeps_its_order(tmp_path: Path, authority: trustme.CA) -> None:
    between = authority.create_child_ca()
    pair = issue(tmp_path, between, "127.0.0.1")
    identity = load_identity(pair.cert, pair.key)
    assert identity.chain == pair.cert.read_bytes()
    parts = x509.load_pem_x509_certificates(identity.chain)
    assert len(parts) == 2
    pem = serialization.Encoding.PEM
    pair.cert.write_bytes(b"".join(each.public_bytes(pem) for each in reversed(parts)))
    with pytest.raises(UsageError, match="not the first in it"):
        load_identity(pair.cert, pair.key)


def refused(problem: str, cert: Path, key: Path, where: Path, **more: object) -> UsageError:
    with pytest.raises(UsageError, match=problem) as caught:
        load_identity(cert, key, **more)
    assert caught.value.location is not None
    assert caught.value.location.file == str(where)
    assert caught.value.exit_status == 2
    return caught.value


def test_time(tmp_path: Path, authority: trustme.CA) -> None:
    old = issue(tmp_path, authority, "a", begins=-9 * DAY, ends=-DAY)
    assert "renew" in str(refused("ended on", old.cert, old.key, old.cert))
    new = issue(tmp_path, authority, "a", begins=DAY)
    assert "clock" in str(refused("begins on", new.cert, new.key, new.cert))


@pytest.mark.parametrize(
    ("left", "words"),
    [(13.5, "in 13 days"), (1.5, "tomorrow"), (0.5, "today"), (14.5, None)],
)
def test_a_certificate_that_ends_soon(
    tmp_path: Path, authority: trustme.CA, left: float, words: str | None
) -> None:
    pair = issue(tmp_path, authority, "a", ends=left * DAY)
    said = ending_soon(load_identity(pair.cert, pair.key))
    assert said is None if words is None else said is not None and words in said


def test_a_key_of_another_certificate(tmp_path: Path, authority: trustme.CA, pair: Pair) -> None:
    other = issue(tmp_path, authority, "b", file="other")
    refused("does not belong", pair.cert, other.key, other.key)


def test_files_taken_for_each_other(pair: Pair) -> None:
    error = refused("no certificate can be read", pair.key, pair.cert, pair.key)
    assert "taken for each other" in str(error)
    error = refused("no key can be read", pair.cert, pair.cert, pair.cert)
    assert "looks like a certificate" in str(error)


def test_a_key_with_a_passphrase(pair: Pair) -> None:
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    for style in (
        serialization.PrivateFormat.PKCS8,
        serialization.PrivateFormat.TraditionalOpenSSL,
    ):
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, style, serialization.BestAvailableEncryption(b"x")
            )
        )
        assert "openssl pkey" in str(refused("passphrase", pair.cert, pair.key, pair.key))


def test_files_that_are_no_pem(pair: Pair, tmp_path: Path) -> None:
    parsed = x509.load_pem_x509_certificate(pair.cert.read_bytes())
    pair.cert.write_bytes(parsed.public_bytes(serialization.Encoding.DER))
    assert "DER" in str(refused("no certificate", pair.cert, pair.key, pair.cert))
    for content in (b"", b"\0" * 100, b"hello"):
        pair.cert.write_bytes(content)
        refused("no certificate", pair.cert, pair.key, pair.cert)
    for missing in (tmp_path / "none", tmp_path):
        refused("cannot be read", missing, pair.key, missing)
        with pytest.raises(UsageError, match="cannot be read"):
            load_authorities(missing)
    refused("this is no certificate", Path("/dev/zero"), pair.key, Path("/dev/zero"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(pair: Pair) -> None:
    pair.key.chmod(0)
    refused("Permission denied", pair.cert, pair.key, pair.key)


def test_a_key_that_anyone_can_read_is_spoken_of(pair: Pair) -> None:
    pair.key.chmod(0o644)
    with pytest.warns(UserWarning, match=r"anyone can read the key in .*chmod 600"):
        channel_credentials(None, pair.cert, pair.key)


@pytest.mark.parametrize(
    "key",
    [
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256K1()),
        rsa.generate_private_key(65537, 1024),
    ],
    ids=["ed25519", "secp256k1", "rsa1024"],
)
def test_keys_that_grpc_cannot_use(tmp_path: Path, key: object) -> None:
    pair = self_signed(tmp_path, key)
    assert "ECDSA" in str(refused("a key of this kind", pair.cert, pair.key, pair.key))


def test_a_certificate_for_another_purpose(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    client = ExtendedKeyUsageOID.CLIENT_AUTH
    pair = self_signed(tmp_path, key, x509.ExtendedKeyUsage([client]))
    refused("not for a server", pair.cert, pair.key, pair.cert)
    assert load_identity(pair.cert, pair.key, client).chain
    pair = self_signed(tmp_path, key, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]))
    refused("not for a client", pair.cert, pair.key, pair.cert, purpose=client)


def test_authorities(tmp_path: Path, authority: trustme.CA, pair: Pair) -> None:
    good = write_authority(tmp_path, authority)
    assert load_authorities(good) == good.read_bytes()
    with pytest.raises(UsageError, match="not one that it signed"):
        load_authorities(pair.cert)
    good.write_bytes(pair.cert.read_bytes() + authority.cert_pem.bytes())
    assert load_authorities(good) == authority.cert_pem.bytes()


def test_an_authority_that_has_ended(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "old")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
        .public_key(key.public_key()).not_valid_before(now - 9 * DAY).not_valid_after(now - DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = tmp_path / "old.pem"
    file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    with pytest.raises(UsageError, match="ended on"):
        load_authorities(file)


def test_renewal_reads_what_changed_and_keeps_what_works(
    tmp_path: Path, authority: trustme.CA, pair: Pair
) -> None:
    renewal = Renewal(pair.cert, pair.key, write_authority(tmp_path, authority))
    first = renewal.identity
    assert renewal() is None
    pair.cert.write_bytes(b"broken")
    assert renewal() is None
    assert renewal.identity is first
    issue(tmp_path, authority, "127.0.0.1", begins=-9 * DAY, ends=-DAY)
    assert renewal() is None
    issue(tmp_path, authority, "127.0.0.1", ends=5 * DAY)
    assert renewal() is not None
    assert renewal.identity.ends < first.ends
    assert renewal() is None
    pair.key.unlink()
    assert renewal() is None
    assert renewal.identity.ends < first.ends


_AUTHORITY = trustme.CA()
_LEAF = _AUTHORITY.issue_cert("127.0.0.1", common_name="leaf")
_CERT = b"".join(each.bytes() for each in _LEAF.cert_chain_pems)
_KEY = _LEAF.private_key_pem.bytes()
_ROOT = _AUTHORITY.cert_pem.bytes()


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file that was cut, overwritten in places, or mixed with others."""
    data = bytearray(draw(st.sampled_from([whole, whole, _CERT, _KEY, _ROOT, whole + whole])))
    for _ in range(draw(st.integers(0, 3))):
        begin = draw(st.integers(0, len(data)))
        end = draw(st.integers(begin, min(len(data), begin + 60)))
        letters = st.binary(max_size=20) | st.text("ABCDabcd0123+/=-\n", max_size=60).map(
            str.encode
        )
        data[begin:end] = draw(letters)
    return bytes(data[: draw(st.integers(0, len(data)) | st.just(len(data)))])


def outcome(trial: Callable[[], Any]) -> Any:
    try:
        return trial()
    except UsageError as error:
        return error


@settings(
    max_examples=400, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(cert=damaged(_CERT), key=damaged(_KEY), root=damaged(_ROOT))
def test_no_file_ends_the_process_or_surprises_grpc(
    tmp_path: Path, cert: bytes, key: bytes, root: bytes
) -> None:
    """Either refused with a message, or taken by gRPC: a server does listen with it."""
    files = [tmp_path / name for name in ("cert", "key", "root")]
    for file, content in zip(files, (cert, key, root), strict=True):
        file.write_bytes(content)
        file.chmod(0o600)
    for trial in (partial(channel_credentials, files[2]),
                  partial(channel_credentials, None, *files[:2])):  # fmt: skip
        made = outcome(trial)
        assert not isinstance(made, UsageError) or made.location is not None
    renewal = outcome(partial(Renewal, *files))
    if isinstance(renewal, UsageError):
        assert renewal.location is not None
        return
    server = grpc.server(None)  # type: ignore[arg-type]
    assert server.add_secure_port("127.0.0.1:0", server_credentials(renewal, require_client=True))
    server.stop(None)


def test_the_whole_files_do_reach_grpc(tmp_path: Path) -> None:
    """What the test above lets through is something."""
    for name, content in (("cert", _CERT), ("key", _KEY), ("root", _ROOT)):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "key").chmod(0o600)
    assert channel_credentials(tmp_path / "root", tmp_path / "cert", tmp_path / "key")
    identity = Renewal(tmp_path / "cert", tmp_path / "key", tmp_path / "root").identity
    assert isinstance(identity, Identity)
    assert identity.ends - datetime.now(UTC) > timedelta(days=1)
