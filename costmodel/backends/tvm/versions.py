"""What decides which program a schedule's text stands for, besides the target."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

__all__ = ["SPACE_VERSION", "versions"]

#: Bumped whenever the templates or the lowering change what a schedule's text means.
SPACE_VERSION = "4"


def versions() -> Mapping[str, str]:
    """The backend's part of a measurement's key."""
    return {
        "apache-tvm": version("apache-tvm"),
        "costmodel-tvm-space": SPACE_VERSION,
        "mlir": version("iree-base-compiler"),
    }
