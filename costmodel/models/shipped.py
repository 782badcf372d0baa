"""The weights that the package brings; read once, and only where they are asked for."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.errors import UsageError

if TYPE_CHECKING:
    from costmodel.models.transformer.weights import Weights

__all__ = ["shipped", "shipped_weights"]

_FOLDER = Path(__file__).with_name("weights")


def shipped_weights() -> Path:
    """The folder of the weights. Raises UsageError where the package brings none."""
    if not (_FOLDER / "costmodel.json").is_file():
        raise UsageError(
            "this package brings no weights",
            hint="name some: --weights DIR, from `costmodel train`",
        )
    return _FOLDER


@cache
def shipped() -> Weights:
    """The weights themselves. Raises UsageError where there are none, or they are damaged."""
    from costmodel.models.transformer.weights import load_weights

    return load_weights(shipped_weights())
