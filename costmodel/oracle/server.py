"""The server: its parts put together, started, and ended without losing anything."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from costmodel.errors import UsageError
from costmodel.oracle import traces
from costmodel.oracle.addresses import parse_address
from costmodel.oracle.limits import RunLimits
from costmodel.oracle.observing import Observer
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.proto.oracle_pb2_grpc import add_OracleServicer_to_server
from costmodel.oracle.reading import StoreReader
from costmodel.oracle.runs import Runs
from costmodel.oracle.scoring import Scoring, ScoringOptions
from costmodel.oracle.security import Security, SecurityOptions, secure
from costmodel.oracle.servicer import Parts, Servicer
from costmodel.oracle.writer import Writer
from costmodel.records import Target
from costmodel.store import open_store

__all__ = ["ServeOptions", "running", "serve"]

_log = structlog.get_logger("costmodel.oracle")

#: Of Prometheus's page, where none is named.
_METRICS_PORT = 9464
#: Seconds that a writer waits for who holds the store.
_WAIT_S = 5.0

SERVICE = pb.DESCRIPTOR.services_by_name["Oracle"].full_name
_NAMES = (SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
          reflection.SERVICE_NAME)  # fmt: skip


@dataclass(frozen=True)
class ServeOptions:
    """How a server runs.

    ``security`` says where it listens and whom it answers. A message may have ``message_bytes``;
    at most ``calls`` are answered at once, the others are refused. At the end calls under way have
    ``grace_s`` seconds. ``metrics`` is HOST:PORT of Prometheus's page, nowhere for None. ``runs``
    are the limits of tuning, which is refused for None; runs are kept in the folder ``state``, by
    default beside the store. Unless they are ``confined`` they may read and write what the server
    may.
    """

    store: Path
    own: Target
    security: SecurityOptions = field(default_factory=SecurityOptions)
    weights: Path | None = None
    runs: RunLimits | None = None
    state: Path | None = None
    confined: bool = True
    scoring: ScoringOptions = field(default_factory=lambda: ScoringOptions(2))
    message_bytes: int = 20 << 20
    calls: int = 2048
    grace_s: float = 10.0
    metrics: str | None = None


@asynccontextmanager
async def running(options: ServeOptions) -> AsyncIterator[str]:
    """A server that answers at the address given; ended in order at the end.

    Raises UsageError for an address that cannot be listened on and as secure does, StoreError and
    its kinds for the store, CostModelError where the scoring processes cannot be started.
    """
    security = secure(options.security)
    async with AsyncExitStack() as stack:
        parts = await _start_parts(options, stack)
        if options.metrics:
            stack.callback(_publish(options.metrics))
        server = _make(options, security)
        servicer = health.aio.HealthServicer()
        add_OracleServicer_to_server(Servicer(parts), server)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        reflection.enable_server_reflection(_NAMES, server)
        address = security.bind(server)
        await server.start()
        stack.push_async_callback(server.stop, options.grace_s)
        for name in ("", SERVICE):
            await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
        stack.push_async_callback(servicer.enter_graceful_shutdown)
        if parts.runs is not None:
            stack.callback(parts.runs.end_soon)
        yield address


async def _start_parts(options: ServeOptions, stack: AsyncExitStack) -> Parts:
    """What the methods ask, each ended after what asks it."""
    store = stack.enter_context(open_store(options.store, wait_s=_WAIT_S))
    store.add_target(options.own)
    reader = StoreReader(options.store)
    stack.callback(reader.close)
    writer = Writer(store)
    stack.push_async_callback(writer.close)
    scoring = Scoring(options.store, options.weights, options.own, options.scoring)
    stack.push_async_callback(scoring.close)
    await scoring.start()
    runs = None
    if options.runs is not None:
        runs = Runs(
            options.state or options.store.with_name(f"{options.store.name}-runs"),
            options.store, options.own, writer.keep, options.runs,
            weights=options.weights, confined=options.confined,
        )  # fmt: skip
        await runs.open()
        stack.push_async_callback(runs.close)
    return Parts(reader, writer, scoring, options.own, runs)


def _make(options: ServeOptions, security: Security) -> grpc.aio.Server:
    return grpc.aio.server(
        interceptors=[*traces.interceptors(), Observer(), security.guard],
        maximum_concurrent_rpcs=options.calls,
        options=[
            ("grpc.max_receive_message_length", options.message_bytes),
            ("grpc.max_send_message_length", 4 * options.message_bytes),
            ("grpc.so_reuseport", 0),  # a second server on the port is an error
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ],
    )


def _publish(address: str) -> Callable[[], None]:
    """Prometheus's page; returns what ends it."""
    from prometheus_client import start_http_server

    given = parse_address(address, "--metrics", default_port=_METRICS_PORT)
    if given.path:
        raise UsageError(f"--metrics {address!r} is no HOST:PORT", hint="as 127.0.0.1:9464")
    try:
        page, thread = start_http_server(given.port, given.host)
    except OSError as error:
        raise UsageError(f"cannot publish metrics on {address}: {error}") from error

    _log.info("metrics", address=str(replace(given, port=page.server_port)))

    def end() -> None:
        page.shutdown()
        thread.join()

    return end


async def serve(options: ServeOptions, ready: Callable[[str], None]) -> None:
    """Answer until SIGTERM or SIGINT; ``ready`` is told the address."""
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _ENDINGS:
        loop.add_signal_handler(number, ending.set)
    async with running(options) as address:
        gc.collect()
        gc.freeze()  # what is here stays: to look through it would hold up calls
        ready(address)
        await ending.wait()
        _log.info("ending", grace_s=options.grace_s)


_ENDINGS: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
