"""From a data set to weights: read, train, distil, calibrate, save."""

from __future__ import annotations

import platform
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodel.learning.measures import (
    function_scores,
    schedule_scores,
    tuned_columns,
    with_defaults,
    with_tuned,
)
from costmodel.learning.prepared import prepare
from costmodel.learning.scores import score_functions
from costmodel.records import digest
from costmodel.report.files import output_directory
from costmodel.tokens.stream import Variant

if TYPE_CHECKING:
    from costmodel.learning.prepared import HeldOut, Prepared
    from costmodel.models.transformer.calibration import Calibration
    from costmodel.models.transformer.examples import Task
    from costmodel.models.transformer.network import CostNetwork
    from costmodel.models.transformer.training import Listener, TrainingOptions
    from costmodel.models.transformer.weights import Weights

__all__ = ["FitOptions", "fit", "learn"]


@dataclass(frozen=True)
class FitOptions:
    """Options of ``fit``: of the training, of the network's sizes, of the first stage."""

    training: TrainingOptions
    variant: Variant = Variant.VALUES
    width: int = 128
    layers: int = 4
    distil_steps: int = 1500
    threads: int | None = None
    device: str = "cpu"
    sizes: dict[str, Any] = field(default_factory=dict)


def fit(
    data: Path,
    out: Path,
    options: FitOptions,
    *,
    resume: bool = False,
    listener: Listener = lambda *_: None,
) -> Weights:
    """Train on the part ``train`` of a data set and write the weights to ``out``.

    ``out`` holds the curves and the checkpoint beside. Raises UsageError for data, rules, a
    checkpoint or a folder that cannot be used.
    """
    with output_directory(out):
        prepared = prepare(data, options.variant)
        return learn(prepared, out, options, resume=resume, listener=listener)


def learn(
    prepared: Prepared,
    out: Path,
    options: FitOptions,
    *,
    resume: bool = False,
    listener: Listener = lambda *_: None,
) -> Weights:
    """The same of data that has been read."""
    import torch

    from costmodel.models.transformer.config import CostConfig
    from costmodel.models.transformer.distillation import distill
    from costmodel.models.transformer.network import CostNetwork
    from costmodel.models.transformer.training import train
    from costmodel.models.transformer.weights import LEARNED_DIGITS, Weights, save_weights

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    started = time.monotonic()
    learned, seed = prepared.learned, options.training.seed
    torch.manual_seed(seed)
    targets = np.stack([task.input.target for task in learned])
    config = CostConfig(
        vocab_size=len(prepared.vocabulary), choice_words=_words(learned),
        variant=str(prepared.variant), width=options.width, layers=options.layers,
        target_low=targets.min(axis=0).tolist(), target_high=targets.max(axis=0).tolist(),
        **options.sizes,
    )  # fmt: skip
    run = [prepared.data, prepared.rules, config.to_json_string()]
    out.mkdir(parents=True, exist_ok=True)
    network = train(
        CostNetwork(config), learned, out,
        judge=lambda one: _judge(one, prepared.choosing),
        options=options.training, of=digest(run), device=options.device, listener=listener,
        resume=resume,
    )  # fmt: skip
    network = distill(network, learned, steps=options.distil_steps, seed=seed).to("cpu").eval()
    weights = Weights(
        network=network,
        vocabulary=prepared.vocabulary,
        calibration=_calibrate(network, prepared.calibrating),
        targets=prepared.targets,
        training={
            "data": prepared.data,
            "rules": prepared.rules,
            "parts": prepared.parts,
            "schedules": sum(len(task.trials) for task in learned),
            "backends": _scheduled_backends(learned),
            "tuned": len(with_tuned(learned)),
            "options": asdict(options.training),
            "device": options.device,
            "threads": options.threads,
            "distil_steps": options.distil_steps,
            "seconds": round(time.monotonic() - started),
            "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers")},
            "machine": platform.machine(),
        },
        learned=frozenset(key[:LEARNED_DIGITS] for key in prepared.keys),
    )
    save_weights(weights, out)
    return weights


#: Weights are chosen by the first of so many schedules: few validation tasks have more.
_GROUP = 24


