"""Whole servers, secured as an operator secures them, and clients of every sort."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from costmodel.errors import UsageError
from costmodel.oracle.access import Scope, current_principal
from costmodel.oracle.clients import add_client, client_text
from costmodel.oracle.connection import Connection, connect_to
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.proto.oracle_pb2_grpc import (
    OracleServicer,
    OracleStub,
    add_OracleServicer_to_server,
)
from costmodel.oracle.security import Security, SecurityOptions, secure
from costmodel.oracle.status import UnreachableError, error_from
from tests.oracle.papers import DAY, Pair, issue, write_authority

CODE = grpc.StatusCode
PATIENCE = 60


class WhoAmI(OracleServicer):
    async def ListTargets(self, request: pb.ListTargetsRequest, context: Any) -> Any:
        caller = current_principal()
        name = f"{caller.name}: {' '.join(sorted(caller.scopes))}"
        return pb.ListTargetsResponse(targets=[pb.KnownTarget(hash=name)])


@asynccontextmanager
async def serving(security: Security) -> AsyncIterator[str]:
    server = grpc.aio.server(interceptors=[security.guard], options=[("grpc.so_reuseport", 0)])
    add_OracleServicer_to_server(WhoAmI(), server)
    address = security.bind(server)
    await server.start()
    try:
        yield address
    finally:
        await server.stop(None)


async def ask(connection: Connection) -> str | grpc.StatusCode:
    """Who the server says the client is, over a connection of its own; or how that failed."""
    found = await try_to_ask(connection)
    return found.code() if isinstance(found, grpc.aio.AioRpcError) else found


async def try_to_ask(connection: Connection) -> str | grpc.aio.AioRpcError:
    credentials = connection.credentials()
    options = [*connection.options, ("grpc.use_local_subchannel_pool", 1)]
    channel = (
        grpc.aio.insecure_channel(connection.target, options)
        if credentials is None
        else grpc.aio.secure_channel(connection.target, credentials, options)
    )
    async with channel:
        try:
            answer = await OracleStub(channel).ListTargets(
                pb.ListTargetsRequest(),
                metadata=connection.metadata,
                timeout=PATIENCE,
            )
        except grpc.aio.AioRpcError as error:
            return error
    return str(answer.targets[0].hash)


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 4 * PATIENCE))


class Place:
    """A folder with what an operator has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = write_authority(folder, self.authority)
        self.server = issue(folder, self.authority, "127.0.0.1", "localhost")
        self.clients = folder / "clients.toml"

    def options(self, **more: Any) -> SecurityOptions:
        given = {"listen": "127.0.0.1:0", "tls_cert": self.server.cert, "tls_key": self.server.key}
        return SecurityOptions(**given | more)

    def client(self, name: str, **more: Any) -> Pair:
        return issue(self.folder, self.authority, f"{name}.example", file=name, **more)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_plain_on_this_machine_all_is_allowed() -> None:
    async def check() -> None:
        async with serving(secure(SecurityOptions("127.0.0.1:0"))) as address:
            assert await ask(connect_to(address)) == "local: admin read record tune"
            assert await ask(connect_to(address, token="any")) == "local: admin read record tune"
            # A client of TLS gets no answer, and does not fall back.
            assert await ask(connect_to(f"grpcs://{address}")) is CODE.UNAVAILABLE

    run(check())


def test_a_socket(tmp_path: Path) -> None:
    async def check() -> None:
        async with serving(secure(SecurityOptions(f"unix:{tmp_path}/o.sock"))) as address:
            assert await ask(connect_to(address)) == "local: admin read record tune"

    run(check())


