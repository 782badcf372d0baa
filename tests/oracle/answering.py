"""A real gRPC server whose answers a test writes, for what no oracle does when it is asked to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from costmodel.oracle.proto import oracle_pb2_grpc
from costmodel.oracle.proto.oracle_pb2_grpc import OracleServicer


@contextmanager
def answering(port: int = 0, **methods: Callable[..., Any]) -> Iterator[str]:
    """Serve these methods of the oracle, coroutines or asynchronous generators; the address."""
    servicer = OracleServicer()
    for name, method in methods.items():
        setattr(servicer, name, method)
    loop = asyncio.new_event_loop()
    started: asyncio.Queue[int] = asyncio.Queue()
    ending = asyncio.Event()

    async def serve() -> None:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        oracle_pb2_grpc.add_OracleServicer_to_server(servicer, server)
        await started.put(server.add_insecure_port(f"127.0.0.1:{port}"))
        await server.start()
        await ending.wait()
        await server.stop(None)

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    try:
        bound = asyncio.run_coroutine_threadsafe(started.get(), loop).result(60)
        yield f"127.0.0.1:{bound}"
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join(60)
        loop.close()
