"""Training: seeded, resumable, with its curves in a file."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from costmodel.errors import UsageError
from costmodel.interrupts import Interrupts
from costmodel.models.transformer.batches import (
    ScheduleBatch,
    WorkloadBatch,
    schedule_batch,
    workload_batch,
)
from costmodel.models.transformer.examples import TARGETS, Task, tuned_schedule
from costmodel.models.transformer.inputs import ScheduleInput, WorkloadInput
from costmodel.models.transformer.losses import LossWeights, losses
from costmodel.models.transformer.network import CostNetwork
from costmodel.tokens.stream import Kind

__all__ = ["CHECKPOINT", "CURVES", "TrainingOptions", "hide_names", "train"]

CURVES, CHECKPOINT = "curves.jsonl", "checkpoint.pt"
#: So many batches of functions are drawn at once and sorted by length, of which one is taken.
_WINDOW = 8
#: How much oftener functions are drawn of which is known what tuning finds: they are few.
_TUNED = 3.0


@dataclass(frozen=True)
class TrainingOptions:
    """Options of ``train``; the defaults were chosen on the validation families."""

    steps: int = 4000
    #: Learning rate after the warm-up, which falls to a hundredth along a cosine.
    rate: float = 1e-3
    warmup: int = 300
    weight_decay: float = 0.1
    #: Workloads of a batch of functions, each with its default alone.
    functions: int = 48
    #: Workloads of a batch of schedules, and schedules of each.
    workloads: int = 8
    schedules: int = 24
    #: Share of the batches that are of schedules.
    schedule_share: float = 0.5
    #: Share of the names of operations, and of the pieces of names, that are hidden in a function,
    #: so that the network learns to do without those that it will not know.
    hidden: float = 0.25
    #: Decay of the averaged weights, which are the ones that are kept.
    average: float = 0.998
    #: Steps between evaluations, which also write a checkpoint.
    every: int = 500
    seed: int = 0
    loss: LossWeights = field(default_factory=LossWeights)


#: Says the step, the steps in all, and the losses averaged since the last time.
Listener = Callable[[int, int, dict[str, float]], None]
#: The network's score on validation data, lower is better, and what to write of it.
Judge = Callable[[CostNetwork], tuple[float, dict[str, float]]]


def train(
    network: CostNetwork,
    tasks: Sequence[Task],
    folder: Path,
    *,
    judge: Judge,
    options: TrainingOptions,
    of: str = "",
    device: str = "cpu",
    listener: Listener = lambda *_: None,
    resume: bool = False,
) -> CostNetwork:
    """Train; the best weights by ``judge`` are returned.

    ``folder`` gets the curves and, every ``options.every`` steps and at Ctrl-C, a checkpoint, from
    which a run with ``resume`` goes on as if it had not ended; ``of`` says what else such a run
    must have in common, as its data. Raises UsageError where there is nothing to learn from, or the
    checkpoint is of another run.
    """
    if not any(np.isfinite(task.targets[:, 0]).any() for task in tasks):
        raise UsageError("there is nothing to learn from: no measurement succeeded")
    torch.manual_seed(options.seed)
    pools = _Pools(tasks, options)
    state = _State(network.to(device), options, of)
    path = folder / CHECKPOINT
    if resume and path.exists():
        state.load(path)
    elif not resume:
        path.unlink(missing_ok=True)
    _forget(folder / CURVES, state.step)
    sums: dict[str, float] = {}
    started, count = time.monotonic(), 0
    with Interrupts() as interrupts:
        interrupts.defer()
        while state.step < options.steps:
            workloads, schedules, targets = pools.draw(network, state.step)
            parts = state.learn(workloads.to(network.device), schedules.to(network.device),
                                targets.to(network.device))  # fmt: skip
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value
            count += 1
            if state.step % options.every and state.step < options.steps:
                if interrupts.seen:
                    state.save(path)
                    interrupts.resume()
                continue
            means = {name: value / count for name, value in sums.items()}
            score, figures = judge(state.averaged())
            state.keep(score)
            _append(folder / CURVES, {
                "step": state.step, "seconds": round(time.monotonic() - started, 1),
                "rate": state.rate, **means, "score": score, **figures,
            })  # fmt: skip
            state.save(path)
            listener(state.step, options.steps, {**means, "score": score})
            sums, count = {}, 0
            if interrupts.seen:
                interrupts.resume()
    return state.best()


class _State:
    """Weights, their average, the optimizer, and the best so far."""

    def __init__(self, network: CostNetwork, options: TrainingOptions, of: str) -> None:
        self.network, self.options = network, options
        self._run = json.dumps([asdict(options), of], sort_keys=True)
        self.step = 0
        self._optimizer = torch.optim.AdamW(_groups(network, options.weight_decay), lr=options.rate)
        self._average = _copy(network.state_dict())
        self._best = _copy(network.state_dict())
        self._score = math.inf

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        options = self.options
        if self.step < options.warmup:
            return options.rate * (self.step + 1) / options.warmup
        part = (self.step - options.warmup) / max(1, options.steps - options.warmup)
        return options.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, part))))

    def learn(
        self, workloads: WorkloadBatch, schedules: ScheduleBatch, targets: Tensor
    ) -> dict[str, float]:
        """One step; the parts of the loss."""
        self.network.train()
        torch.manual_seed(self.options.seed * 1_000_003 + self.step)  # dropout, also when resumed
        out = self.network(workloads, schedules)
        parts = losses(out, targets, schedules.present, self.options.loss)
        total = torch.stack(list(parts.values())).sum()
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimizer.step()
        self.step += 1
        # Early averages forget what was random at the beginning.
        decay = min(self.options.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                self._average[name].lerp_(value, 1 - decay)
        return {name: float(value.detach()) for name, value in parts.items()}

    def averaged(self) -> CostNetwork:
        """A network with the averaged weights."""
        return _with(self.network, self._average)

    def best(self) -> CostNetwork:
        """A network with the best weights."""
        return _with(self.network, self._best)

    def keep(self, score: float) -> None:
        """The averaged weights become the best if their score is."""
        if score < self._score:
            self._score, self._best = score, _copy(self._average)

    def save(self, path: Path) -> None:
        """Write a checkpoint; the file is replaced when it is complete."""
        new = path.with_suffix(".new")
        torch.save(
            {
                "run": self._run,
                "step": self.step, "score": self._score, "network": self.network.state_dict(),
                "average": self._average, "best": self._best,
                "optimizer": self._optimizer.state_dict(),
            },
            new,
        )  # fmt: skip
        new.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint. Raises UsageError for one of another run, or none."""
        try:
            saved: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
            if saved["run"] != self._run:
                raise UsageError(
                    f"{path} is of another run: {_differences(saved['run'], self._run)}",
                    hint="train into another folder, or without --resume",
                )
            self.network.load_state_dict(saved["network"])
            self._optimizer.load_state_dict(saved["optimizer"])
            self.step, self._score = saved["step"], saved["score"]
            device = self.network.device
            self._average = {name: value.to(device) for name, value in saved["average"].items()}
            self._best = {name: value.to(device) for name, value in saved["best"].items()}
        except UsageError:
            raise
        except Exception as error:  # whatever a damaged file makes of PyTorch's reader
            raise UsageError(f"{path} cannot be read as a checkpoint: {error}") from error