def test_tokens_over_tls(place: Place) -> None:
    add_client(place.clients, client_text("ci", "s3cret", (Scope.READ, Scope.RECORD), None))
    add_client(place.clients, client_text("writer", "w", (Scope.RECORD,), None))

    async def check() -> None:
        async with serving(secure(place.options(clients=place.clients))) as address:
            good = connect_to(address, ca=place.ca, token="s3cret")
            assert good.secure
            assert await ask(good) == "ci: read record"
            assert await ask(connect_to(address, ca=place.ca)) is CODE.UNAUTHENTICATED
            wrong = connect_to(address, ca=place.ca, token="other")
            assert await ask(wrong) is CODE.UNAUTHENTICATED
            lesser = connect_to(address, ca=place.ca, token="w")
            assert await ask(lesser) is CODE.PERMISSION_DENIED
            # The server's authority is not one that the client knows.
            stranger = write_authority(place.folder, trustme.CA(), "stranger.pem")
            unknown = connect_to(address, ca=stranger, token="s3cret")
            assert await ask(unknown) is CODE.UNAVAILABLE
            assert await ask(connect_to(f"grpcs://{address}")) is CODE.UNAVAILABLE
            assert await ask(connect_to(address)) is CODE.UNAVAILABLE  # plain

    run(check())


def test_a_certificate_for_another_host_is_not_believed(place: Place) -> None:
    other = issue(place.folder, place.authority, "other.example", file="other")

    async def check() -> None:
        options = place.options(tls_cert=other.cert, tls_key=other.key)
        async with serving(secure(options)) as address:
            assert await ask(connect_to(address, ca=place.ca)) is CODE.UNAVAILABLE

    run(check())


def test_mutual_tls(place: Place) -> None:
    place.clients.write_text(
        '[[client]]\nname = "farm"\ncertificate = "farm.example"\nscopes = ["read", "tune"]\n'
        '[[client]]\nname = "bob"\ncertificate = "Bob B."\nscopes = ["read"]\n'
        '[[client]]\nname = "eve"\ncertificate = "eve.example"\nscopes = ["record"]\n'
    )
    farm, eve, none = place.client("farm"), place.client("eve"), place.client("none")
    bob = place.client("bob", common="Bob B.")
    stranger = issue(place.folder, trustme.CA(), "farm.example", file="stranger")
    old = place.client("old", begins=-9 * DAY, ends=-DAY)

    async def check() -> None:
        options = place.options(client_ca=place.ca, clients=place.clients)
        async with serving(secure(options)) as address:

            def by(pair: Pair) -> Connection:
                return connect_to(address, ca=place.ca, cert=pair.cert, key=pair.key)

            assert await ask(by(farm)) == "farm: read tune"
            assert await ask(by(bob)) == "bob: read"
            assert await ask(by(eve)) is CODE.PERMISSION_DENIED
            assert await ask(by(none)) is CODE.PERMISSION_DENIED
            assert await ask(connect_to(address, ca=place.ca)) is CODE.UNAVAILABLE
            assert await ask(by(stranger)) is CODE.UNAVAILABLE
            with pytest.raises(UsageError, match="ended on"):
                by(old).credentials()
            # Also a client that does not look is not let in.
            raw = grpc.ssl_channel_credentials(
                place.ca.read_bytes(), old.key.read_bytes(), old.cert.read_bytes()
            )
            async with grpc.aio.secure_channel(address, raw) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await OracleStub(channel).ListTargets(pb.ListTargetsRequest(), timeout=PATIENCE)
            assert caught.value.code() is CODE.UNAVAILABLE

    run(check())


def test_mutual_tls_without_a_list_lets_read(place: Place) -> None:
    ann = place.client("ann")

    async def check() -> None:
        async with serving(secure(place.options(client_ca=place.ca))) as address:
            connection = connect_to(address, ca=place.ca, cert=ann.cert, key=ann.key)
            assert await ask(connection) == "ann.example: read"

    run(check())


def test_a_client_is_told_what_to_do_where_tls_fails(place: Place) -> None:
    other = issue(place.folder, place.authority, "other.example", file="other")
    stranger = write_authority(place.folder, trustme.CA(), "stranger.pem")

    async def hint(connection: Connection) -> str:
        found = await try_to_ask(connection)
        assert isinstance(found, grpc.aio.AioRpcError)
        told = error_from(found, connection.address)
        assert isinstance(told, UnreachableError)
        return told.hint or ""

    async def check() -> None:
        async with serving(secure(place.options(client_ca=place.ca))) as address:
            assert "--oracle-cert" in await hint(connect_to(address, ca=place.ca))
            assert "grpcs://" in await hint(connect_to(address))
            assert "--oracle-ca" in await hint(connect_to(address, ca=stranger))
        options = place.options(tls_cert=other.cert, tls_key=other.key)
        async with serving(secure(options)) as address:
            assert "another host" in await hint(connect_to(address, ca=place.ca))
        async with serving(secure(SecurityOptions("127.0.0.1:0"))) as address:
            assert "without TLS" in await hint(connect_to(address, ca=place.ca))

    run(check())


