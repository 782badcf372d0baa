"""The cascade's first stage learns from the network what it makes of schedules.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015: the teacher's
predictions are free of the noise of measurements. Like the network's own choice they count what
may fail as slower.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch.nn import functional

from costmodel.models.transformer.batches import schedule_batch, workload_batch
from costmodel.models.transformer.examples import Task
from costmodel.models.transformer.losses import ranking_loss
from costmodel.models.transformer.network import FAILURE, CostNetwork

__all__ = ["distill"]

_WORKLOADS, _SCHEDULES, _RATE = 8, 64, 2e-3


def distill(network: CostNetwork, tasks: Sequence[Task], *, steps: int, seed: int) -> CostNetwork:
    """Train the first stage of ``network`` on its own predictions; nothing else is changed.

    Tasks with a single schedule teach nothing of schedules and are left out; without any other
    the first stage stays as it is.
    """
    many = [task for task in tasks if len(task.schedules) > 1]
    if not many:
        return network
    torch.manual_seed(seed)
    rng = random.Random(seed)
    network.eval()
    optimizer = torch.optim.AdamW(network.first.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=max(steps, 2))
    for _ in range(steps):
        chosen = rng.sample(many, min(_WORKLOADS, len(many)))
        workloads = workload_batch([task.input for task in chosen]).to(network.device)
        batch = schedule_batch(
            [rng.sample(task.schedules, min(_SCHEDULES, len(task.schedules))) for task in chosen],
            network.choice_index, network.config.backends, workloads.most_sites,
        ).to(network.device)  # fmt: skip
        with torch.no_grad():
            memory = network.encode(workloads)
            out = network.score(memory, batch)
            taught = out.log_us + FAILURE * torch.sigmoid(out.failure)
        told = network.skim(memory, batch)
        error = torch.where(batch.present, told - taught, 0.0)
        value = functional.smooth_l1_loss(error, torch.zeros_like(error), beta=0.1)
        loss = value + 0.5 * ranking_loss(told, taught, batch.present)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return network
