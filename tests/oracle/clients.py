"""Both clients behind one interface, so that one test holds for both."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from costmodel.oracle import AsyncClient, Client

__all__ = ["KINDS", "Awaited", "opened"]

KINDS = ("threads", "asyncio")


class Awaited:
    """An AsyncClient whose methods are waited for; what they iterate over comes as an iterator."""

    def __init__(self, loop: asyncio.AbstractEventLoop, client: AsyncClient) -> None:
        self._loop, self._client = loop, client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found):
            return found

        def call(*given: Any, **options: Any) -> Any:
            if inspect.isasyncgenfunction(found):
                return self._each(found(*given, **options))
            return self._loop.run_until_complete(found(*given, **options))

        return call

    def _each(self, values: Any) -> Iterator[Any]:
        while True:
            try:
                yield self._loop.run_until_complete(anext(values))
            except StopAsyncIteration:
                return


@contextmanager
def opened(kind: str, *given: Any, **options: Any) -> Iterator[Any]:
    """A client of a kind."""
    if kind == "threads":
        with Client(*given, **options) as client:
            yield client
        return
    with asyncio.Runner() as runner:

        async def make() -> AsyncClient:
            return AsyncClient(*given, **options)

        client = runner.run(make())
        yield Awaited(runner.get_loop(), client)
        runner.run(client.close())


Open = Callable[..., Any]
