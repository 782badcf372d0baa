"""How often a client may call, and how many calls of it may be under way."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from costmodel.oracle.access import Principal
from costmodel.oracle.status import OverloadedError

__all__ = ["Limiter", "check_rate", "window"]

#: Calls a second.
_LEAST, _MOST = 1 / 3600, 1e6
#: Seconds of the longest window of a rate that is not a whole number of seconds a call.
_LONGEST = 60


def check_rate(value: object) -> float:
    """A rate in calls a second. Raises ValueError for what is none."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not _LEAST <= value <= _MOST:  # type: ignore[arg-type,operator]
        raise ValueError(f"{value!r} is no number of calls a second, from one an hour to a million")
    return float(value)  # type: ignore[arg-type]


@lru_cache
def window(rate: float) -> RateLimitItemPerSecond:
    """A rate as calls in the shortest window of whole seconds: 2.5 a second are 5 in 2 seconds."""
    if rate * _LONGEST < 1:
        return RateLimitItemPerSecond(1, round(1 / rate))
    share = Fraction(rate).limit_denominator(_LONGEST)
    return RateLimitItemPerSecond(share.numerator, share.denominator)


class Limiter:
    """Counts each client's calls; those of one never cost another any."""

    def __init__(self) -> None:
        self._calls = MovingWindowRateLimiter(MemoryStorage())
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def holding(self, name: str, most: int | None, hint: str = "") -> Iterator[None]:
        """One more call of a client is under way.

        Raises OverloadedError where ``most`` are; ``hint`` says who sets how many.
        """
        if most is not None and self._under_way[name] >= most:
            raise OverloadedError(
                f"{name} has {most} calls under way, and no more are taken",
                hint="; ".join(filter(None, ("wait for one to end", hint))),
            )
        self._under_way[name] += 1
        try:
            yield
        finally:
            self._under_way[name] -= 1
            if not self._under_way[name]:  # names are the clients', and may be many
                del self._under_way[name]

    async def admit(self, principal: Principal) -> None:
        """Count a call. Raises OverloadedError, which says when to come again, over the limit."""
        wait = await self._hit(principal)
        if wait is not None:
            raise OverloadedError(
                f"{principal.name} called more than {principal.rate:g} times a second",
                hint="wait, or ask the operator of the server for a higher rate: `rate` in the "
                "file of clients, or else `costmodel serve --rate N`",
                retry_s=wait,
            )

    async def pace(self, principal: Principal) -> None:
        """Count one more message of a stream, after waiting until the limit allows it."""
        while (wait := await self._hit(principal)) is not None:
            await asyncio.sleep(wait)

    async def _hit(self, principal: Principal) -> float | None:
        """Count one; where that is too many do not, and say after how many seconds it is not."""
        if principal.rate is None:
            return None
        item = window(principal.rate)
        if await self._calls.hit(item, principal.name):
            return None
        opens, _ = await self._calls.get_window_stats(item, principal.name)
        return max(opens - time.time(), 0.001)