def _words(tasks: Sequence[Task]) -> list[str]:
    """Words of choices that several schedules have, after padding and what is not known."""
    from costmodel.models.transformer.sites import TUNED

    counts: dict[str, int] = {}
    for task in tasks:
        for _, schedule in task.schedules:
            for word in set(schedule.words):
                counts[word] = counts.get(word, 0) + 1
    known = sorted(word for word, count in counts.items() if count > 1)
    return ["<pad>", "<unk>", f"{TUNED}:{TUNED}", *known]


def _scheduled_backends(tasks: Sequence[Task]) -> list[str]:
    """Those of which other schedules than a default were learned."""
    return sorted({name for task in tasks for name, one in task.schedules if not one.whole})


def _judge(network: CostNetwork, given: HeldOut) -> tuple[float, dict[str, float]]:
    """One number from errors and ranks, and the parts of it.

    Families that are not learned from count the same each; unseen shapes of those that are count
    together as much.
    """
    unseen, seen = given.unseen, given.seen
    families = sorted({task.family for task in unseen})
    each = [_scores(network, [task for task in unseen if task.family == name]) for name in families]
    names = sorted({name for scores in each for name in scores})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what no family has is NaN
        means = {name: float(np.nanmean([one.get(name, np.nan) for one in each])) for name in names}
    of_seen = _scores(network, seen)
    figures = means | {f"seen_{name}": value for name, value in of_seen.items()}
    return _score(means) + _score(of_seen), figures


def _score(figures: Mapping[str, float]) -> float:
    """Lower is better; what is not known counts nothing."""
    parts = [
        figures.get("function_median_error", np.nan),
        1 - figures.get("function_spearman", np.nan),
        (1 - figures.get("function_registers", np.nan)) / 4,
        figures.get("function_utilization_rmse", np.nan) / 50,
        figures.get("tuned_median_error", np.nan) / 2,
        # Which schedule comes first is luck with so few tasks; the best of five is less so.
        np.log(figures.get("schedule_first", np.nan)) / 4,
        np.log(figures.get("schedule_five", np.nan)),
        1 - figures.get("schedule_spearman", np.nan),
    ]  # fmt: skip
    return float(np.nansum(parts))


def _scores(network: CostNetwork, tasks: Sequence[Task]) -> dict[str, float]:
    from costmodel.models.transformer.calibration import Calibration

    found: dict[str, float] = {}
    if with_defaults(tasks):
        functions = function_scores(network, tasks, Calibration())
        found |= {f"function_{name}": value for name, value in asdict(functions).items()}
    if with_tuned(tasks):
        tuned = score_functions(tuned_columns(network, with_tuned(tasks), Calibration()))
        found |= {f"tuned_{name}": value for name, value in asdict(tuned).items()}
    schedules = schedule_scores(network, tasks, Calibration(), group=_GROUP)
    if schedules.tasks:
        found |= {f"schedule_{name}": value for name, value in asdict(schedules).items()}
    return found


def _calibrate(network: CostNetwork, given: HeldOut) -> Calibration:
    """Functions by unseen families; what is known of few functions by unseen shapes as well."""
    from costmodel.models.transformer import inference
    from costmodel.models.transformer.calibration import Calibration, widening

    single, known = with_defaults(given.unseen), with_tuned([*given.unseen, *given.seen])
    functions = schedules = tuned = 0.0
    if single:
        told = inference.estimate_functions(network, single)
        measured = np.array([task.targets[task.defaults[0], 0] for task in single], np.float64)
        families = np.array([task.family for task in single])
        functions = max(
            widening(measured[of], told.low[of], told.high[of])
            for of in (families == family for family in sorted(set(families)))
        )
    if known:
        told = inference.estimate_tuned(network, known)
        tuned = widening(np.array([task.tuned for task in known]), told.low, told.high)
    many = [task for task in (*given.unseen, *given.seen) if len(task.trials) > 1]
    if many:
        found = inference.estimate_schedules(network, many)
        joined = [np.concatenate([getattr(e, name) for e in found]) for name in ("low", "high")]
        measured = np.concatenate([task.targets[:, 0] for task in many]).astype(np.float64)
        groups = np.repeat(np.arange(len(many)), [len(task.trials) for task in many])
        schedules = widening(measured, *joined, groups=groups)
    return Calibration(functions, schedules, tuned)
