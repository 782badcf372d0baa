"""What a client does, written once for threads and for asyncio.

A plan is a generator of steps, each of which is done for it, by waiting or by awaiting; what came
of it is sent, or thrown, into the generator. So a plan does no input or output by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from google.protobuf.message import Message

from costmodel.errors import CostModelError
from costmodel.oracle.convert import FieldError
from costmodel.oracle.status import OracleError

__all__ = ["Call", "Local", "Pause", "Plan", "Step", "Stream", "answers", "run", "run_async"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Call:
    """One request, one answer; ``waits`` are the seconds that the server is asked to wait."""

    method: str
    request: Message
    waits: float = 0.0


@dataclass(frozen=True)
class Stream:
    """One request, or several, and all the answers as a list."""

    method: str
    requests: Message | Sequence[Message]


@dataclass(frozen=True)
class Local:
    """Work of this process, which takes its time."""

    do: Callable[[], Any]


@dataclass(frozen=True)
class Pause:
    """Nothing for some seconds."""

    seconds: float


Step: TypeAlias = Call | Stream | Local | Pause
Plan: TypeAlias = Generator[Step, Any, _T]


@contextmanager
def answers() -> Iterator[None]:
    """Around reading an answer: what cannot be read is the oracle's fault, not the user's."""
    try:
        yield
    except (FieldError, ValueError) as error:
        raise OracleError(
            f"the oracle's answer cannot be read: {error}",
            hint="is the server of the same version as this client?",
        ) from error


def run(plan: Plan[_T], do: Callable[[Step], Any]) -> _T:
    """Follow a plan; ``do`` does one step. Raises what the plan raises."""
    answer: Any = None
    error: CostModelError | None = None
    try:
        while True:
            step = plan.throw(error) if error is not None else plan.send(answer)
            answer, error = None, None
            try:
                answer = do(step)
            except CostModelError as raised:
                error = raised
    except StopIteration as end:
        found: _T = end.value
        return found


async def run_async(plan: Plan[_T], do: Callable[[Step], Awaitable[Any]]) -> _T:
    """As ``run``, where a step is awaited."""
    answer: Any = None
    error: CostModelError | None = None
    try:
        while True:
            step = plan.throw(error) if error is not None else plan.send(answer)
            answer, error = None, None
            try:
                answer = await do(step)
            except CostModelError as raised:
                error = raised
    except StopIteration as end:
        found: _T = end.value
        return found
