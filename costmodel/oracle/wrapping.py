"""Interceptors that put something around each call, made once for each handler of a method."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from functools import lru_cache
from typing import Any

import grpc

__all__ = ["Around", "Wrapping"]

#: From the request (or the requests of a stream) and gRPC's context to what is around the call,
#: which enters with the request that the call is given.
Around = Callable[[Any, Any], AbstractAsyncContextManager[Any]]

#: Handlers that stay wrapped: a few for each method, such as that which refuses strangers.
_KEPT = 256
_KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


class Wrapping(grpc.aio.ServerInterceptor):
    """An interceptor with the same around every call of a method."""

    def __init__(self) -> None:
        self._wrapped = lru_cache(_KEPT)(self._wrap)

    @abstractmethod
    def around(self, method: str, handler: Any, *, many: bool) -> tuple[Any, Around]:
        """The handler of ``/package.Service/Method``, which may be replaced, and what is around it.

        ``many`` says that it is given a stream of requests.
        """

    async def intercept_service(
        self, continuation: Callable[..., Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        """The method's handler with what is around it; None where there is no such method."""
        handler = await continuation(details)
        return None if handler is None else self._wrapped(details.method, handler)

    def _wrap(self, method: str, handler: Any) -> Any:
        kind = next(kind for kind in _KINDS if getattr(handler, kind))
        found, around = self.around(method, handler, many=kind.startswith("stream"))
        return found._replace(**{kind: _inside(around, getattr(handler, kind), method)})


def _inside(around: Around, call: Callable[..., Any], method: str) -> Callable[..., Any]:
    async def answer(request: Any, context: Any) -> Any:
        async with around(request, context) as given:
            return await call(given, context)

    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        async with (
            around(request, context) as given,
            aclosing(call(given, context)) as responses,
        ):
            async for response in responses:
                yield response

    # A stream may also be a coroutine that writes to its context, as Health's Watch is.
    if inspect.isasyncgenfunction(call):
        return stream
    if inspect.iscoroutinefunction(call):
        return answer
    raise TypeError(f"the handler of {method} is not asynchronous")
