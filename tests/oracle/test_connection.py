from __future__ import annotations

from pathlib import Path

import pytest

from costmodel.errors import UsageError
from costmodel.oracle.connection import Connection, connect_to, find_connection, read_token

CA, CERT, KEY = Path("ca.pem"), Path("cert.pem"), Path("key.pem")


@pytest.mark.parametrize(
    ("text", "address", "secure"),
    [
        ("127.0.0.1:5", "127.0.0.1:5", False),
        ("127.0.0.1", "127.0.0.1:50151", False),
        ("localhost:5", "localhost:5", False),
        ("[::1]:5", "[::1]:5", False),
        ("[::1]", "[::1]:50151", False),
        ("[::ffff:127.0.0.1]:5", "[::ffff:127.0.0.1]:5", False),
        ("unix:/run/o.sock", "unix:/run/o.sock", False),
        ("unix:///run/o.sock", "unix:/run/o.sock", False),
        ("oracle.example:5", "oracle.example:5", True),
        ("localhost.example:5", "localhost.example:5", True),
        ("192.0.2.1:5", "192.0.2.1:5", True),
        ("[2001:db8::1]:5", "[2001:db8::1]:5", True),
        ("grpcs://127.0.0.1:5", "127.0.0.1:5", True),
        ("grpcs://oracle.example:5/", "oracle.example:5", True),
        ("grpc://oracle.example:5", "oracle.example:5", False),
    ],
)
def test_tls_is_the_rule_beyond_this_machine(text: str, address: str, secure: bool) -> None:
    assert connect_to(text) == Connection(address, secure)


@pytest.mark.parametrize(
    "text",
    [
        "", ":5", "host:", "host:x", "host:65536", "host:-1", "host:0", "::1", "::1:5", "[::1",
        "[x]:5", "[::1]5", "https://host:5", "unix:", "unix:" + "x" * 200, "a b:5", "user@host:5",
        "host:\u0665", "grpc://", "host/path:5",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        connect_to(text)
    assert "--oracle" in str(caught.value)


def test_a_certificate_asks_for_tls() -> None:
    assert connect_to("127.0.0.1:5", ca=CA).secure
    assert connect_to("127.0.0.1:5", cert=CERT, key=KEY).secure
    for address in ("grpc://127.0.0.1:5", "unix:/run/o.sock"):
        with pytest.raises(UsageError, match="certificates are for TLS"):
            connect_to(address, ca=CA)


def test_a_certificate_and_its_key_come_together() -> None:
    with pytest.raises(UsageError, match="certificate was given without its key"):
        connect_to("a:5", cert=CERT)
    with pytest.raises(UsageError, match="key was given without its certificate"):
        connect_to("a:5", key=KEY)


@pytest.mark.parametrize("address", ["grpc://oracle.example:5", "grpc://192.0.2.1:5"])
def test_a_token_never_goes_in_the_clear_beyond_this_machine(address: str) -> None:
    with pytest.raises(UsageError, match="not encrypted") as caught:
        connect_to(address, token="s3cret")
    assert "s3cret" not in str(caught.value)


def test_a_token_goes_by_tls_and_on_this_machine() -> None:
    for address in ("grpcs://oracle.example:5", "oracle.example:5", "127.0.0.1:5", "unix:/o"):
        connection = connect_to(address, token="s3cret\n")
        assert connection.metadata == (("authorization", "Bearer s3cret"),)
        assert "s3cret" not in repr(connection)


@pytest.mark.parametrize("token", ["", " ", "two words", "a\nb", "ü"])
def test_what_is_no_token_is_refused_before_it_is_sent(token: str) -> None:
    with pytest.raises(UsageError, match="token"):
        connect_to("127.0.0.1:5", token=token)


def test_plain_channels_use_no_proxy() -> None:
    assert ("grpc.enable_http_proxy", 0) in connect_to("127.0.0.1:5").options
    assert not connect_to("grpcs://a:5").options


def test_a_token_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    path.chmod(0o600)
    assert read_token(path) == "s3cret"
    path.chmod(0o644)
    with pytest.warns(UserWarning, match="chmod 600"):
        read_token(path)
    for content in (b"", b"a b", b"\xff\xfe"):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(UsageError, match="there is no token in it"):
            read_token(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_token(tmp_path / "none")
    with pytest.raises(UsageError, match="cannot be read"):
        read_token(tmp_path)


def test_the_environment_fills_in(tmp_path: Path) -> None:
    full = {
        "COSTMODEL_ORACLE": "oracle.example:5",
        "COSTMODEL_ORACLE_CA": "ca.pem",
        "COSTMODEL_ORACLE_CERT": "cert.pem",
        "COSTMODEL_ORACLE_KEY": "key.pem",
        "COSTMODEL_ORACLE_TOKEN": "s3cret",
    }
    assert find_connection(environment={}) is None
    assert find_connection(environment={"COSTMODEL_ORACLE": ""}) is None
    everything = Connection("oracle.example:5", True, CA, CERT, KEY, "s3cret")
    assert find_connection(environment=full) == everything
    path = tmp_path / "token"
    path.write_text("other")
    path.chmod(0o600)
    found = find_connection("b:6", ca=Path("x"), token_file=path, environment=full)
    assert found == Connection("b:6", True, Path("x"), CERT, KEY, "other")
    plain = find_connection("grpc://127.0.0.1:6", environment=full)
    assert plain == Connection("127.0.0.1:6", False, token="s3cret")


def test_half_a_pair_is_never_taken_from_the_environment() -> None:
    with pytest.raises(UsageError, match="without its key"):
        find_connection("a:5", cert=CERT, environment={"COSTMODEL_ORACLE_KEY": "key.pem"})


def test_options_without_an_oracle_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--oracle-ca is of no use"):
        find_connection(ca=CA, environment={})
