from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import grpc
import pytest

from costmodel.errors import UsageError
from costmodel.oracle.addresses import parse_address
from costmodel.oracle.listening import bind, check_exposure, parse_listening

HERE = [
    "127.0.0.1:1", "127.0.0.1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "localhost:1",
    "LOCALHOST:1", "unix:/run/oracle.sock",
]  # fmt: skip
BEYOND = ["0.0.0.0:1", "[::]:1", "192.0.2.7:1", "[2001:db8::1]:1", "[::ffff:192.0.2.7]:1", "0:1"]


@pytest.mark.parametrize("text", HERE)
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("authenticated", [False, True])
def test_on_this_machine_all_is_allowed(text: str, tls: bool, authenticated: bool) -> None:
    listening = parse_listening(text)
    assert listening.local
    check_exposure(listening, tls=tls, authenticated=authenticated)


@pytest.mark.parametrize("text", BEYOND)
def test_beyond_it_only_with_tls_and_known_clients(text: str) -> None:
    listening = parse_listening(text)
    assert not listening.local
    check_exposure(listening, tls=True, authenticated=True)
    for authenticated in (False, True):
        with pytest.raises(UsageError, match="without TLS") as caught:
            check_exposure(listening, tls=False, authenticated=authenticated)
        assert "--tls-cert" in str(caught.value)
    with pytest.raises(UsageError, match="anybody could call") as caught:
        check_exposure(listening, tls=True, authenticated=False)
    assert "--clients" in str(caught.value)


@pytest.mark.parametrize("found", [["127.0.0.1", "192.0.2.7"], ["192.0.2.7"]])
def test_a_name_is_judged_by_all_its_addresses(
    monkeypatch: pytest.MonkeyPatch, found: list[str]
) -> None:
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 1)) for each in found]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    listening = parse_listening("machine:1")
    assert listening.hosts == tuple(found)
    assert not listening.local


@pytest.mark.parametrize(
    "text",
    ["", ":1", "127.0.0.1:x", "127.0.0.1:65536", "::1:1", "no.such.name.invalid:1", "a" * 70 + ":1",
     "unix:", "http://127.0.0.1:1"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--listen"):
        parse_listening(text)


def test_addresses_are_written_as_they_are_read() -> None:
    for text in ("127.0.0.1:5", "[::1]:5", "host:5", "unix:/run/o"):
        assert str(parse_address(text, "--listen")) == text
    relative = parse_address("unix:o.sock", "--listen")
    assert relative.path == os.path.abspath("o.sock")


def serve(text: str, again: str | None = None) -> str:
    """Listen at an address, be reached there, and maybe have a second server try another."""

    async def run() -> str:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        address = bind(server, parse_listening(text), None)
        await server.start()
        try:
            async with grpc.aio.insecure_channel(address) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await channel.unary_unary("/a/b")(b"", timeout=60)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
            if again is not None:
                second = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
                bind(second, parse_listening(again or address), None)
        finally:
            await server.stop(None)
        return address

    return asyncio.run(run())


@pytest.mark.parametrize("text", ["127.0.0.1:0", "localhost:0"])
def test_a_free_port_is_found_and_told(text: str) -> None:
    assert not serve(text).endswith(":0")


def test_a_port_has_one_server() -> None:
    with pytest.raises(UsageError, match="cannot listen on 127") as caught:
        serve("127.0.0.1:0", again="")
    assert "another server" in str(caught.value)


def test_a_socket_is_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "o.sock"
    before = os.umask(0)
    try:
        server_address = []

        async def run() -> None:
            server = grpc.aio.server()
            server_address.append(bind(server, parse_listening(f"unix:{path}"), None))
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            await server.start()
            await server.stop(None)

        asyncio.run(run())
        assert os.umask(0) == 0, "the umask was not given back"
    finally:
        os.umask(before)
    assert server_address == [f"unix:{path}"]
    assert serve(f"unix:{path}") == f"unix:{path}"


def test_a_socket_that_was_left_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "o.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    assert serve(f"unix:{path}")
    with pytest.raises(UsageError, match="another server is there"):
        serve(f"unix:{path}", again=f"unix:{path}")


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "o.sock"
    path.write_text("mine")
    with pytest.raises(UsageError, match="there is a file"):
        serve(f"unix:{path}")
    assert path.read_text() == "mine"
    with pytest.raises(UsageError, match="there is no"):
        serve(f"unix:{tmp_path}/none/o.sock")
