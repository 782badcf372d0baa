"""Around every call: what is counted and logged of it, and how its error goes to the client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import structlog

from costmodel.errors import CostModelError
from costmodel.oracle import metrics
from costmodel.oracle.status import status_of

__all__ = ["Observer"]

_log = structlog.get_logger("costmodel.oracle")
#: Of gRPC's; its types lack `abort_with_status`.
_Context = Any


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
        if handler.unary_unary:
            return handler._replace(unary_unary=_unary(method, handler.unary_unary))
        for kind in ("unary_stream", "stream_stream"):
            if getattr(handler, kind):
                return handler._replace(**{kind: _stream(method, getattr(handler, kind))})
        return handler


def _unary(method: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def observed(request: Any, context: _Context) -> Any:
        async with _watched(method, context):
            return await call(request, context)

    return observed


def _stream(
    method: str, call: Callable[..., AsyncIterator[Any]]
) -> Callable[..., AsyncIterator[Any]]:
    async def observed(request: Any, context: _Context) -> AsyncIterator[Any]:
        async with _watched(method, context):
            async for response in call(request, context):
                yield response

    return observed


@asynccontextmanager
async def _watched(method: str, context: _Context) -> AsyncIterator[None]:
    """Count the call and log its end; an error that we raised becomes its status."""
    started, code = time.perf_counter(), "OK"
    metrics.UNDER_WAY.inc()
    try:
        yield
    except CostModelError as error:
        status = status_of(error)
        code = status.code.name
        _log.info("refused", method=method, code=code, message=error.message)
        await context.abort_with_status(status)
    except asyncio.CancelledError:
        code = "CANCELLED"
        raise
    except grpc.aio.AbortError:
        code = "ABORTED"
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
        _log.debug("call", method=method, code=code, peer=context.peer(),
                   ms=round(1e3 * (time.perf_counter() - started), 3))  # fmt: skip
