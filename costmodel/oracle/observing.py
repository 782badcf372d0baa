"""Around every call: what is counted and logged of it, and how its error goes to the client."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from costmodel.errors import CostModelError
from costmodel.oracle import metrics
from costmodel.oracle.convert import FieldError
from costmodel.oracle.status import status_of

__all__ = ["Observer"]

_log = structlog.get_logger("costmodel.oracle")
#: Of gRPC's; its types lack `abort_with_status`.
_Context = Any
_Read = Callable[[bytes], Any] | None


class Observer(grpc.aio.ServerInterceptor):
    """The outermost interceptor but that of traces."""

    async def intercept_service(
        self, continuation: Callable[..., Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        """The method's handler with what is around every call."""
        handler = await continuation(details)
        if handler is None:
            return handler
        method = details.method.rpartition("/")[2]
        kinds = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
        kind = next(name for name in kinds if getattr(handler, name))
        # A stream may also be a coroutine that writes to its context, as Health's Watch is.
        streams = inspect.isasyncgenfunction(getattr(handler, kind))
        around: Callable[..., Any] = _stream if streams else _unary
        read, many = handler.request_deserializer, kind.startswith("stream")
        call = around(method, getattr(handler, kind), read, many=many)
        # Messages are read here, so that one that cannot be read gets a status that says so.
        return handler._replace(request_deserializer=None, **{kind: call})


def _unary(
    method: str, call: Callable[..., Awaitable[Any]], read: _Read, *, many: bool
) -> Callable[..., Awaitable[Any]]:
    async def observed(request: Any, context: _Context) -> Any:
        async with _watched(method, context):
            return await call(_parsed(request, read, many=many), context)

    return observed


def _stream(
    method: str, call: Callable[..., AsyncGenerator[Any, None]], read: _Read, *, many: bool
) -> Callable[..., AsyncIterator[Any]]:
    async def observed(request: Any, context: _Context) -> AsyncIterator[Any]:
        async with (
            _watched(method, context),
            aclosing(call(_parsed(request, read, many=many), context)) as responses,
        ):
            async for response in responses:
                yield response

    return observed


def _parsed(request: Any, read: _Read, *, many: bool) -> Any:
    if not many:
        return _message(request, read)

    async def each() -> AsyncIterator[Any]:
        async for one in request:
            yield _message(one, read)

    return each()


def _message(data: bytes, read: _Read) -> Any:
    try:
        return data if read is None else read(data)
    except DecodeError as error:
        raise FieldError("", f"this is no message of the protocol: {error}") from error


@asynccontextmanager
async def _watched(method: str, context: _Context) -> AsyncIterator[None]:
    """Count the call and log its end; an error that we raised becomes its status."""
    started, code = time.perf_counter(), "OK"
    peer = context.peer()  # now: once a client has gone, to ask would end the process
    metrics.UNDER_WAY.inc()
    try:
        yield
    except CostModelError as error:
        status = status_of(error)
        code = status.code.name
        _log.info("refused", method=method, code=code, message=error.message)
        await context.abort_with_status(status)
    except (asyncio.CancelledError, GeneratorExit):
        code = "CANCELLED"
        raise
    except grpc.aio.AbortError:
        code = context.code().name
        raise
    except Exception as error:
        code = "INTERNAL"
        _log.exception("a defect", method=method)
        message = f"{type(error).__name__}: this is a fault of costmodel, and is in its log"
        await context.abort_with_status(status_of(CostModelError(message)))
    finally:
        metrics.UNDER_WAY.dec()
        metrics.CALLS.labels(method, code).inc()
        metrics.SECONDS.labels(method).observe(time.perf_counter() - started)
        _log.debug("call", method=method, code=code, peer=peer,
                   ms=round(1e3 * (time.perf_counter() - started), 3))  # fmt: skip
