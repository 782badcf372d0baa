"""The interceptor, around a real server of the real service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
import structlog
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from costmodel.oracle import guarding, metrics
from costmodel.oracle.access import (
    SCOPES,
    Access,
    Client,
    Principal,
    Scope,
    current_principal,
    token_digest,
)
from costmodel.oracle.guarding import Guard
from costmodel.oracle.observing import Observer
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.proto.oracle_pb2_grpc import OracleServicer, add_OracleServicer_to_server

CODE = grpc.StatusCode
SERVICE = pb.DESCRIPTOR.services_by_name["Oracle"]
ORACLE = {f"/{SERVICE.full_name}/{method.name}": method for method in SERVICE.methods}
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
#: Generous: nothing here takes long, and nothing may hang.
PATIENCE = 60
HOURLY = 1 / 3600


def _response(method: Any) -> Message:
    return getattr(pb, method.output_type.name)()


def _handler(method: Any) -> Any:
    """Answers with nothing, once for each message that comes; tells who asked in a header."""

    async def unary(self: OracleServicer, request: Message, context: Any) -> Message:
        await asyncio.sleep(0)
        await context.send_initial_metadata((("caller", current_principal().name),))
        return _response(method)

    async def responses(
        self: OracleServicer, request: Message, context: Any
    ) -> AsyncIterator[Message]:
        await context.send_initial_metadata((("caller", current_principal().name),))
        yield _response(method)

    async def stream(
        self: OracleServicer, requests: AsyncIterator[Message], context: Any
    ) -> AsyncIterator[Message]:
        async for _ in requests:
            yield pb.RankResponse(model=current_principal().name)

    if method.client_streaming:
        return stream
    return responses if method.server_streaming else unary


Everything = type("Everything", (OracleServicer,), {m.name: _handler(m) for m in SERVICE.methods})


class Uploads(grpc.GenericRpcHandler):
    """A kind of call that the protocol has none of: many messages, one answer."""

    def __init__(self, path: str) -> None:
        self._path = path

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        async def count(requests: AsyncIterator[bytes], context: Any) -> bytes:
            return str(len([each async for each in requests])).encode()

        if details.method != self._path:
            return None
        return grpc.stream_unary_rpc_method_handler(count)


@asynccontextmanager
async def serving(
    access: Access, *outer: grpc.aio.ServerInterceptor, calls: int | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server(interceptors=[*outer, Guard(access, calls=calls)])
    add_OracleServicer_to_server(Everything(), server)
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    reflection.enable_server_reflection([SERVICE.full_name], server)
    server.add_generic_rpc_handlers((Uploads("/test.Uploads/Open"), Uploads("/test.Uploads/Not")))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await checks.set("", health_pb2.HealthCheckResponse.SERVING)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


def client(name: str, *scopes: Scope, rate: float | None = None) -> Client:
    return Client(name, frozenset(scopes), token_sha256=token_digest(f"token-{name}"), rate=rate)


def token(name: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer token-{name}"),)


async def call(
    channel: grpc.aio.Channel, path: str, metadata: tuple[tuple[str, str], ...] = ()
) -> grpc.aio.AioRpcError | str:
    """The error that an empty message got, or who asked."""
    method = ORACLE.get(path)
    incoming = method is not None and method.client_streaming
    outgoing = method is not None and method.server_streaming
    kind = f"{'stream' if incoming else 'unary'}_{'stream' if outgoing else 'unary'}"
    request: Any = [b""] if incoming else b""
    made = getattr(channel, kind)(path)(request, metadata=metadata, timeout=PATIENCE)
    try:
        if outgoing:
            answers = [each async for each in made]
            assert len(answers) == 1
        else:
            await made
    except grpc.aio.AioRpcError as error:
        return error
    if incoming:
        return pb.RankResponse.FromString(answers[0]).model
    return str(dict(await made.initial_metadata()).get("caller", ""))


def details(error: grpc.aio.AioRpcError) -> dict[str, Message]:
    status = rpc_status.from_call(error)
    assert status is not None
    found = {}
    for packed in status.details:
        kind = getattr(error_details_pb2, packed.TypeName().rpartition(".")[2])
        found[kind.__name__] = kind()
        packed.Unpack(found[kind.__name__])
    return found


def run(coroutine: Any) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 4 * PATIENCE))


@pytest.fixture
def closed() -> Access:
    return Access(tuple(client(scope, scope) for scope in Scope))


def test_nobody_gets_through_without_a_good_token(closed: Access) -> None:
    async def check() -> None:
        async with serving(closed) as channel:
            for path in ORACLE:
                for metadata in ((), token("eve"), (("authorization", "Basic eA=="),)):
                    error = await call(channel, path, metadata)
                    assert isinstance(error, grpc.aio.AioRpcError), path
                    assert error.code() is CODE.UNAUTHENTICATED
                    info = details(error)["ErrorInfo"]
                    assert (info.reason, info.domain) == ("RefusedError", "costmodel")
                    assert "--token-file" in info.metadata["hint"]

    run(check())


class Counting(Access):
    """How often it was asked who somebody is."""

    asked = 0

    def identify(self, *given: Any) -> Principal:
        self.asked += 1
        return super().identify(*given)


def test_each_call_is_looked_at_once_and_is_that_of_its_own_client() -> None:
    names = [f"client{n}" for n in range(30)]
    access = Counting(tuple(client(name, Scope.READ) for name in names))

    async def check() -> None:
        async with serving(access) as channel:
            paths = ["/costmodel.v1.Oracle/Predict", "/costmodel.v1.Oracle/RankStream"]
            asked = [(path, name) for name in names for path in paths]
            found = await asyncio.gather(*(call(channel, path, token(n)) for path, n in asked))
            assert found == [name for _, name in asked]
            assert access.asked == len(asked)
            await call(channel, paths[0], token("eve"))
            assert access.asked == len(asked) + 1

    run(check())


class Making(Observer):
    """The methods for which it has made something to put around their calls."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[str] = []

    def around(self, method: str, *given: Any, **options: Any) -> Any:
        self.made.append(method)
        return super().around(method, *given, **options)


