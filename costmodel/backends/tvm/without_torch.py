"""Imports TVM without PyTorch; to be imported before anything that imports TVM.

TVM's foreign function interface imports PyTorch wherever it is installed, to exchange tensors with
it. Nothing here does, and the import takes longer than all of TVM's.
"""

from __future__ import annotations

import sys


def _import() -> None:
    if "torch" in sys.modules or "tvm_ffi" in sys.modules:
        return
    sys.modules["torch"] = None  # type: ignore[assignment]  # makes an import raise ImportError
    try:
        import tvm  # noqa: F401
    finally:
        del sys.modules["torch"]


_import()
