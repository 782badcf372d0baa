"""Results of a run as the tuner hands them over, made up but complete."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from costmodel.records import Outcome, TensorType
from costmodel.results import Source, TrialRecord, TuneResult

MakeResult = Callable[..., TuneResult]


def make_history(trials: int = 48, seed: int = 0) -> tuple[TrialRecord, ...]:
    rng = random.Random(seed)
    history = []
    for index in range(trials):
        source: Source = "default" if index == 0 else "random" if index % 4 == 0 else "model"
        latency = 2400.0 if index == 0 else 400 * math.exp(rng.uniform(0, 2) * 8 / (index + 8))
        predicted = None if index < 4 else latency * math.exp(rng.gauss(0, 0.25))
        failed = index % 11 == 7
        history.append(
            TrialRecord(
                index=index,
                schedule_hash=f"{index:064x}",
                outcome=Outcome.RUN_TIMEOUT if failed else Outcome.OK,
                latency_us=None if failed else latency,
                predicted_us=predicted,
                predicted_low_us=None if predicted is None else predicted / 1.4,
                predicted_high_us=None if predicted is None else predicted * 1.4,
                elapsed_s=0.5 * index,
                source=source,
            )
        )
    return tuple(history)


@pytest.fixture
def make_result() -> MakeResult:
    def make(**changes: Any) -> TuneResult:
        history = changes.pop("history", make_history())
        failed = Counter(str(trial.outcome) for trial in history if not trial.ok)
        settings: dict[str, Any] = {
            "workload": "a" * 64,
            "function": "matmul_bias_relu",
            "target": "a test machine",
            "backend": "tvm",
            "baseline_us": 2400.0,
            "best_us": 412.5,
            "noise_us": 3.25,
            "speedup": 5.818,
            "gflops": 98.7,
            "roofline_fraction": 0.61,
            "trials": len(history),
            "measured": len(history),
            "failed": dict(failed),
            "cached": 0,
            "seconds": 21.25,
            "schedule": {"decisions": [1, 2, 3]},
            "artifacts": {},
            "model": "boosted",
            "reference": "IREE",
            "reference_us": 980.0,
            "inputs": (TensorType((4, 8), "f32"),),
            "outputs": (TensorType((4, 8), "f32"),),
            "history": history,
        }
        return TuneResult(**{**settings, **changes})

    return make
