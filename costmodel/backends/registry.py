"""Backends by name: each is imported when it is asked for, never before.

``load("tvm")`` imports TVM; listing the names imports nothing, so that ``--help`` stays quick.
"""

from __future__ import annotations

from collections.abc import Callable

from costmodel.backends.base import Backend
from costmodel.errors import UsageError

__all__ = ["BACKENDS", "check", "load"]


def _auto() -> Backend:
    from costmodel.backends.iree.backend import IREEBackend
    from costmodel.backends.joint import JointBackend
    from costmodel.backends.tvm.backend import TVMBackend

    parts = (IREEBackend(), TVMBackend())
    return JointBackend("auto", parts, libraries={b"\x7fELF": "tvm"})


def _iree() -> Backend:
    from costmodel.backends.iree.backend import IREEBackend

    return IREEBackend()


def _tvm() -> Backend:
    from costmodel.backends.tvm.backend import TVMBackend

    return TVMBackend()


#: Name -> loader without arguments.
BACKENDS: dict[str, Callable[[], Backend]] = {"auto": _auto, "iree": _iree, "tvm": _tvm}


def check(name: str) -> None:
    """Raise UsageError for a name that is not registered."""
    if name not in BACKENDS:
        raise UsageError(
            f"no backend is called {name!r}", hint=f"choose one of: {', '.join(sorted(BACKENDS))}"
        )


def load(name: str) -> Backend:
    """The backend of that name. Raises UsageError for a name that is not registered."""
    check(name)
    return BACKENDS[name]()
