from __future__ import annotations

import os
import re
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from costmodel.oracle.access import (
    ALL_SCOPES,
    LOCAL,
    SCOPES,
    Access,
    Client,
    Principal,
    Scope,
    check_scope,
    current_principal,
    token_digest,
)
from costmodel.oracle.clients import load_clients
from costmodel.oracle.proto import oracle_pb2
from costmodel.oracle.status import RefusedError

PROTO = Path(__file__).parents[2] / "service/oracle.proto"
READ = frozenset({Scope.READ})
CODE = grpc.StatusCode


def methods(module: object) -> set[str]:
    return {
        f"/{service.full_name}/{method.name}"
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


def test_every_method_has_its_scope() -> None:
    known = methods(oracle_pb2) | methods(health_pb2) | methods(reflection_pb2)
    newer = {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"}
    assert set(SCOPES) == known | newer


def test_the_scopes_are_those_that_the_protocol_tells() -> None:
    text = PROTO.read_text(encoding="utf-8")
    told = {}
    for comment, method in re.findall(r"((?:  //[^\n]*\n)+)  rpc (\w+)", text):
        (scope,) = re.findall(r"Scope:\s(?://\s)?(\w+)", " ".join(comment.split()))
        told[f"/costmodel.v1.Oracle/{method}"] = scope
    assert told == {name: scope for name, scope in SCOPES.items() if "costmodel" in name}


def test_health_is_open_and_what_is_unknown_is_closed() -> None:
    nobody = Principal("x", frozenset())
    check_scope(nobody, "/grpc.health.v1.Health/Check")
    for method in ("/costmodel.v1.Oracle/New", "/other.Service/Call", ""):
        with pytest.raises(RefusedError):
            check_scope(Principal("x", ALL_SCOPES), method)


@pytest.mark.parametrize("scope", list(Scope))
def test_a_scope_opens_its_own_methods_only(scope: Scope) -> None:
    caller = Principal("x", frozenset({scope}))
    for method, needed in SCOPES.items():
        if needed in (None, scope) or scope is Scope.ADMIN:
            check_scope(caller, method)
        else:
            with pytest.raises(RefusedError, match="needs the scope") as caught:
                check_scope(caller, method)
            assert caught.value.code is CODE.PERMISSION_DENIED


def by_token(name: str, token: str, **more: object) -> Client:
    return Client(name, READ, token_sha256=token_digest(token), **more)


def header(text: str | bytes) -> list[tuple[str, str | bytes]]:
    return [("user-agent", "x"), ("authorization", text)]


def certificate(*alternatives: str, common: str = "") -> dict[str, list[bytes]]:
    return {
        "x509_common_name": [common.encode()],
        "x509_subject_alternative_name": [name.encode() for name in alternatives],
    }


def none() -> dict[str, list[bytes]]:
    return {}


def test_without_clients_all_is_allowed_to_all() -> None:
    access = Access()
    assert access.identify([], none) == LOCAL
    assert access.identify(header("Bearer x"), none) == LOCAL
    assert all(LOCAL.may(scope) for scope in Scope)


def test_outside_of_a_call_there_is_nobody() -> None:
    assert not any(current_principal().may(scope) for scope in Scope)


def test_a_token_says_who_it_is() -> None:
    access = Access((by_token("a", "ta"), by_token("b", "tb", rate=2.0)), rate=7.0)
    assert access.identify(header("Bearer ta"), none) == Principal("a", READ, 7.0)
    assert access.identify(header("bearer  tb"), none) == Principal("b", READ, 2.0)


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        header(""),
        header("Bearer"),
        header("Bearer "),
        header("Bearer wrong"),
        header("Bearer ta tb"),
        header("Basic ta"),
        header("ta"),
        header(b"Bearer ta"),
        header(f"Bearer {token_digest('ta')}"),
        [*header("Bearer ta"), *header("Bearer ta")],
        [("authorization-bin", "Bearer ta")],
    ],
    ids=str,
)
def test_no_token_or_another_is_nobody(metadata: list[tuple[str, str | bytes]]) -> None:
    access = Access((by_token("a", "ta"), Client("c", READ, certificate="host")))
    with pytest.raises(RefusedError) as caught:
        access.identify(metadata, none)
    assert caught.value.code is CODE.UNAUTHENTICATED
    assert caught.value.hint
    assert "ta tb" not in str(caught.value)


def test_a_certificate_says_who_it_is() -> None:
    access = Access(
        (Client("a", READ, certificate="host.example"), Client("b", ALL_SCOPES, certificate="bob")),
        certificates=True,
    )
    found = access.identify([], lambda: certificate("x", "host.example", common="bob"))
    assert found.name == "a"  # alternative names are looked at first
    assert access.identify([], lambda: certificate(common="bob")).scopes == ALL_SCOPES
    with pytest.raises(RefusedError, match="eve or mallory") as caught:
        access.identify([], lambda: certificate("eve", common="mallory"))
    assert caught.value.code is CODE.PERMISSION_DENIED
    with pytest.raises(RefusedError) as caught:
        access.identify([], none)
    assert caught.value.code is CODE.UNAUTHENTICATED


def test_a_token_counts_more_than_the_certificate_it_came_with() -> None:
    access = Access((Client("a", READ, certificate="a"), by_token("b", "tb")), certificates=True)
    assert access.identify(header("Bearer tb"), lambda: certificate("a")).name == "b"
    with pytest.raises(RefusedError, match="not known"):
        access.identify(header("Bearer wrong"), lambda: certificate("a"))


def test_names_in_certificates_mean_nothing_without_mutual_tls() -> None:
    access = Access((Client("a", READ, certificate="a"),))
    with pytest.raises(RefusedError):
        access.identify([], lambda: certificate("a"))


def test_with_mutual_tls_alone_a_certificate_may_read() -> None:
    access = Access(certificates=True, rate=3.0)
    found = access.identify([], lambda: certificate("spiffe://x/a", common="b"))
    assert found == Principal("spiffe://x/a", READ, 3.0)
    with pytest.raises(RefusedError):
        access.identify([], lambda: certificate())


def write(path: Path, *clients: tuple[str, str]) -> None:
    text = "".join(
        f'[[client]]\nname = "{name}"\ntoken_sha256 = "{token_digest(token)}"\nscopes = ["read"]\n'
        for name, token in clients
    )
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)


def test_a_token_is_taken_away_while_the_server_runs(tmp_path: Path) -> None:
    path = tmp_path / "clients.toml"
    write(path, ("a", "ta"), ("b", "tb"))
    access = Access(load_clients(path), reload=(path, lambda: load_clients(path)))
    assert access.identify(header("Bearer ta"), none).name == "a"
    write(path, ("b", "tb"), ("c", "tc"))
    with pytest.raises(RefusedError):
        access.identify(header("Bearer ta"), none)
    assert access.identify(header("Bearer tc"), none).name == "c"


@pytest.mark.parametrize("content", [b"[[client", b"", b"\xff", None])
def test_a_file_that_was_broken_leaves_the_clients_as_they_were(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clients.toml"
    write(path, ("a", "ta"))
    access = Access(load_clients(path), reload=(path, lambda: load_clients(path)))
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert access.identify(header("Bearer ta"), none).name == "a"
    write(path, ("b", "tb"))
    assert access.identify(header("Bearer tb"), none).name == "b"
