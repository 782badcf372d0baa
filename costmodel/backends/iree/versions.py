"""What decides which module a schedule's text stands for, besides the target."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

__all__ = ["versions"]

#: Bumped whenever the meaning of a schedule's text changes.
SPACE_VERSION = "3"


def versions() -> Mapping[str, str]:
    """The backend's part of a measurement's key."""
    return {
        "costmodel-iree-space": SPACE_VERSION,
        "iree-base-compiler": version("iree-base-compiler"),
        "iree-base-runtime": version("iree-base-runtime"),
    }
