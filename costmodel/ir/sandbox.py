"""A child process that reads MLIR, and what its death means."""

from __future__ import annotations

import atexit
import json
import os
import signal
from collections.abc import Mapping
from typing import Any

from costmodel.errors import CostModelError, ParseError
from costmodel.lines import ChildDiedError, LineProcess

__all__ = ["MEMORY_BYTES", "TIMEOUT_S", "Sandbox", "shared"]

#: Address space of the child. The bindings map 0.5 GiB of it.
MEMORY_BYTES = 4 << 30
#: A kernel takes milliseconds; 16 MiB of constants take a second or two.
TIMEOUT_S = 60.0


class Sandbox:
    """One long-lived child, started on first use and again after each death. Thread-safe."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S, memory_bytes: int = MEMORY_BYTES) -> None:
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._child = LineProcess("costmodel.ir.child", [str(memory_bytes)], timeout_s=timeout_s)

    @property
    def pid(self) -> int | None:
        """Of the child that runs, if one does."""
        return self._child.pid

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The child's answer.

        Raises ParseError where the request killed the child or took longer than the time limit,
        CostModelError where the child failed in another way.
        """
        try:
            reply = self._child.ask(json.dumps(request).encode())
        except TimeoutError as error:
            raise ParseError(
                f"MLIR took more than {self._timeout_s:g} s to read this",
                hint="give it a smaller kernel",
            ) from error
        except ChildDiedError as error:
            raise self._death(error) from None
        answer: dict[str, Any] = json.loads(reply)
        return answer

    def close(self) -> None:
        """End the child; the next request would start another."""
        self._child.close()

    def release(self) -> None:
        """Close what belongs to this process, before it ends."""
        self._child.release()

    def _death(self, died: ChildDiedError) -> CostModelError:
        said, status = died.said, died.status
        if "MemoryError" in said or "bad_alloc" in said or status == -signal.SIGKILL:
            return ParseError(
                f"MLIR needs more than {self._memory_bytes >> 30} GiB of memory to read this",
                hint="give it a smaller kernel",
            )
        if status < 0:
            return ParseError(
                f"MLIR's parser died of {signal.Signals(-status).name} on this: it is nested too "
                "deeply, or hits a defect of MLIR",
                hint="flatten nested regions, types and expressions",
            )
        return CostModelError(f"the process that reads MLIR failed:\n{said[-4000:]}")


_shared: Sandbox | None = None


def shared() -> Sandbox:
    """This process's sandbox."""
    global _shared
    if _shared is None:
        _shared = Sandbox()
    return _shared


def _close() -> None:
    if _shared is not None:
        _shared.release()


def _forget() -> None:
    """A forked process must neither talk to its parent's child nor end it."""
    global _shared
    _shared = None


atexit.register(_close)
os.register_at_fork(after_in_child=_forget)
