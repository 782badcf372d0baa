"""From a trained network to predictions of tasks, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from costmodel.models.transformer.batches import by_length, schedule_batch, workload_batch
from costmodel.models.transformer.examples import Task, tuned_schedule
from costmodel.models.transformer.inputs import ScheduleInput, WorkloadInput
from costmodel.models.transformer.network import FAILURE, CostNetwork, Memory, Outputs

__all__ = [
    "Estimates",
    "estimate",
    "estimate_functions",
    "estimate_schedules",
    "estimate_tuned",
    "in_threads",
    "read",
    "within_one",
]

_Part = TypeVar("_Part")
_Made = TypeVar("_Made")
Array = NDArray[np.float64]
#: Schedules scored at once, of like length.
_CHUNK = 32
#: Workloads read at once, of like size so that little is padding.
_WORKLOADS = 64


@dataclass(frozen=True)
class Estimates:
    """Predictions, an array element a schedule; logarithms are natural, of microseconds.

    ``low`` and ``high`` bound what the network takes for 90%, not calibrated yet. ``registers``
    is the number of which most probability lies within 1; ``failure`` a probability.
    """

    log_us: Array
    low: Array
    high: Array
    registers: Array
    spills: Array
    instructions: Array
    code_bytes: Array
    vector_share: Array
    utilization: Array
    failure: Array

    @property
    def expected(self) -> Array:
        """Medians by which schedules are ordered: what may fail counts as slower.

        Up to ten times where it is sure to.
        """
        return np.asarray(self.log_us + FAILURE * self.failure)

    @staticmethod
    def joined(parts: Sequence[Estimates]) -> Estimates:
        """One after the other."""
        names = Estimates.__dataclass_fields__
        return Estimates(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))

    def at(self, places: Sequence[int] | NDArray[np.intp]) -> Estimates:
        """Those at ``places``, in that order."""
        return Estimates(*(getattr(self, name)[places] for name in Estimates.__dataclass_fields__))


def estimate(
    network: CostNetwork, memory: Memory, schedules: Sequence[tuple[str, ScheduleInput]]
) -> Estimates:
    """Of schedules of the one workload in ``memory``, by PyTorch's number of threads."""
    most = memory.sites.shape[1] - 1

    def score(places: Sequence[int]) -> Estimates:
        those = [schedules[place] for place in places]
        batch = schedule_batch([those], network.choice_index, network.config.backends, most)
        with torch.inference_mode():
            return _estimates(network.score(memory, batch.to(network.device)))

    # The longest first: they take longest, and no thread should be left alone with them.
    groups = [*by_length([len(read.words) for _, read in schedules], _CHUNK)][::-1]
    order = [place for places in groups for place in places]
    return Estimates.joined(in_threads(score, groups)).at(np.argsort(order))


def in_threads(work: Callable[[_Part], _Made], parts: Iterable[_Part]) -> list[_Made]:
    """What ``work`` makes of each part, in order, in as many threads as PyTorch may use.

    Of parts that are small, threads that have one each get more done than those that share it.
    """
    listed, threads = [*parts], torch.get_num_threads()
    if threads == 1 or len(listed) < 2:
        return [work(part) for part in listed]
    try:
        with ThreadPoolExecutor(
            min(threads, len(listed)), initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            return list(pool.map(work, listed))
    finally:
        torch.set_num_threads(threads)  # which threads to come have as well


def read(network: CostNetwork, workload: WorkloadInput) -> Memory:
    """Encode one workload."""
    with torch.inference_mode():
        return network.encode(workload_batch([workload]).to(network.device))


def estimate_schedules(network: CostNetwork, tasks: Sequence[Task]) -> list[Estimates]:
    """Of all schedules of each task."""
    return [estimate(network, read(network, task.input), task.schedules) for task in tasks]


def estimate_functions(network: CostNetwork, tasks: Sequence[Task]) -> Estimates:
    """Of each task under its default, which each must have; in the order of the tasks."""
    return _estimate_wholes(
        network, [(task.bare, task.schedules[task.defaults[0]]) for task in tasks]
    )


def estimate_tuned(network: CostNetwork, tasks: Sequence[Task]) -> Estimates:
    """Of what tuning finds for each task; in the order of the tasks."""
    return _estimate_wholes(network, [(task.bare, tuned_schedule(task.bare)) for task in tasks])


def _estimate_wholes(
    network: CostNetwork, asked: Sequence[tuple[WorkloadInput, tuple[str, ScheduleInput]]]
) -> Estimates:
    """One schedule a workload; those of like length are read together."""
    parts, order = [], []
    for places in by_length([workload.ops for workload, _ in asked], _WORKLOADS):
        those = [asked[place] for place in places]
        workloads = workload_batch([workload for workload, _ in those])
        schedules = schedule_batch(
            [[schedule] for _, schedule in those],
            network.choice_index, network.config.backends, workloads.most_sites,
        )  # fmt: skip
        with torch.inference_mode():
            out = network(workloads.to(network.device), schedules.to(network.device))
        parts.append(_estimates(out))
        order += places
    return Estimates.joined(parts).at(np.argsort(order))


def _estimates(out: Outputs) -> Estimates:
    def flat(table: torch.Tensor) -> Array:
        return table.detach().cpu().double().reshape(-1).numpy()

    def counted(table: torch.Tensor) -> Array:
        return np.asarray(np.maximum(np.expm1(flat(table)), 0.0))

    log_us = flat(out.log_us)
    return Estimates(
        log_us=log_us,
        low=log_us - flat(out.below),
        high=log_us + flat(out.above),
        registers=within_one(out.registers),
        spills=counted(out.spills),
        instructions=counted(out.instructions),
        code_bytes=counted(out.code_bytes),
        vector_share=flat(out.vector_share),
        utilization=flat(out.utilization),
        failure=flat(torch.sigmoid(out.failure)),
    )


def within_one(logits: torch.Tensor) -> Array:
    """The number that most probability lies within 1 of: what is asked of the prediction."""
    p = logits.detach().cpu().double().softmax(-1).reshape(-1, logits.shape[-1]).numpy()
    padded = np.pad(p, ((0, 0), (1, 1)))
    window = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return np.asarray((window + 1e-6 * p).argmax(axis=1), np.float64)
