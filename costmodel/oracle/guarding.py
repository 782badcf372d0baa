"""Before every call: who calls, whether too often, and whether that one may."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import grpc
import structlog

from costmodel.errors import CostModelError
from costmodel.oracle.access import (
    SCOPES,
    Access,
    Principal,
    caller,
    check_scope,
    current_principal,
    enter,
)
from costmodel.oracle.limiting import Limiter
from costmodel.oracle.status import status_of
from costmodel.oracle.wrapping import Around, Wrapping

__all__ = ["Guard"]

_log = structlog.get_logger("costmodel.oracle")

#: Of gRPC's; its types lack `abort_with_status`.
_Context = Any
#: Calls under way of one machine to what is open to all: a stream of a server's health is one.
_STRANGERS = 64
#: Why the call is refused that its handler is to end.
_refusal: ContextVar[CostModelError] = ContextVar("refusal")
_WHO_SETS = "the operator of the server sets how many: --max-calls"


class Guard(Wrapping):
    """Lets a call through to its handler, which finds the caller by current_principal.

    UNAUTHENTICATED for a caller who is not known, RESOURCE_EXHAUSTED over the rate, then
    PERMISSION_DENIED where a scope is missing, RESOURCE_EXHAUSTED with ``calls`` under way. Each
    message of a stream after its first counts as a call, and waits where a call would be refused:
    no stream is a way round the limit.
    """

    def __init__(self, access: Access, *, calls: int | None = None) -> None:
        super().__init__()
        self._access = access
        self._calls = calls
        self._limiter = Limiter()

    async def intercept_service(
        self, continuation: Callable[..., Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        """The method's handler, behind the checks; None, to strangers too, where there is none.

        gRPC calls this and the handler in one context, in which a caller with a token is known.
        """
        handler = await super().intercept_service(continuation, details)
        if handler is None or self._access.certificates or _open_to_all(details.method):
            return handler
        try:
            enter(self._access.identify(details.invocation_metadata, dict))
        except CostModelError as error:
            _refusal.set(error)
            return _refusing(details.method)
        return handler

    def around(self, method: str, handler: Any, *, many: bool) -> tuple[Any, Around]:
        """The checks of one method's calls."""

        @asynccontextmanager
        async def admitted(request: Any, context: _Context) -> AsyncIterator[Any]:
            peer = context.peer()  # now: once a client has gone, to ask would end the process
            with ExitStack() as held:
                try:
                    if _open_to_all(method):
                        held.enter_context(self._limiter.holding(_host(peer), _STRANGERS))
                        principal = None
                    else:
                        principal = await self._admit(method, context)
                        holding = self._limiter.holding(principal.name, self._calls, _WHO_SETS)
                        held.enter_context(holding)
                except CostModelError as error:
                    await _refuse(method, error, context, peer)
                    raise  # never reached: that raised
                yield self._paced(request, principal) if many and principal else request

        return handler, admitted

    async def _admit(self, method: str, context: _Context) -> Principal:
        if self._access.certificates:  # which only the handler's context tells
            enter(self._access.identify(context.invocation_metadata(), context.auth_context))
        principal = current_principal()
        await self._limiter.admit(principal)
        check_scope(principal, method)
        return principal

    async def _paced(
        self, messages: AsyncIterator[Any], principal: Principal
    ) -> AsyncIterator[Any]:
        first = True  # counted as the call
        async for message in messages:
            if not first:
                await self._limiter.pace(principal)
            first = False
            yield message


def _open_to_all(method: str) -> bool:
    return SCOPES.get(method, ...) is None


def _host(peer: str) -> str:
    """``ipv4:127.0.0.1:50010`` without its port: one machine has many connections."""
    return f"whoever calls from {peer.rpartition(':')[0] or peer}"


@cache
def _refusing(method: str) -> Any:
    """A handler that ends a call before a message of a stranger's is waited for or read.

    Of the kind that reads nothing by itself; on the wire all kinds are alike. One a method: who
    wraps it keeps what is made of it.
    """

    async def refused(_: Any, context: _Context) -> AsyncIterator[Any]:
        await _refuse(method, _refusal.get(), context, context.peer())
        yield

    return grpc.stream_stream_rpc_method_handler(refused)


async def _refuse(method: str, error: CostModelError, context: _Context, peer: str) -> None:
    status = status_of(error)
    _log.info("refused", method=method.rpartition("/")[2], code=status.code.name,
              message=error.message, peer=peer, **caller())  # fmt: skip
    await context.abort_with_status(status)