def _differences(saved: str, run: str) -> str:
    """In which options two runs differ."""
    (then, _), (now, _) = json.loads(saved), json.loads(run)
    told = [
        f"{name} was {then.get(name)} and is {value}"
        for name, value in now.items()
        if then.get(name) != value
    ]
    return ", ".join(told) or "its data, splits or sizes of the network were others"


_Listed = list[list[tuple[str, ScheduleInput, NDArray[np.float32]]]]


def _rows_of(tasks: Sequence[Task], rows: Sequence[Sequence[int]]) -> _Listed:
    """Some of the schedules of each, and what these took."""
    return [
        [(*task.schedules[row], task.targets[row]) for row in those]
        for task, those in zip(tasks, rows, strict=True)
    ]


def _wholes_of(tasks: Sequence[Task], rows: Sequence[int]) -> _Listed:
    """Workloads as wholes: each with its default, at the row given, and with what tuning finds."""
    listed = []
    for task, row in zip(tasks, rows, strict=True):
        each = [(*task.schedules[row], task.targets[row])]
        if math.isfinite(task.tuned):
            found = np.full_like(task.targets[row], np.nan)
            found[TARGETS.index("log_us")] = task.tuned
            each.append((*tuned_schedule(task.bare), found))
        listed.append(each)
    return listed


