"""Workloads and schedules, padded and put together as tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from costmodel.models.transformer.inputs import CHOICE_WIDTH, ScheduleInput, WorkloadInput
from costmodel.models.transformer.sites import BACKENDS

__all__ = ["ScheduleBatch", "WorkloadBatch", "by_length", "schedule_batch", "workload_batch"]


#: Computing that counts as none.
_LEAST_US = 1e-4


class _Movable:
    def to(self, device: torch.device) -> Any:
        """The same on a device."""
        moved = {
            field.name: value.to(device)
            for field in fields(self)  # type: ignore[arg-type]
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return replace(self, **moved)  # type: ignore[type-var]


@dataclass(frozen=True)
class WorkloadBatch(_Movable):
    """``size`` workloads, padded to ``ops`` operations and ``most_sites`` sites.

    Tokens, edges and axes of all stand one after the other; ``token_op``, ``edges`` and
    ``axis_site`` are places in the padded rows of operations and sites, one workload after the
    other. ``compute_us``, ``memory_us`` and ``mask`` have the shape (size, ops), ``sites`` (size,
    most_sites, width), ``site_us`` (size, most_sites, 2), ``site_backend`` (size, most_sites).
    """

    size: int
    ops: int
    most_sites: int
    ids: Tensor
    kinds: Tensor
    groups: Tensor
    slots: Tensor
    token_values: Tensor
    token_op: Tensor
    edges: Tensor
    compute_us: Tensor
    memory_us: Tensor
    mask: Tensor
    axes: Tensor
    axis_site: Tensor
    sites: Tensor
    site_us: Tensor
    site_mask: Tensor
    site_backend: Tensor
    target: Tensor
    log_peak_us: Tensor


@dataclass(frozen=True)
class ScheduleBatch(_Movable):
    """Schedules of the workloads of a batch, each workload's in a row: (size, schedules, choices).

    ``present`` says which schedules are no padding, ``mask`` which choices. ``sites`` are places
    among the workload's sites, ``most_sites`` for none. A schedule ``sees`` the sites of a
    backend, a place in BACKENDS, or of none, -1.
    """

    words: Tensor
    numbers: Tensor
    sites: Tensor
    mask: Tensor
    present: Tensor
    backends: Tensor
    sees: Tensor


def workload_batch(
    inputs: Sequence[WorkloadInput], ids: Sequence[NDArray[np.int32]] | None = None
) -> WorkloadBatch:
    """Pad and join; ``ids`` take the place of those of the inputs' tokens."""
    size = len(inputs)
    ops = max(one.ops for one in inputs)
    most = max(1, *(len(one.sites) for one in inputs))
    compute, memory = np.zeros((2, size, ops), np.float32)
    mask = np.zeros((size, ops), bool)
    sites = np.zeros((size, most, inputs[0].sites.shape[1]), np.float32)
    site_us = np.zeros((size, most, 2), np.float32)
    site_mask = np.zeros((size, most), bool)
    site_backend = np.full((size, most), -1, np.int64)
    for row, one in enumerate(inputs):
        compute[row, : one.ops] = one.compute_us
        memory[row, : one.ops] = one.memory_us
        mask[row, : one.ops] = True
        sites[row, : len(one.sites)] = one.sites
        site_us[row, : len(one.sites)] = one.site_us
        site_mask[row, : len(one.sites)] = True
        site_backend[row, : len(one.sites)] = one.site_backend
    peak = [np.log(max(one.peak_us, _LEAST_US)) for one in inputs]

    def joined(parts: list[Any], kind: Any = np.int64) -> Tensor:
        return torch.from_numpy(np.concatenate(parts).astype(kind, copy=False))

    return WorkloadBatch(
        size=size, ops=ops, most_sites=most,
        ids=joined(list(ids) if ids is not None else [one.tokens.ids for one in inputs]),
        kinds=joined([one.tokens.kinds for one in inputs]),
        groups=joined([one.tokens.group for one in inputs]),
        slots=joined([one.tokens.slot for one in inputs]),
        token_values=joined([one.token_values for one in inputs], np.float32),
        token_op=joined([one.tokens.op + row * ops for row, one in enumerate(inputs)]),
        edges=joined([one.edges + row * ops for row, one in enumerate(inputs)]),
        compute_us=torch.from_numpy(compute), memory_us=torch.from_numpy(memory),
        mask=torch.from_numpy(mask),
        axes=joined([one.axes for one in inputs], np.float32),
        axis_site=joined([one.axis_site + row * most for row, one in enumerate(inputs)]),
        sites=torch.from_numpy(sites), site_us=torch.from_numpy(site_us),
        site_mask=torch.from_numpy(site_mask),
        site_backend=torch.from_numpy(site_backend),
        target=torch.from_numpy(np.stack([one.target for one in inputs])),
        log_peak_us=torch.tensor(peak, dtype=torch.float32),
    )  # fmt: skip


def by_length(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Places in groups of ``size`` of like length: what is padded is computed as well."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    return (order[start : start + size] for start in range(0, len(order), size))


def schedule_batch(
    schedules: Sequence[Sequence[tuple[str, ScheduleInput]]],
    words: Mapping[str, int],
    backends: Sequence[str],
    most_sites: int,
) -> ScheduleBatch:
    """Each workload's schedules with their backends, padded. Unknown words have the index 1."""
    size, count = len(schedules), max(1, *(len(each) for each in schedules))
    length = max((len(one.words) for each in schedules for _, one in each), default=1)
    ids = np.zeros((size, count, length), np.int64)
    numbers = np.zeros((size, count, length, CHOICE_WIDTH), np.float32)
    sites = np.full((size, count, length), most_sites, np.int64)
    mask = np.zeros((size, count, length), bool)
    present = np.zeros((size, count), bool)
    which = np.zeros((size, count), np.int64)
    sees = np.full((size, count), -1, np.int64)
    places = {name: number for number, name in enumerate(backends)}
    for row, each in enumerate(schedules):
        for column, (backend, one) in enumerate(each):
            n = len(one.words)
            ids[row, column, :n] = [words.get(word, 1) for word in one.words]
            numbers[row, column, :n] = one.numbers
            sites[row, column, :n] = np.where(one.sites >= 0, one.sites, most_sites)
            mask[row, column, :n] = True
            present[row, column] = True
            which[row, column] = places[backend]
            sees[row, column] = -1 if one.whole else BACKENDS.index(backend)
    return ScheduleBatch(
        *(torch.from_numpy(each) for each in (ids, numbers, sites, mask, present, which, sees))
    )