def test_refusals_leave_nothing_behind(closed: Access) -> None:
    """Nor do calls of strangers to methods that they make up."""
    observer = Making()

    async def check() -> None:
        async with serving(closed, observer) as channel:
            path = "/costmodel.v1.Oracle/Predict"
            for _ in range(5):
                assert isinstance(await call(channel, path), grpc.aio.AioRpcError)
                assert await call(channel, path, token("read")) == "read"
            assert observer.made == [path, path]  # who refuses, and who answers
            for n in range(5):
                error = await call(channel, f"/test.Unknown/Call{n}")
                assert isinstance(error, grpc.aio.AioRpcError)
                assert error.code() is CODE.UNIMPLEMENTED
            assert observer.made == [path, path]

    run(check())


async def nothing() -> AsyncIterator[bytes]:
    """A stream of messages of which none comes."""
    await asyncio.sleep(4 * PATIENCE)
    yield b""


def test_strangers_are_refused_before_they_send_a_message(closed: Access) -> None:
    async def check() -> None:
        async with serving(closed) as channel:
            for path in ("/costmodel.v1.Oracle/Record", "/costmodel.v1.Oracle/RankStream"):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await channel.stream_unary(path)(
                        nothing(), metadata=token("eve"), timeout=PATIENCE
                    )
                assert caught.value.code() is CODE.UNAUTHENTICATED

    run(check())


async def held(channel: grpc.aio.Channel, name: str) -> Any:
    """A stream that a client holds open; whoever reads of it knows that it was let through."""
    stream = channel.stream_stream("/costmodel.v1.Oracle/RankStream")(
        metadata=token(name), timeout=PATIENCE
    )
    await stream.write(b"")
    await stream.read()
    return stream


def test_a_client_with_too_many_calls_under_way_is_refused_and_no_other(closed: Access) -> None:
    async def check() -> None:
        async with serving(closed, calls=3) as channel:
            streams = [await held(channel, "read") for _ in range(3)]
            refused = await call(channel, "/costmodel.v1.Oracle/Predict", token("read"))
            assert isinstance(refused, grpc.aio.AioRpcError)
            assert refused.code() is CODE.RESOURCE_EXHAUSTED
            assert "read has 3 calls under way" in (refused.details() or "")
            assert "--max-calls" in details(refused)["ErrorInfo"].metadata["hint"]
            assert await call(channel, "/costmodel.v1.Oracle/Predict", token("admin")) == "admin"
            streams[0].cancel()
            await streams[1].done_writing()
            assert await streams[1].read() is grpc.aio.EOF
            await held(channel, "read")  # a call that has ended counts no more, however it did
            while isinstance(await call(channel, "/costmodel.v1.Oracle/Predict", token("read")),
                             grpc.aio.AioRpcError):  # fmt: skip
                await asyncio.sleep(0.05)  # the server hears a moment later of what was cancelled

    run(check())


def test_strangers_hold_a_few_streams_of_health_and_no_more(closed: Access) -> None:
    async def check() -> None:
        async with serving(closed) as channel:
            watched = channel.unary_stream("/grpc.health.v1.Health/Watch")
            streams = [watched(b"", timeout=PATIENCE) for _ in range(guarding._STRANGERS)]
            for stream in streams:
                await stream.read()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await watched(b"", timeout=PATIENCE).read()
            assert caught.value.code() is CODE.RESOURCE_EXHAUSTED
            assert await call(channel, "/costmodel.v1.Oracle/Predict", token("read")) == "read"

    run(check())