def test_a_server_whose_certificate_has_ended(place: Place) -> None:
    old = issue(place.folder, place.authority, "127.0.0.1", begins=-9 * DAY, ends=-DAY, file="old")
    with pytest.raises(UsageError, match="ended on") as caught:
        secure(place.options(tls_cert=old.cert, tls_key=old.key))
    assert caught.value.exit_status == 2

    async def check() -> None:
        """Where a server does not look, our client does."""
        server = grpc.aio.server()
        add_OracleServicer_to_server(WhoAmI(), server)
        credentials = grpc.ssl_server_credentials([(old.key.read_bytes(), old.cert.read_bytes())])
        port = server.add_secure_port("127.0.0.1:0", credentials)
        await server.start()
        found = await try_to_ask(connect_to(f"127.0.0.1:{port}", ca=place.ca))
        await server.stop(None)
        assert isinstance(found, grpc.aio.AioRpcError)
        assert found.code() is CODE.UNAVAILABLE
        assert "renew" in (error_from(found, "x").hint or "")

    run(check())


def _serial(address: str, ca: Path) -> int:
    """Of the certificate that a server shows."""
    from cryptography import x509

    host, _, port = address.rpartition(":")
    pem = ssl.get_server_certificate((host, int(port)), ca_certs=str(ca), timeout=PATIENCE)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def test_a_renewed_certificate_is_shown_without_a_restart(place: Place) -> None:
    async def check() -> None:
        async with serving(secure(place.options())) as address:
            loop = asyncio.get_running_loop()

            async def shown() -> int:
                return await loop.run_in_executor(None, _serial, address, place.ca)

            first = await shown()
            assert await shown() == first
            issue(place.folder, place.authority, "127.0.0.1")
            second = await shown()
            assert second != first
            place.server.cert.write_text("half a fi")
            assert await shown() == second
            os.unlink(place.server.key)
            assert await shown() == second
            assert isinstance(await ask(connect_to(address, ca=place.ca)), str)
            issue(place.folder, place.authority, "127.0.0.1")
            assert await shown() not in (first, second)

    run(check())


