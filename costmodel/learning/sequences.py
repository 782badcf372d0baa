"""The paper's networks: an LSTM and a 1-D convolution over the tokens (arXiv 2302.11405).

They read the same tokens as the transformer, one after the other, with the numbers' values beside,
and predict the same: latency as a factor of the roofline, registers, spills and utilization.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from costmodel.learning.measures import log_bounds, measured_columns
from costmodel.models.transformer.inference import within_one
from costmodel.models.transformer.network import GROUPS, MOST_REGISTERS, SLOTS
from costmodel.models.transformer.numbers import WIDTH
from costmodel.models.transformer.training import TrainingOptions, hide_names
from costmodel.tokens.stream import Kind

if TYPE_CHECKING:
    from costmodel.models.transformer.examples import Task

__all__ = ["SequenceModel"]

Array = NDArray[np.float64]
_WIDTH, _BATCH, _RATE, _EVERY = 96, 64, 1e-3, 200


class SequenceModel:
    """One of ``"lstm"`` and ``"conv"``, the step chosen on the validation families."""

    def __init__(self, kind: str, vocabulary: int, *, steps: int, seed: int = 0) -> None:
        self.name = {"lstm": "LSTM on tokens", "conv": "1-D convolution on tokens"}[kind]
        torch.manual_seed(seed)
        body = _LSTM() if kind == "lstm" else _Convolution()
        self._network = _Sequence(vocabulary, body)
        self._steps, self._seed = steps, seed

    def fit(self, train: Sequence[Task], validation: Sequence[Task]) -> None:
        rng, network = random.Random(self._seed), self._network
        hiding = np.random.default_rng(self._seed)
        optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=self._steps)
        best, kept = np.inf, copy.deepcopy(network.state_dict())
        for step in range(self._steps):
            network.train()
            if step % _EVERY == 0:
                # Of like lengths, since most of a batch would be padding, and others each time.
                ordered = sorted(
                    train, key=lambda task: len(task.input.tokens.ids) * rng.uniform(0.8, 1.25)
                )
            at = rng.randrange(0, len(ordered), _BATCH)
            batch = ordered[at : at + _BATCH]
            ids = [hide_names(t.input, TrainingOptions.hidden, hiding) for t in batch]
            loss = _loss(network(*_batch(batch, ids)), batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if (step + 1) % _EVERY == 0 or step + 1 == self._steps:
                with torch.inference_mode():
                    network.eval()
                    out = torch.cat([network(*_batch([task])) for task in validation])
                    error = float(_loss(out, validation))
                if error < best:
                    best, kept = error, copy.deepcopy(network.state_dict())
        network.load_state_dict(kept)
        network.eval()

    def predict(self, tasks: Sequence[Task]) -> dict[str, Array]:
        with torch.inference_mode():
            out = torch.cat([self._network(*_batch([task])) for task in tasks]).double()
        return {
            "log_us": out[:, 0].numpy() + log_bounds(tasks),
            "utilization": torch.sigmoid(out[:, 1]).numpy(),
            "spills": np.expm1(functional.softplus(out[:, 2]).numpy()),
            "registers": within_one(out[:, 3:]),
        }


class _Sequence(nn.Module):
    def __init__(self, vocabulary: int, body: nn.Module) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, _WIDTH, padding_idx=0)
        self.kinds = nn.Embedding(len(Kind), _WIDTH)
        self.groups, self.slots = nn.Embedding(GROUPS, _WIDTH), nn.Embedding(SLOTS, _WIDTH)
        self.values = nn.Linear(WIDTH, _WIDTH)
        self.body = body
        self.out = nn.Sequential(
            nn.Linear(2 * _WIDTH, _WIDTH), nn.GELU(), nn.Linear(_WIDTH, 4 + MOST_REGISTERS)
        )

    def forward(self, ids: Tensor, kinds: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """``kinds`` are kind, group and slot, in the last dimension."""
        kind, group, slot = kinds.unbind(-1)
        tokens = self.words(ids) + self.values(values) + self.kinds(kind)
        tokens = tokens + self.groups(group) + self.slots(slot)
        out: Tensor = self.out(self.body(tokens, mask))
        return out


class _LSTM(nn.Module):
    """Two layers in both directions; the mean and the largest of their outputs.

    Sequences are reversed by hand: PyTorch's packed ones take time that grows with the square of
    the length to learn from.
    """

    def __init__(self) -> None:
        super().__init__()
        self.onward, self.back = (
            nn.ModuleList(nn.LSTM(_WIDTH, _WIDTH // 2, batch_first=True) for _ in range(2))
            for _ in range(2)
        )

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        places = _reversed(mask)
        hidden = tokens
        for onward, back in zip(self.onward, self.back, strict=True):
            read, again = onward(hidden)[0], back(_taken(hidden, places))[0]
            hidden = torch.cat([read, _taken(again, places)], dim=-1)
        return _pooled(hidden, mask)


def _reversed(mask: Tensor) -> Tensor:
    """Places of the tokens from the last to the first; what is padding stays."""
    places = torch.arange(mask.shape[1]).expand_as(mask)
    return torch.where(mask, mask.sum(dim=1, keepdim=True) - 1 - places, places)


def _taken(table: Tensor, places: Tensor) -> Tensor:
    return table.gather(1, places[..., None].expand_as(table))


class _Convolution(nn.Module):
    """Five layers of width 5; pooled as the LSTM's outputs are."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(_WIDTH, _WIDTH, 5, padding=2) for _ in range(5))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        hidden = tokens * mask[..., None]
        for layer in self.layers:
            hidden = hidden + functional.gelu(layer(hidden.transpose(1, 2)).transpose(1, 2))
            hidden = hidden * mask[..., None]
        return _pooled(hidden, mask)


