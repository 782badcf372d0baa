from __future__ import annotations

import asyncio
import time

import pytest

from costmodel.oracle import limiting
from costmodel.oracle.access import Principal
from costmodel.oracle.limiting import Limiter, check_rate, window
from costmodel.oracle.status import OverloadedError


@pytest.mark.parametrize(
    ("rate", "calls", "seconds"),
    [(1, 1, 1), (100, 100, 1), (2.5, 5, 2), (0.1, 1, 10), (1 / 3, 1, 3), (0.333, 1, 3),
     (1 / 60, 1, 60), (0.001, 1, 1000), (1 / 3600, 1, 3600), (1e6, 1_000_000, 1)],
)  # fmt: skip
def test_a_rate_is_calls_in_a_window(rate: float, calls: int, seconds: int) -> None:
    assert (window(rate).amount, window(rate).get_expiry()) == (calls, seconds)


@pytest.mark.parametrize("value", [0, -1, 1e7, 1e-9, float("nan"), float("inf"), "3", None, True])
def test_what_is_no_rate(value: object) -> None:
    with pytest.raises(ValueError, match="calls a second"):
        check_rate(value)


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.time()
        monkeypatch.setattr(time, "time", lambda: self.now)
        monkeypatch.setattr(limiting.asyncio, "sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def client(name: str, rate: float | None) -> Principal:
    return Principal(name, frozenset(), rate)


def test_calls_over_the_rate_are_told_when_to_come_again(clock: Clock) -> None:
    async def calls() -> None:
        limiter, a = Limiter(), client("a", 2.5)
        for _ in range(5):
            await limiter.admit(a)
            clock.now += 0.1
        with pytest.raises(OverloadedError, match=r"a called more than 2\.5") as caught:
            await limiter.admit(a)
        assert caught.value.retry_s == pytest.approx(1.5)
        clock.now += 1.4
        with pytest.raises(OverloadedError):
            await limiter.admit(a)
        clock.now += 0.2
        await limiter.admit(a)

    asyncio.run(calls())


def test_clients_do_not_share_a_limit(clock: Clock) -> None:
    async def calls() -> None:
        limiter = Limiter()
        await limiter.admit(client("a", 1))
        with pytest.raises(OverloadedError):
            await limiter.admit(client("a", 1))
        await limiter.admit(client("b", 1))
        for _ in range(1000):
            await limiter.admit(client("c", None))

    asyncio.run(calls())


def test_messages_of_a_stream_wait_for_their_turn(clock: Clock) -> None:
    async def calls() -> None:
        limiter, a, began = Limiter(), client("a", 2), clock.now
        for _ in range(20):
            await limiter.pace(a)
        assert clock.now - began == pytest.approx(9, abs=0.1)

    asyncio.run(calls())
