"""Where PyTorch computes."""

from __future__ import annotations

import torch

from costmodel.errors import UsageError

__all__ = ["check_device"]


def check_device(name: str) -> None:
    """Raises UsageError for a device that is none, or that this machine has not."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"PyTorch cannot compute on {name!r}: {reason}") from error