def _pooled(read: Tensor, mask: Tensor) -> Tensor:
    mean = (read * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
    most = read.masked_fill(~mask[..., None], -1e4).amax(dim=1)
    return torch.cat([mean, most], dim=-1)


def _batch(
    tasks: Sequence[Task], words: Sequence[NDArray[np.int32]] | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``words`` take the place of those of the tasks."""
    length = max(len(task.input.tokens.ids) for task in tasks)
    ids = np.zeros((len(tasks), length), np.int64)
    kinds = np.zeros((len(tasks), length, 3), np.int64)
    values = np.zeros((len(tasks), length, WIDTH), np.float32)
    mask = np.zeros((len(tasks), length), bool)
    for row, task in enumerate(tasks):
        tokens = task.input.tokens
        n = len(tokens.ids)
        ids[row, :n] = tokens.ids if words is None else words[row]
        values[row, :n], mask[row, :n] = task.input.token_values, True
        kinds[row, :n, 0] = tokens.kinds
        kinds[row, :n, 1] = np.minimum(tokens.group, GROUPS - 1)
        kinds[row, :n, 2] = np.minimum(tokens.slot, SLOTS - 1)
    return tuple(map(torch.from_numpy, (ids, kinds, values, mask)))  # type: ignore[return-value]


def _loss(out: Tensor, tasks: Sequence[Task]) -> Tensor:
    true = measured_columns(tasks)
    factor = torch.tensor(true["log_us_true"] - log_bounds(tasks), dtype=torch.float32)
    loss = functional.smooth_l1_loss(out[:, 0], factor, beta=0.1)
    use, spills, registers = (
        torch.tensor(true[f"{name}_true"], dtype=torch.float32)
        for name in ("utilization", "spills", "registers")
    )
    known = torch.isfinite(use)
    loss = loss + 4 * functional.mse_loss(torch.sigmoid(out[known, 1]), use[known])
    known = torch.isfinite(registers)
    if known.any():
        told = functional.softplus(out[known, 2])
        loss = loss + 0.1 * functional.smooth_l1_loss(told, torch.log1p(spills[known]))
        wanted = registers[known].long().clamp(0, MOST_REGISTERS)
        loss = loss + 0.15 * functional.cross_entropy(out[known, 3:], wanted)
    return loss
