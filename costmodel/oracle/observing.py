"""Around every call: what is counted and logged of it, and how its error goes to the client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError
from prometheus_client import Counter, Histogram

from costmodel.errors import CostModelError
from costmodel.oracle import metrics
from costmodel.oracle.access import caller
from costmodel.oracle.convert import FieldError
from costmodel.oracle.status import status_of
from costmodel.oracle.wrapping import Around, Wrapping

__all__ = ["Observer"]

_log = structlog.get_logger("costmodel.oracle")
#: Of gRPC's; its types lack `abort_with_status`.
_Context = Any
_Read = Callable[[bytes], Any] | None
#: Seconds after the end of a stream in which the news come that it was cancelled.
_MOMENT_S = 0.005


class Observer(Wrapping):
    """The outermost interceptor but that of traces."""

    def around(self, method: str, handler: Any, *, many: bool) -> tuple[Any, Around]:
        """Messages are read here, so that one that cannot be read gets a status that says so."""
        parsed = partial(_parsed, handler.request_deserializer, many)
        watched = partial(_watched, method.rpartition("/")[2], parsed)
        return handler._replace(request_deserializer=None), watched


def _parsed(read: _Read, many: bool, request: Any) -> Any:
    if not many:
        return _message(request, read)

    async def each() -> AsyncIterator[Any]:
        async for one in request:
            yield _message(one, read)
        # A client that cancels ends its messages like one that has sent them all: gRPC cancels
        # the task a moment later.
        await asyncio.sleep(_MOMENT_S)

    return each()


def _message(data: bytes, read: _Read) -> Any:
    try:
        return data if read is None else read(data)
    except DecodeError as error:
        raise FieldError("", f"this is no message of the protocol: {error}") from error


@asynccontextmanager
async def _watched(
    method: str, parsed: Callable[[Any], Any], request: Any, context: _Context
) -> AsyncIterator[Any]:
    """Count the call and log its end; an error that we raised becomes its status."""
    started, code = time.perf_counter(), "OK"
    peer = context.peer()  # now: once a client has gone, to ask would end the process
    metrics.UNDER_WAY.inc()
    try:
        yield parsed(request)
    except CostModelError as error:
        status = status_of(error)
        code = status.code.name
        _log.info("refused", method=method, code=code, message=error.message, peer=peer,
                  **caller())  # fmt: skip
        await context.abort_with_status(status)
    except (asyncio.CancelledError, GeneratorExit):
        code = "CANCELLED"
        raise
    except grpc.aio.AbortError:
        code = context.code().name
        raise
    except Exception as error:
        code = "INTERNAL"
        _log.exception("a defect", method=method, peer=peer, **caller())
        message = f"{type(error).__name__}: this is a fault of costmodel, and is in its log"
        await context.abort_with_status(status_of(CostModelError(message)))
    finally:
        metrics.UNDER_WAY.dec()
        seconds = time.perf_counter() - started
        _calls(method, code).inc()
        _seconds(method).observe(seconds)
        _log.debug("call", method=method, code=code, peer=peer, ms=round(1e3 * seconds, 3),
                   **caller())  # fmt: skip


@cache
def _calls(method: str, code: str) -> Counter:
    return metrics.CALLS.labels(method, code)


@cache
def _seconds(method: str) -> Histogram:
    return metrics.SECONDS.labels(method)
