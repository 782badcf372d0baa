"""The oracle: the cost model, the tuner and the store over gRPC, and its clients.

>>> from costmodel.oracle import Client
>>> with Client("127.0.0.1:50151") as oracle:
...     oracle.predict("kernels/bert_softmax.mlir").latency_us

The protocol is service/oracle.proto. Importing this package imports no compiler and no gRPC.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from costmodel.oracle.aio import AsyncClient
    from costmodel.oracle.client import Client
    from costmodel.oracle.sharing import Sharing

__all__ = ["AsyncClient", "Client", "Sharing"]

_LAZY = {
    "AsyncClient": "costmodel.oracle.aio",
    "Client": "costmodel.oracle.client",
    "Sharing": "costmodel.oracle.sharing",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