def _batch(
    network: CostNetwork,
    inputs: Sequence[WorkloadInput],
    listed: _Listed,
    ids: Sequence[NDArray[np.int32]],
) -> tuple[WorkloadBatch, ScheduleBatch, Tensor]:
    workloads = workload_batch(inputs, ids)
    schedules = schedule_batch(
        [[(name, schedule) for name, schedule, _ in those] for those in listed],
        network.choice_index, network.config.backends, workloads.most_sites,
    )  # fmt: skip
    most = max(1, *(len(those) for those in listed))
    targets = np.full((len(inputs), most, len(TARGETS)), np.nan, np.float32)
    for place, those in enumerate(listed):
        for column, (_, _, found) in enumerate(those):
            targets[place, column] = found
    return workloads, schedules, torch.from_numpy(targets)


class _Pools:
    """What batches are drawn from: tasks with many schedules, and tasks with a default.

    Families are drawn by the square roots of their numbers: the largest would drown the others.
    """

    def __init__(self, tasks: Sequence[Task], options: TrainingOptions) -> None:
        self._options = options
        self._many = [task for task in tasks if len(task.trials) > 1]
        self._single = [task for task in tasks if len(task.defaults)] or self._many
        self._many_shares = _shares(self._many)
        self._single_shares = _shares(self._single, tuned=_TUNED)

    def draw(self, network: CostNetwork, step: int) -> tuple[WorkloadBatch, ScheduleBatch, Tensor]:
        """The batch of a step, which depends on the seed and the step alone."""
        options = self._options
        rng = np.random.default_rng([options.seed, step])
        if self._many and rng.random() < options.schedule_share:
            count = min(options.workloads, len(self._many))
            places = rng.choice(len(self._many), count, replace=False, p=self._many_shares)
            tasks = [self._many[place] for place in places]
            rows = [rng.permutation(len(t.trials))[: options.schedules].tolist() for t in tasks]
            inputs, listed = [task.input for task in tasks], _rows_of(tasks, rows)
        else:
            tasks = self._alike(rng)
            defaults = [int(rng.choice(t.defaults)) if len(t.defaults) else 0 for t in tasks]
            inputs, listed = [task.bare for task in tasks], _wholes_of(tasks, defaults)
        ids = [hide_names(one, options.hidden, rng) for one in inputs]
        return _batch(network, inputs, listed, ids)

    def _alike(self, rng: np.random.Generator) -> list[Task]:
        """Functions of like lengths: most of a batch would be padding otherwise."""
        count = min(self._options.functions, len(self._single))
        window = min(_WINDOW * count, len(self._single) // count * count)
        places = rng.choice(len(self._single), window, replace=False, p=self._single_shares)
        drawn = sorted((self._single[place] for place in places), key=lambda task: task.input.ops)
        first = count * int(rng.integers(window // count))
        return drawn[first : first + count]


def _shares(tasks: Sequence[Task], *, tuned: float = 1.0) -> NDArray[np.float64]:
    numbers = Counter(task.family for task in tasks)
    weights = np.array([
        numbers[task.family] ** -0.5 * (tuned if math.isfinite(task.tuned) else 1.0)
        for task in tasks
    ])  # fmt: skip
    return np.asarray(weights / weights.sum())


def hide_names(given: WorkloadInput, share: float, rng: np.random.Generator) -> NDArray[np.int32]:
    """The words of a function, that share of the names of operations in a more general form."""
    tokens = given.tokens
    named = tokens.kinds == Kind.OP
    words = np.unique(tokens.ids[named])
    hidden = words[rng.random(len(words)) < share]
    return np.where(named & np.isin(tokens.ids, hidden), tokens.general, tokens.ids)


def _groups(network: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Matrices are decayed; biases, norms and embeddings are not."""
    embeddings = {
        id(module.weight) for module in network.modules() if isinstance(module, nn.Embedding)
    }
    plain = [p for p in network.parameters() if p.ndim < 2 or id(p) in embeddings]
    matrices = [p for p in network.parameters() if p.ndim >= 2 and id(p) not in embeddings]
    return [{"params": matrices, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}]


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}


def _with(network: CostNetwork, state: dict[str, Tensor]) -> CostNetwork:
    made: CostNetwork = CostNetwork(network.config).to(network.device)
    made.load_state_dict(state)
    made.eval()
    return made


def _forget(path: Path, step: int) -> None:
    """Curves go up to the step that a run goes on from."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        # Of a run that was killed the last line may lack its end.
        whole = [line for line in lines if line.endswith("\n")]
        kept = [line for line in whole if json.loads(line)["step"] <= step]
        path.write_text("".join(kept), encoding="utf-8")


def _append(path: Path, row: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