@pytest.mark.parametrize("scope", list(Scope))
def test_each_method_needs_its_scope(closed: Access, scope: Scope) -> None:
    async def check() -> None:
        async with serving(closed) as channel:
            for path in ORACLE:
                found = await call(channel, path, token(scope))
                if scope in (SCOPES[path], Scope.ADMIN):
                    assert found == scope, path
                else:
                    assert isinstance(found, grpc.aio.AioRpcError), path
                    assert found.code() is CODE.PERMISSION_DENIED
                    assert f"scope {SCOPES[path]}" in (found.details() or "")
                    assert details(found)["ErrorInfo"].reason == "RefusedError"

    run(check())


def test_who_was_refused_is_in_the_log(closed: Access) -> None:
    async def check() -> None:
        async with serving(closed) as channel:
            await call(channel, "/costmodel.v1.Oracle/Tune", token("eve"))
            await call(channel, "/costmodel.v1.Oracle/Tune", token("read"))
            await call(channel, "/costmodel.v1.Oracle/Tune", token("tune"))

    with structlog.testing.capture_logs() as events:
        run(check())
    unknown, lesser = (event for event in events if event["event"] == "refused")
    assert (unknown["method"], unknown["code"]) == ("Tune", "UNAUTHENTICATED")
    assert unknown["peer"].startswith("ipv4:127.0.0.1:")
    assert (lesser["code"], lesser["message"][:12]) == ("PERMISSION_DENIED", "read may not")
    assert "token-eve" not in str(events)


def count(method: str, code: str) -> float:
    return metrics.CALLS.labels(method, code)._value.get()


def test_a_stream_that_is_cancelled_is_counted_as_that(closed: Access) -> None:
    async def check() -> None:
        async with serving(closed, Observer()) as channel:
            before = count("RankStream", "CANCELLED"), count("RankStream", "OK")
            streams = [await held(channel, "read") for _ in range(20)]
            for stream in streams[:-1]:
                stream.cancel()
            await streams[-1].done_writing()
            assert await streams[-1].read() is grpc.aio.EOF
            while count("RankStream", "CANCELLED") + count("RankStream", "OK") < sum(before) + 20:
                await asyncio.sleep(0.01)
            after = count("RankStream", "CANCELLED"), count("RankStream", "OK")
            assert after == (before[0] + 19, before[1] + 1)

    run(check())


def test_refusals_are_counted_by_what_they_were(closed: Access) -> None:
    async def check() -> None:
        async with serving(closed, Observer()) as channel:
            before = count("Record", "UNAUTHENTICATED"), count("RankStream", "PERMISSION_DENIED")
            await call(channel, "/costmodel.v1.Oracle/Record", token("eve"))
            await call(channel, "/costmodel.v1.Oracle/RankStream", token("tune"))
            after = count("Record", "UNAUTHENTICATED"), count("RankStream", "PERMISSION_DENIED")
            assert after == (before[0] + 1, before[1] + 1)
            assert await call(channel, "/costmodel.v1.Oracle/RankStream", token("read")) == "read"

    run(check())


@pytest.mark.parametrize("outer", [(), (Observer(),)], ids=["alone", "observed"])
def test_health_is_open_to_all_and_is_watched(
    closed: Access, outer: tuple[grpc.aio.ServerInterceptor, ...]
) -> None:
    async def check() -> None:
        async with serving(closed, *outer) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest()
            serving_now = health_pb2.HealthCheckResponse.SERVING
            assert (await stub.Check(request, timeout=PATIENCE)).status == serving_now
            watch = stub.Watch(request, timeout=PATIENCE)
            assert (await watch.read()).status == serving_now
            watch.cancel()

    run(check())


@pytest.mark.parametrize(
    ("caller", "code"), [(None, CODE.UNAUTHENTICATED), ("record", CODE.PERMISSION_DENIED)]
)
def test_reflection_needs_read(closed: Access, caller: str | None, code: grpc.StatusCode) -> None:
    async def ask(channel: grpc.aio.Channel, caller: str | None) -> list[bytes]:
        made = channel.stream_stream(REFLECTION)(
            [b"\x3a\x00"], metadata=token(caller) if caller else (), timeout=PATIENCE
        )
        return [each async for each in made]

    async def check() -> None:
        async with serving(closed) as channel:
            (listed,) = await ask(channel, "read")
            assert SERVICE.full_name.encode() in listed
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ask(channel, caller)
            assert caught.value.code() is code

    run(check())