def test_clients_of_a_new_authority_are_let_in_without_a_restart(place: Place) -> None:
    other = trustme.CA()
    newcomer = issue(place.folder, other, "new.example", file="new")

    async def check() -> None:
        async with serving(secure(place.options(client_ca=place.ca))) as address:
            # The client knows the server's authority, whatever that of clients becomes.
            known = write_authority(place.folder, place.authority, "known.pem")
            connection = connect_to(address, ca=known, cert=newcomer.cert, key=newcomer.key)
            assert await ask(connection) is CODE.UNAVAILABLE
            write_authority(place.folder, other)
            assert await ask(connection) == "new.example: read"

    run(check())


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2])
def test_the_least_tls(place: Place, version: ssl.TLSVersion) -> None:
    def shake(address: str) -> str | None:
        import socket

        host, _, port = address.rpartition(":")
        context = ssl.create_default_context(cafile=str(place.ca))
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.set_alpn_protocols(["h2"])
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = version
        with (
            socket.create_connection((host, int(port)), timeout=PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            return wrapped.version()

    async def check() -> None:
        async with serving(secure(place.options())) as address:
            made = asyncio.get_running_loop().run_in_executor(None, shake, address)
            if version is ssl.TLSVersion.TLSv1_2:
                assert await made == "TLSv1.2"
            else:
                with pytest.raises(ssl.SSLError):
                    await made

    run(check())


def test_a_token_is_not_shown_to_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        met = []

        async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            met.append(await reader.read(1000))
            writer.close()

        listener = await asyncio.start_server(proxy, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        for name in ("grpc_proxy", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("no_grpc_proxy", raising=False)
        async with serving(secure(SecurityOptions("127.0.0.1:0"))) as address:
            assert await ask(connect_to(address, token="s3cret")) == "local: admin read record tune"
            assert not met
            # The proxy is one that gRPC would have gone to.
            async with grpc.aio.insecure_channel(f"dns:///{address}") as channel:
                with pytest.raises(grpc.aio.AioRpcError):
                    await channel.unary_unary("/a/b")(b"", timeout=PATIENCE)
            assert met
        listener.close()

    run(check())


def test_options_that_contradict_each_other(place: Place) -> None:
    place.clients.write_text('[[client]]\nname = "a"\ncertificate = "a"\nscopes = ["read"]\n')
    for options, problem in (
        (SecurityOptions(tls_cert=place.server.cert), "go together"),
        (SecurityOptions(tls_key=place.server.key), "go together"),
        (SecurityOptions(client_ca=place.ca), "of no use without TLS"),
        (place.options(clients=place.clients), "none is asked for"),
        (SecurityOptions(rate=0.0), "--rate"),
        (SecurityOptions("0.0.0.0:0"), "without TLS"),
        (SecurityOptions("0.0.0.0:0", clients=place.clients), "without TLS"),
        (place.options(listen="0.0.0.0:0"), "anybody could call"),
        (place.options(client_ca=place.server.cert), "not one that it signed"),
        (place.options(clients=place.folder / "none"), "cannot be read"),
    ):
        with pytest.raises(UsageError, match=problem) as caught:
            secure(options)
        assert caught.value.exit_status == 2


def test_a_certificate_that_ends_soon_is_spoken_of(place: Place) -> None:
    soon = issue(place.folder, place.authority, "127.0.0.1", ends=3.5 * DAY, file="soon")
    with pytest.warns(UserWarning, match=r"soon\.pem ends in 3 days, on .*renew it"):
        secure(place.options(tls_cert=soon.cert, tls_key=soon.key))


def test_a_key_that_anyone_can_read_is_spoken_of(place: Place) -> None:
    place.server.key.chmod(0o644)
    with pytest.warns(UserWarning, match=r"anyone can read the key in .*chmod 600"):
        secure(place.options())


def test_the_log_tells_whose_calls_are_refused(serve, tmp_path):
    clients = tmp_path / "clients.toml"
    add_client(clients, client_text("ann", "ann's", (Scope.READ,), 1 / 3600))
    add_client(clients, client_text("bob", "bob's", (Scope.READ,), None))
    server = serve("--clients", clients, "--log-level", "debug")

    def ask(token, method, request):
        with server.channel() as channel:
            call = getattr(OracleStub(channel), method)
            call(request, metadata=(("authorization", f"Bearer {token}"),))

    ask("ann's", "ListTargets", pb.ListTargetsRequest())
    for token, method, request in (
        ("ann's", "ListTargets", pb.ListTargetsRequest()),
        ("no", "ListTargets", pb.ListTargetsRequest()),
        ("bob's", "Record", pb.RecordRequest()),
        ("bob's", "GetTune", pb.GetTuneRequest(name="tunes/none")),
    ):
        with pytest.raises(grpc.RpcError):
            ask(token, method, request)
    server.stop()
    refused = [one for one in server.events() if one["event"] == "refused"]
    assert [one.get("client") for one in refused] == ["ann", None, "bob", "bob"]
    assert all(one["peer"].startswith("ipv4:127.0.0.1:") for one in refused)
    calls = [one for one in server.events() if one["event"] == "call"]
    assert {(one["method"], one.get("client")) for one in calls} >= {
        ("ListTargets", "ann"), ("ListTargets", None), ("GetTune", "bob"),
    }  # fmt: skip
    ours = [one["logger"] for one in server.events() if one["level"] == "debug"]
    assert all(name.startswith("costmodel") for name in ours)
