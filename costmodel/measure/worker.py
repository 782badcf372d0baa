"""The loop of a worker process: one task in, one reply out, until the socket closes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from costmodel.measure.faults import Failure, describe_exception

__all__ = ["Done", "Failed", "Report", "Stage", "serve"]


@dataclass(frozen=True)
class Stage:
    """The task has come to ``name`` and has ``seconds`` for it before the worker is killed.

    ``item`` is the position of what is being worked on, for a task over several things.
    """

    name: str
    seconds: float
    item: int | None = None


@dataclass(frozen=True)
class Done:
    """The task's value."""

    value: Any


@dataclass(frozen=True)
class Failed:
    """The task raised."""

    failure: Failure


#: How a task says which stage it has come to.
Report = Callable[[Stage], None]


def serve(connection: Connection) -> None:
    """Run tasks until the parent closes its end.

    The first message is a cloudpickled context that all tasks share; each further message is
    ``(function, arguments)``, called as ``function(context, report, *arguments)``. Whatever a
    task raises is sent back: a failed candidate is a result, and the parent decides.
    """
    import cloudpickle

    try:
        context = cloudpickle.loads(connection.recv_bytes())
    except EOFError:
        return
    except Exception as error:
        connection.send(Failed(describe_exception(error)))
        return
    connection.send(Done(os.getpid()))
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            return
        try:
            reply: Done | Failed = Done(function(context, connection.send, *arguments))
        except Exception as error:
            reply = Failed(describe_exception(error))
        connection.send(reply)
