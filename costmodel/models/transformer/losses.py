"""What training makes small: errors of value, of order, of intervals, and of the other targets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from costmodel.models.transformer.network import MOST_REGISTERS, Outputs

__all__ = ["LossWeights", "losses", "ranking_loss"]


@dataclass(frozen=True)
class LossWeights:
    """How much each part counts."""

    value: float = 1.0
    interval: float = 0.5
    rank: float = 0.5
    registers: float = 0.05
    code: float = 0.1
    utilization: float = 4.0
    failure: float = 0.1


#: Quantiles of the interval.
_LOW, _HIGH = 0.05, 0.95
#: Differences of the logarithm that are noise, and that count as large.
_NOISE, _SCALE = 0.03, 0.2


def losses(
    out: Outputs, targets: Tensor, present: Tensor, weights: LossWeights
) -> dict[str, Tensor]:
    """Each part, weighted; ``targets`` (workloads, schedules, TARGETS), NaN where not known.

    The order of schedules of one workload counts by pairs, as in RankNet (Burges et al., ICML
    2005), those with a fast one more.
    """
    log_us, registers, spills, instructions, size, share, use, failure = targets.unbind(-1)
    known = present & torch.isfinite(log_us)
    error = torch.where(known, out.log_us - log_us, 0.0)
    n = known.sum().clamp(min=1)
    value = functional.smooth_l1_loss(error, torch.zeros_like(error), beta=0.1, reduction="sum") / n
    centre = out.log_us.detach()
    low = _pinball(log_us - (centre - out.below), _LOW, known)
    high = _pinball(log_us - (centre + out.above), _HIGH, known)
    parts = {
        "value": weights.value * value,
        "interval": weights.interval * (low + high) / n,
        "rank": weights.rank * ranking_loss(out.log_us, log_us, known),
        "registers": weights.registers * _registers(out.registers, registers, present),
        "utilization": weights.utilization * _squares(out.utilization, use, present),
        "failure": weights.failure * _failures(out.failure, failure, present),
    }
    sizes = ((out.spills, spills), (out.instructions, instructions), (out.code_bytes, size))
    code = torch.stack([_huber(told, true, present) for told, true in sizes]).sum()
    parts["code"] = weights.code * (code + 10 * _squares(out.vector_share, share, present))
    return parts


def _pinball(error: Tensor, quantile: float, known: Tensor) -> Tensor:
    loss = torch.maximum(quantile * error, (quantile - 1) * error)
    return torch.where(known, loss, 0.0).nan_to_num(0.0).sum()


def ranking_loss(predicted: Tensor, measured: Tensor, known: Tensor) -> Tensor:
    """Pairs (i, j) of one workload of which i is faster, and ought to be predicted so."""
    y = torch.where(known, measured, 0.0)
    gap = y[:, None, :] - y[:, :, None]  # [w, i, j] = y_j - y_i
    pair = known[:, :, None] & known[:, None, :] & (gap > _NOISE)
    best = torch.where(known, measured, torch.inf).amin(dim=1, keepdim=True)
    behind = torch.where(known, measured - best, 0.0).clamp(max=5.0)
    weight = torch.exp(-2 * behind)[:, :, None] * (gap / _SCALE).clamp(max=1.0) * pair
    margin = predicted[:, :, None] - predicted[:, None, :]
    loss = functional.softplus(margin / _SCALE) * weight
    return loss.sum() / weight.sum().clamp(min=1.0)


def _registers(logits: Tensor, registers: Tensor, present: Tensor) -> Tensor:
    known = present & torch.isfinite(registers)
    if not known.any():
        return logits.sum() * 0.0
    wanted = registers[known].long().clamp(0, MOST_REGISTERS)
    # Half of it on the number, a quarter on either neighbour: within 1 is what is asked.
    around = (wanted[:, None] - torch.arange(MOST_REGISTERS + 1, device=wanted.device)).abs()
    share = (0.5 - 0.25 * around).clamp(min=0.0)
    return functional.cross_entropy(logits[known], share / share.sum(dim=1, keepdim=True))


def _squares(predicted: Tensor, measured: Tensor, present: Tensor) -> Tensor:
    known = present & torch.isfinite(measured)
    error = torch.where(known, predicted - measured.nan_to_num(0.0), 0.0)
    return (error**2).sum() / known.sum().clamp(min=1)


def _huber(predicted: Tensor, measured: Tensor, present: Tensor) -> Tensor:
    known = present & torch.isfinite(measured)
    error = torch.where(known, predicted - measured.nan_to_num(0.0), 0.0)
    total = functional.smooth_l1_loss(error, torch.zeros_like(error), beta=0.3, reduction="sum")
    return total / known.sum().clamp(min=1)


def _failures(logits: Tensor, failed: Tensor, present: Tensor) -> Tensor:
    known = present & torch.isfinite(failed)
    loss = functional.binary_cross_entropy_with_logits(
        logits, failed.nan_to_num(0.0), reduction="none"
    )
    return torch.where(known, loss, 0.0).sum() / known.sum().clamp(min=1)