def test_a_handler_without_a_scope_is_for_nobody(closed: Access) -> None:
    async def check() -> None:
        async with serving(closed) as channel:
            error = await call(channel, "/test.Uploads/Not", token("admin"))
            assert isinstance(error, grpc.aio.AioRpcError)
            assert error.code() is CODE.PERMISSION_DENIED
            error = await call(channel, "/test.Unknown/Call", token("admin"))
            assert isinstance(error, grpc.aio.AioRpcError)
            assert error.code() is CODE.UNIMPLEMENTED

    run(check())


def test_many_messages_with_one_answer(closed: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/test.Uploads/Open"
    table = {**SCOPES, path: Scope.RECORD}
    monkeypatch.setattr("costmodel.oracle.access.SCOPES", table)
    monkeypatch.setattr("costmodel.oracle.guarding.SCOPES", table)

    async def check() -> None:
        async with serving(closed) as channel:
            upload = channel.stream_unary(path)
            given = [b"a", b"b", b"c"]
            assert await upload(given, metadata=token("record"), timeout=PATIENCE) == b"3"
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                # Nothing is sent: what is on its way when a call ends hides the status (gRPC's).
                await upload(nothing(), metadata=token("read"), timeout=PATIENCE)
            assert caught.value.code() is CODE.PERMISSION_DENIED

    run(check())


def test_a_limit_is_of_one_client_alone() -> None:
    limited, free = (client(name, Scope.READ, rate=HOURLY) for name in ("limited", "free"))
    access = Access((limited, free, client("unlimited", Scope.READ)))

    async def check() -> None:
        async with serving(access) as channel:
            path = "/costmodel.v1.Oracle/Predict"
            assert await call(channel, path, token("limited")) == "limited"
            for other in (
                path,
                "/costmodel.v1.Oracle/WatchTune",
                "/costmodel.v1.Oracle/RankStream",
            ):
                error = await call(channel, other, token("limited"))
                assert isinstance(error, grpc.aio.AioRpcError)
                assert error.code() is CODE.RESOURCE_EXHAUSTED
                found = details(error)
                assert found["ErrorInfo"].reason == "OverloadedError"
                assert 0 < found["RetryInfo"].retry_delay.ToNanoseconds() <= 3600e9
            assert await call(channel, path, token("free")) == "free"
            for _ in range(20):
                assert await call(channel, path, token("unlimited")) == "unlimited"

    run(check())


def test_refused_calls_count_too() -> None:
    access = Access((client("a", Scope.READ, rate=HOURLY),))

    async def check() -> None:
        async with serving(access) as channel:
            path = "/costmodel.v1.Oracle/Record"
            codes = [await call(channel, path, token("a")) for _ in range(2)]
            assert [each.code() for each in codes if isinstance(each, grpc.aio.AioRpcError)] == [
                CODE.PERMISSION_DENIED, CODE.RESOURCE_EXHAUSTED,
            ]  # fmt: skip

    run(check())


def test_a_default_limit_holds_without_clients() -> None:
    async def check() -> None:
        async with serving(Access(rate=HOURLY)) as channel:
            path = "/costmodel.v1.Oracle/Predict"
            assert await call(channel, path) == "local"
            error = await call(channel, path)
            assert isinstance(error, grpc.aio.AioRpcError)
            assert error.code() is CODE.RESOURCE_EXHAUSTED

    run(check())


def test_a_stream_is_no_way_round_the_limit() -> None:
    """Its first message is the call; the second waits, for an hour or until the client leaves."""
    access = Access((client("a", Scope.READ, rate=HOURLY), client("b", Scope.READ)))

    async def check() -> None:
        async with serving(access) as channel:
            rank = channel.stream_stream("/costmodel.v1.Oracle/RankStream")
            stream = rank(metadata=token("a"), timeout=PATIENCE)
            await stream.write(b"")
            assert pb.RankResponse.FromString(await stream.read()).model == "a"
            await stream.write(b"")
            second = asyncio.create_task(stream.read())
            # Meanwhile another client's stream runs to its end.
            others = rank([b""] * 50, metadata=token("b"), timeout=PATIENCE)
            assert len([each async for each in others]) == 50
            assert not second.done()
            stream.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second

    run(check())


def test_a_handler_that_blocks_the_server_is_a_fault() -> None:
    class Blocking(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")

    async def check() -> None:
        async def continuation(details: Any) -> Any:
            return Blocking().service(details)

        class Details:
            method = "/costmodel.v1.Oracle/Predict"
            invocation_metadata = ()

        with pytest.raises(TypeError, match="Predict is not asynchronous"):
            await Guard(Access()).intercept_service(continuation, Details())

    run(check())
